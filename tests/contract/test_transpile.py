# SPDX-License-Identifier: Apache-2.0
"""``transpile(circuit, backend)`` takes the backends as they are, and leaves alone what they run."""

from __future__ import annotations

import flow_oracle
import numpy as np
import pytest
from qiskit import QuantumCircuit, transpile
from qiskit.circuit import library as lib
from qiskit.circuit.controlflow import CONTROL_FLOW_OP_NAMES
from qiskit.quantum_info import Statevector, random_unitary
from qiskit.transpiler import generate_preset_pass_manager
from reference import assert_drawn_from, outcome_probabilities, standard_gates

from qfleet import FleetProvider
from qfleet.backend import FleetBackend
from qfleet.errors import CapacityError

LEVELS = [0, 1, 2, 3]

#: Operations of any width that travel whole.
WIDE = [
    lib.MCXGate(5),
    lib.MCPhaseGate(0.3, 4),
    lib.UnitaryGate(random_unitary(8, seed=1)),
    lib.DiagonalGate([1, -1, 1j, 1]),
    lib.Initialize([0, 0.6, 0.8, 0]),
    lib.StatePreparation([0, 0.6, 0.8, 0]),
    lib.PermutationGate([2, 0, 1]),
    lib.PauliGate("XYZ"),
]


@pytest.fixture
def backend(provider: FleetProvider) -> FleetBackend:
    return provider.get_backend("statevector_simulator")


def prepared(width: int, name: str) -> QuantumCircuit:
    circuit = QuantumCircuit(width, width, name=name)
    for qubit in range(width):
        circuit.ry(0.4 + qubit, qubit)
    return circuit


def gate_circuits() -> list[QuantumCircuit]:
    """Return each standard gate between rotations, measured, so that exchanging qubits silently would be seen."""
    circuits = []
    for name, gate in standard_gates().items():
        circuits.append(prepared(max(gate.num_qubits, 1), name))
        circuits[-1].append(gate, range(gate.num_qubits))
        circuits[-1].rx(0.7, circuits[-1].qubits)
        circuits[-1].measure(circuits[-1].qubits, circuits[-1].clbits)
    return circuits


def control_flow() -> dict[str, QuantumCircuit]:
    """Return a circuit for every control-flow operation that stands on its own, as its third operation."""
    circuits = {}
    for name in CONTROL_FLOW_OP_NAMES - {"break_loop", "continue_loop"}:
        circuit = QuantumCircuit(2, 1, name=f"with {name}")
        circuit.h(0)
        circuit.measure(0, 0)
        body = QuantumCircuit(2, 1)
        body.x(1)
        match name:
            case "box":
                circuit.box(body, [0, 1], [0])
            case "if_else":
                circuit.if_else((circuit.clbits[0], 1), body, None, [0, 1], [0])
            case "while_loop":
                body.x(0)
                body.measure(0, 0)
                body.h(0)
                circuit.while_loop((circuit.clbits[0], 1), body, [0, 1], [0])
            case "for_loop":
                circuit.for_loop(range(3), None, body, [0, 1], [0])
            case "switch_case":
                circuit.switch(circuit.clbits[0], [(0, body)], [0, 1], [0])
        circuits[name] = circuit
    return circuits


@pytest.mark.parametrize("level", LEVELS)
def test_every_standard_gate_transpiles_and_stays_right(backend: FleetBackend, level: int) -> None:
    circuits = gate_circuits()
    transpiled = transpile(circuits, backend, optimization_level=level)
    job = backend.run(transpiled, shots=4000, seed_simulator=level)
    for circuit, after, counts in zip(circuits, transpiled, job.result().get_counts(), strict=True):
        assert sum(after.count_ops().values()) <= sum(circuit.count_ops().values()), after.draw()
        assert_drawn_from(counts, outcome_probabilities(circuit))


def test_nothing_is_decomposed(backend: FleetBackend) -> None:
    circuits = gate_circuits()
    for operation in WIDE:
        circuits.append(QuantumCircuit(operation.num_qubits))
        circuits[-1].append(operation, range(operation.num_qubits))
    for level in (0, 1):
        for circuit, after in zip(circuits, transpile(circuits, backend, optimization_level=level), strict=True):
            before = circuit.count_ops()
            # From level 1 on the transpiler drops identities and gives one-qubit gates other names.
            wide = {name for name in before if not (level and name in {"id", "unitary"}) and name not in {"rx", "ry"}}
            if level == 0 or circuit.num_qubits > 1:
                assert {name: after.count_ops().get(name, 0) for name in wide} == {name: before[name] for name in wide}


