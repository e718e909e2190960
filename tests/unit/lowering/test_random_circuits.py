# SPDX-License-Identifier: Apache-2.0
"""Programs of random circuits mean the same as their circuits."""

import numpy as np
import program_oracle
from hypothesis import given, settings
from hypothesis import strategies as st
from qiskit import QuantumCircuit
from qiskit.circuit import AnnotatedOperation, ControlModifier, InverseModifier, PowerModifier
from qiskit.circuit import library as lib
from qiskit.circuit.library import get_standard_gate_name_mapping
from qiskit.quantum_info import Operator, SuperOp, random_statevector, random_unitary

from qfleet.lowering.lower import lower
from qfleet.wire.codec.programs import decode_program, encode_program

STANDARD = [
    gate for name, gate in get_standard_gate_name_mapping().items() if name not in ("measure", "reset", "delay")
]
ANGLE = st.floats(-7, 7, allow_nan=False)
SEED = st.integers(0, 1000)


@st.composite
def gates(draw, max_qubits: int, depth: int = 2):
    """Any gate on at most so many qubits, composite and modified ones included."""
    kinds = ["standard", "unitary", "diagonal", "permutation", "pauli"]
    if depth:
        kinds += ["composite", "modified"]
    match draw(st.sampled_from(kinds)):
        case "standard":
            gate = draw(st.sampled_from([gate for gate in STANDARD if gate.num_qubits <= max_qubits]))
            if gate.params:
                gate = gate.base_class(*[draw(ANGLE) for _ in gate.params])
            if getattr(gate, "num_ctrl_qubits", 0) and draw(st.booleans()):
                gate = gate.to_mutable()
                gate.ctrl_state = draw(st.integers(0, 2**gate.num_ctrl_qubits - 1))
            return gate
        case "unitary":
            return lib.UnitaryGate(random_unitary(2 ** draw(st.integers(1, min(2, max_qubits))), seed=draw(SEED)))
        case "diagonal":
            size = 2 ** draw(st.integers(1, max_qubits))
            return lib.DiagonalGate([np.exp(1j * draw(ANGLE)) for _ in range(size)])
        case "permutation":
            return lib.PermutationGate(draw(st.permutations(range(max_qubits))))
        case "pauli":
            return lib.PauliGate(draw(st.text("IXYZ", min_size=1, max_size=max_qubits)))
        case "composite":
            return draw(unitary_circuits(max_qubits, depth - 1)).to_gate()
        case _:
            modifiers = [draw(st.sampled_from([InverseModifier(), PowerModifier(2), PowerModifier(-1)]))]
            if max_qubits > 1:
                modifiers.append(ControlModifier(1, draw(st.integers(0, 1))))
            return AnnotatedOperation(draw(gates(max(1, max_qubits - 1), depth - 1)), modifiers)


@st.composite
def unitary_circuits(draw, num_qubits: int, depth: int = 2) -> QuantumCircuit:
    circuit = QuantumCircuit(num_qubits, global_phase=draw(st.sampled_from([0, 0.5, np.pi])))
    for _ in range(draw(st.integers(0, 4))):
        gate = draw(gates(num_qubits, depth))
        circuit.append(gate, draw(st.permutations(range(num_qubits)))[: gate.num_qubits])
    return circuit


def again(circuit: QuantumCircuit, **options):
    return decode_program(encode_program(lower(circuit, **options)))


@settings(max_examples=150, deadline=None)
@given(unitary_circuits(4))
def test_unitary_circuits(circuit):
    unitary = program_oracle.unitary(again(circuit, output="unitary"))
    np.testing.assert_allclose(unitary, Operator(circuit).data, atol=1e-9, rtol=0)


@st.composite
def channels(draw) -> QuantumCircuit:
    circuit = QuantumCircuit(2)
    for _ in range(draw(st.integers(1, 4))):
        qubits = draw(st.permutations(range(2)))
        match draw(st.sampled_from(["gate", "reset", "initialize", "label", "nested"])):
            case "gate":
                gate = draw(gates(2, 0))
                circuit.append(gate, qubits[: gate.num_qubits])
            case "reset":
                circuit.reset(qubits[0])
            case "initialize":
                circuit.initialize(random_statevector(4, seed=draw(SEED)), qubits)
            case "label":
                circuit.initialize(draw(st.text("01+-rl", min_size=2, max_size=2)), qubits)
            case "nested":
                inner = QuantumCircuit(2)
                inner.cx(0, 1)
                inner.reset(1)
                circuit.append(inner.to_instruction(), qubits)
    return circuit


@settings(max_examples=60, deadline=None)
@given(channels())
def test_channels(circuit):
    channel = SuperOp(program_oracle.circuit(again(circuit))).data
    np.testing.assert_allclose(channel, SuperOp(circuit).data, atol=1e-9, rtol=0)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("hmr"), st.integers(0, 3), st.integers(0, 4)), max_size=20))
def test_measurements_keep_their_place(steps):
    circuit = QuantumCircuit(4, 5)
    expected = []
    for step, qubit, clbit in steps:
        match step:
            case "h":
                circuit.h(qubit)
            case "m":
                circuit.measure(qubit, clbit)
            case "r":
                circuit.reset(qubit)
        expected.append((step, qubit, clbit if step == "m" else -1))
    names = {"H": "h", "MEASURE": "m", "RESET": "r"}
    assert [(names[row.code.name], row.targets[0], row.clbit) for row in again(circuit)] == expected
