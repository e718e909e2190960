# SPDX-License-Identifier: Apache-2.0
"""Each standard gate keeps its matrix, alone and under controls."""

import itertools

import numpy as np
import program_oracle
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit import ControlledGate, Gate
from qiskit.circuit import library as lib
from qiskit.circuit.library import get_standard_gate_name_mapping
from qiskit.quantum_info import Operator

from qfleet.lowering.lower import lower
from qfleet.wire.codec.programs import decode_program, encode_program
from qfleet.wire.program.operations import SPECS, Kind, Op

ANGLES = (0.3, -1.1, 2.7, 0.9)
NAMES = sorted(set(get_standard_gate_name_mapping()) - {"measure", "reset", "delay"})
BASES = [name for name in NAMES if name != "global_phase"]


def standard_gate(name: str) -> Gate:
    gate = get_standard_gate_name_mapping()[name]
    return gate.base_class(*ANGLES[: len(gate.params)]) if gate.params else gate


def alone(gate) -> QuantumCircuit:
    """Return the gate on its qubits in an order that isn't the circuit's, so that a swapped order shows."""
    circuit = QuantumCircuit(gate.num_qubits)
    circuit.append(gate, list(reversed(range(gate.num_qubits))))
    return circuit


def check(circuit: QuantumCircuit, tolerance: float = 1e-12) -> None:
    program = decode_program(encode_program(lower(circuit, "unitary")))
    np.testing.assert_allclose(program_oracle.unitary(program), Operator(circuit).data, atol=tolerance, rtol=0)


@pytest.mark.parametrize("name", NAMES)
def test_a_standard_gate_keeps_its_matrix(name):
    check(alone(standard_gate(name)))


@pytest.mark.parametrize("name", NAMES)
def test_a_standard_gate_needs_no_definition(name):
    """One row, or two for CU: a definition would be slower and less exact."""
    assert len(lower(alone(standard_gate(name)))) == {"id": 0, "cu": 2}.get(name, 1)


@pytest.mark.parametrize("gate", [lib.C3XGate(), lib.C4XGate(), lib.C3SXGate(), lib.RC3XGate(), lib.MCU1Gate(0.4, 3)])
def test_gates_without_a_name_of_their_own(gate):
    check(alone(gate))
    assert len(lower(alone(gate))) == 1


#: Three controls on four qubits would test the same code on large matrices.
CONTROLLED = [
    (name, num_controls)
    for name in BASES
    for num_controls in (1, 2, 3)
    if standard_gate(name).num_qubits + num_controls <= 6
]


@pytest.mark.parametrize(("name", "num_controls"), CONTROLLED)
def test_annotated_controls_with_every_state(name, num_controls):
    gate = standard_gate(name)
    for state in range(1 << num_controls):
        check(alone(gate.control(num_controls, ctrl_state=state, annotated=True)))


@pytest.mark.parametrize(("name", "num_controls"), CONTROLLED)
def test_controlled_gates_with_every_state(name, num_controls):
    gate = standard_gate(name)
    for state in range(1 << num_controls):
        # Qiskit takes the matrix from its own definition, which limits the agreement.
        check(alone(gate.control(num_controls, ctrl_state=state, annotated=False)), 1e-9)


@pytest.mark.parametrize("name", [name for name in BASES if name[0] == "c"])
def test_a_controlled_standard_gate_with_every_state(name):
    gate = standard_gate(name)
    for state in range(1 << gate.num_ctrl_qubits):
        opened = gate.to_mutable()
        opened.ctrl_state = state
        check(alone(opened), 1e-9)
        assert all(row.controls for row in lower(alone(opened)))


def test_controls_come_first_and_open_ones_are_complements():
    circuit = QuantumCircuit(5)
    circuit.append(lib.MCXGate(4, ctrl_state=0b0101), [4, 2, 0, 1, 3])
    (row,) = lower(circuit)
    assert (row.code, row.controls, row.targets) == (Op.X, (4, ~2, 0, ~1), (3,))


def test_the_rows_of_a_controlled_u():
    circuit = QuantumCircuit(2)
    circuit.cu(0.1, 0.2, 0.3, 0.4, 1, 0)
    phase, gate = lower(circuit)
    assert (phase.code, phase.controls, phase.targets, phase.params) == (Op.GLOBAL_PHASE, (1,), (), (0.4,))
    assert (gate.code, gate.controls, gate.targets, gate.params) == (Op.U, (1,), (0,), (0.1, 0.2, 0.3))


def test_a_controlled_u_keeps_its_phase_under_more_controls():
    for gate in (
        lib.CUGate(*ANGLES).control(1, annotated=False),
        lib.CUGate(*ANGLES).control(2, ctrl_state=1, annotated=False),
        lib.CUGate(*ANGLES, ctrl_state=0).control(1, annotated=True),
        lib.CUGate(*ANGLES, ctrl_state=0),
    ):
        check(alone(gate), 1e-9)


@pytest.mark.parametrize(("num_controls", "state"), [*itertools.product([4], range(16)), (6, 0b101100)])
def test_multi_controlled_gates(num_controls, state):
    for gate in (lib.MCXGate(num_controls, ctrl_state=state), lib.MCPhaseGate(0.7, num_controls, ctrl_state=state)):
        circuit = alone(gate)
        check(circuit, 1e-9)
        assert len(lower(circuit)) == 1


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("make", [lib.standard_gates.MCXRecursive, lib.standard_gates.MCXVChain])
def test_mcx_with_ancillas_goes_by_its_definition(make):
    gate = make(5, ctrl_state=0b10110)
    assert gate.num_qubits > 6
    check(alone(gate), 1e-9)


def test_a_subclass_of_controlled_gate_goes_by_its_definition():
    class RelativePhase(ControlledGate):
        def __init__(self):
            super().__init__("relative", 2, [], num_ctrl_qubits=1, base_gate=lib.XGate())

        def _define(self):
            self.definition = QuantumCircuit(2)
            self.definition.cx(0, 1)
            self.definition.cz(0, 1)

    circuit = alone(RelativePhase())
    assert [row.code for row in lower(circuit)] == [Op.X, Op.Z]
    check(circuit)


def test_a_controlled_gate_with_an_ancilla_goes_by_its_definition():
    body = QuantumCircuit(3)
    body.cx(0, 1)
    gate = ControlledGate("with_ancilla", 3, [], num_ctrl_qubits=1, definition=body, base_gate=lib.ZGate())
    assert [row.code for row in lower(alone(gate))] == [Op.X]
    check(alone(gate))


def test_every_fixed_operation_of_a_program_is_reached():
    reached = {row.code for name in NAMES for row in lower(alone(standard_gate(name)))}
    assert reached == {spec.op for spec in SPECS if spec.kind is Kind.UNITARY and spec.targets is not None}


def test_a_gate_with_a_standard_name_is_not_mistaken():
    imposter = Gate("h", 1, [])
    imposter.definition = QuantumCircuit(1)
    imposter.definition.x(0)
    circuit = QuantumCircuit(1)
    circuit.append(imposter, [0])
    assert [row.code for row in lower(circuit)] == [Op.X]