def test_wide_operations_stay_right(backend: FleetBackend) -> None:
    for level in LEVELS:
        circuits = []
        for operation in WIDE:
            circuits.append(prepared(operation.num_qubits, operation.name))
            circuits[-1].append(operation, range(operation.num_qubits))
            circuits[-1].rx(0.7, circuits[-1].qubits)
            circuits[-1].measure(circuits[-1].qubits, circuits[-1].clbits)
        job = backend.run(transpile(circuits, backend, optimization_level=level), shots=4000, seed_simulator=level)
        for circuit, counts in zip(circuits, job.result().get_counts(), strict=True):
            if circuit.name == "initialize":
                continue  # on qubits that aren't in |0> it resets them, which has no pure state
            assert_drawn_from(counts, outcome_probabilities(circuit))


def test_control_flow_transpiles_and_runs(backend: FleetBackend) -> None:
    assert set(CONTROL_FLOW_OP_NAMES) <= set(backend.operation_names)
    for name, circuit in control_flow().items():
        for level in LEVELS:
            after = transpile(circuit, backend, optimization_level=level)
            assert name in after.count_ops()
            counts = backend.run(after, shots=1000, seed_simulator=1).result().get_counts()
            assert_drawn_from(counts, {f"{key}": chance for key, chance in flow_oracle.probabilities(circuit).items()})


def test_wide_circuits_stay_as_wide_as_they_are(provider: FleetProvider) -> None:
    circuit = QuantumCircuit(400, 400)
    circuit.h(range(400))
    for qubit in range(399):
        circuit.cx(qubit, 399 - qubit if qubit != 399 - qubit else 0)
    circuit.measure(range(400), range(400))
    for backend in provider.backends():
        assert type(backend.num_qubits) is int
        assert backend.target.num_qubits == backend.num_qubits
        assert backend.coupling_map is None
        assert backend.max_circuits is None
    for level in LEVELS:
        assert transpile(circuit, provider.get_backend(), optimization_level=level).num_qubits == 400


@pytest.mark.parametrize("level", LEVELS)
def test_a_circuit_of_idle_qubits_is_neither_refused_nor_widened(provider: FleetProvider, level: int) -> None:
    backend = provider.get_backend()
    wide, narrow = QuantumCircuit(127, 2), QuantumCircuit(2)
    wide.h(3)
    wide.cx(3, 126)
    wide.measure([3, 126], [0, 1])
    narrow.h(0)
    narrow.cx(0, 1)
    narrow.measure_all()
    transpiled = transpile([wide, narrow], backend, optimization_level=level)
    assert [circuit.num_qubits for circuit in transpiled] == [127, 2]
    for counts in backend.run(transpiled, shots=100).result().get_counts():
        assert counts.keys() == {"00", "11"}


def test_the_number_of_qubits_is_what_a_result_can_hold(provider: FleetProvider) -> None:
    widths = {backend.name: backend.num_qubits for backend in provider.backends()}
    assert widths == {
        "automatic": 1024,
        "qasm_simulator": 1024,
        "basic_simulator": 1024,
        "statevector_simulator": 25,
        "unitary_simulator": 12,
    }
    for name in ("statevector_simulator", "unitary_simulator"):
        backend = provider.get_backend(name, precision="single")
        with pytest.raises(CapacityError):
            backend.run(QuantumCircuit(widths[name] + 1))


@pytest.mark.parametrize("level", LEVELS)
def test_pass_managers_take_the_backend(backend: FleetBackend, level: int) -> None:
    circuit = QuantumCircuit(3)
    circuit.append(lib.QFTGate(3), range(3))
    circuit.append(lib.HGate().control(2, annotated=True), range(3))
    circuit.measure_all()
    after = generate_preset_pass_manager(level, backend).run(circuit)
    assert set(after.count_ops()) <= set(backend.operation_names)
    counts = backend.run(after, shots=4000, seed_simulator=level).result().get_counts()
    assert_drawn_from(counts, outcome_probabilities(circuit))


def test_the_layout_stays_trivial_for_a_statevector(backend: FleetBackend) -> None:
    circuit = QuantumCircuit(3)
    circuit.h(0)
    circuit.cx(0, 2)
    circuit.ry(0.3, 1)
    for level in LEVELS:
        state = backend.run(transpile(circuit, backend, optimization_level=level)).result().get_statevector()
        assert np.allclose(state, Statevector(circuit))


def test_the_target_names_what_it_holds(provider: FleetProvider) -> None:
    names = set(provider.get_backend().operation_names)
    assert names >= lib.get_standard_gate_name_mapping().keys()
    assert names >= {"measure", "reset", "delay", "barrier", "global_phase", *(each.name for each in WIDE)}
    assert names >= {"kraus", "superop", "quantum_channel", "roerror", "set_density_matrix", "set_superop"}
