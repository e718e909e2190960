# SPDX-License-Identifier: Apache-2.0
"""Statevectors and unitaries are those of `qiskit.quantum_info`, and all standard gates run as they are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit import ControlledGate, Delay, Gate
from qiskit.circuit import library as lib
from qiskit.circuit.random import random_circuit
from qiskit.exceptions import QiskitError
from qiskit.quantum_info import Operator, SparsePauliOp, Statevector, random_statevector, random_unitary
from reference import assert_drawn_from, standard_gates

from qfleet import FleetProvider
from qfleet.errors import UnsupportedCircuitError


def random_gates(width: int) -> QuantumCircuit:
    """Return a random circuit that doesn't begin with |0...0>, which most gates leave alone."""
    circuit = QuantumCircuit(width, global_phase=0.1 * width)
    for qubit in range(width):
        circuit.u(0.4 + qubit, 0.7, 0.2, qubit)
    return circuit.compose(random_circuit(width, 6, max_operands=min(width, 4), seed=width))


RANDOM = [random_gates(width) for width in (1, 2, 3, 5, 8)]


def on_a_state(operation: Any, extra_qubits: int = 1) -> QuantumCircuit:
    """Return the operation on a state in which every amplitude matters, with its qubits out of order."""
    width = operation.num_qubits + extra_qubits
    circuit = QuantumCircuit(width, name=operation.name)
    for qubit in range(width):
        circuit.u(0.4 + qubit, 0.7 * qubit, 0.2, qubit)
    for qubit in range(width - 1):
        circuit.cx(qubit, qubit + 1)
    circuit.append(operation, list(reversed(range(operation.num_qubits))))
    return circuit


def unnamed_gate() -> Gate:
    """Return a gate that only its definition knows."""
    inside = QuantumCircuit(2, global_phase=0.4)
    inside.h(0)
    inside.append(lib.iSwapGate(), [1, 0])
    return inside.to_gate(label="mine")


class NotGate(Gate):
    """A gate of the user's, to be controlled."""

    def __init__(self) -> None:
        super().__init__("not", 1, [])

    def _define(self) -> None:
        self.definition = QuantumCircuit(1, global_phase=np.pi / 2)
        self.definition.rx(np.pi, 0)


OTHERS = [
    lib.CXGate(ctrl_state=0),
    lib.CCXGate(ctrl_state=1),
    lib.CPhaseGate(0.3, ctrl_state=0),
    lib.SwapGate().control(2, ctrl_state="01", annotated=False),
    lib.HGate().control(3, ctrl_state=5, annotated=False),
    lib.RZGate(0.7).control(2, annotated=False),
    lib.XXPlusYYGate(0.3, 0.1).control(1, annotated=True),
    lib.GlobalPhaseGate(0.5).control(2, annotated=True),
    NotGate().control(2, ctrl_state=0, annotated=False),
    lib.MCXGate(5, ctrl_state=9),
    lib.MCPhaseGate(0.3, 4),
    lib.MCMTGate(lib.XGate(), 2, 2),
    lib.PauliGate("XIYZ"),
    lib.DiagonalGate(np.exp(1j * np.arange(8))),
    lib.PermutationGate([2, 0, 3, 1]),
    lib.UnitaryGate(random_unitary(8, seed=1)),
    lib.UnitaryGate(random_unitary(2, seed=2)).control(2, ctrl_state=2, annotated=False),
    lib.UCGate([random_unitary(2, seed=seed).data for seed in range(4)]),
    lib.UCRYGate([0.1, 0.2, 0.3, 0.4]),
    lib.PauliEvolutionGate(SparsePauliOp(["XX", "YY", "ZZ"], [0.3, 0.2, 0.5]), time=0.7),
    lib.QFTGate(4),
    lib.LinearFunction([[1, 1], [0, 1]]),
    unnamed_gate(),
    unnamed_gate().control(1, annotated=False),
    unnamed_gate().inverse(),
    unnamed_gate().power(2),
    *(Delay(duration, unit) for duration, unit in ((100, "ns"), (1.5e-7, "s"), (16, "dt"), (2, "ms"))),
]


def states(provider: FleetProvider, circuits: list[QuantumCircuit], **options: Any) -> list[Any]:
    result = provider.get_backend("statevector_simulator").run(circuits, **options).result()
    return [result.get_statevector(index) for index in range(len(circuits))]


def test_every_standard_gate_runs_untranspiled(provider: FleetProvider) -> None:
    circuits = [on_a_state(gate) for gate in standard_gates().values()]
    for circuit, state in zip(circuits, states(provider, circuits), strict=True):
        assert np.allclose(state, Statevector(circuit)), circuit.name


def test_every_standard_gate_runs_behind_an_open_control(provider: FleetProvider) -> None:
    circuits = [
        on_a_state(gate.control(1, ctrl_state=0, annotated=annotated), 0)
        for gate in standard_gates().values()
        if isinstance(gate, Gate)
        for annotated in (False, True)
    ]
    for circuit, state in zip(circuits, states(provider, circuits), strict=True):
        assert np.allclose(state, Statevector(circuit)), circuit.name


# Qiskit's own way to the matrix of a Pauli evolution warns.
@pytest.mark.filterwarnings("ignore::scipy.sparse.SparseEfficiencyWarning")
def test_other_gates_run_untranspiled(provider: FleetProvider) -> None:
    circuits = [on_a_state(gate) for gate in OTHERS]
    for circuit, state in zip(circuits, states(provider, circuits), strict=True):
        assert np.allclose(state, Statevector(circuit)), circuit.name


def test_a_controlled_gate_without_a_definition_runs(provider: FleetProvider) -> None:
    circuit, known = QuantumCircuit(2), QuantumCircuit(2)
    for each, gate in ((circuit, ControlledGate("cnot", 2, [], base_gate=NotGate())), (known, lib.CXGate())):
        each.ry(0.7, 0)
        each.append(gate, [0, 1])
    assert np.allclose(states(provider, [circuit])[0], Statevector(known))


def test_preparations_run_untranspiled(provider: FleetProvider) -> None:
    state = random_statevector(8, seed=3)
    circuits = []
    for prepare in (
        lambda circuit: circuit.initialize(state, [2, 0, 3]),
        lambda circuit: circuit.initialize("r1-", [3, 0, 1]),
        lambda circuit: circuit.initialize(5, [0, 1, 2]),
        lambda circuit: circuit.prepare_state(state, [1, 3, 2]),
        lambda circuit: circuit.append(lib.StatePreparation(state).inverse(), [0, 1, 2]),
        lambda circuit: circuit.append(lib.Isometry(random_unitary(4, seed=4).data[:, :2], 0, 0), [3, 1]),
    ):
        circuits.append(QuantumCircuit(4))
        prepare(circuits[-1])
        circuits[-1].ry(0.3, range(4))
    for circuit, found in zip(circuits, states(provider, circuits), strict=True):
        assert np.allclose(found, Statevector(circuit)), circuit.draw()


def test_random_circuits(provider: FleetProvider) -> None:
    for circuit, state in zip(RANDOM, states(provider, RANDOM), strict=True):
        assert np.allclose(state, Statevector(circuit))


def test_a_statevector_is_what_qiskit_makes_of_it(provider: FleetProvider) -> None:
    circuit = RANDOM[2]
    result = provider.get_backend("statevector_simulator").run(circuit).result()
    state = result.get_statevector(circuit)
    assert isinstance(state, np.ndarray)
    assert state.shape == (8,)
    assert np.array_equal(np.round(state, 2), result.get_statevector(decimals=2))
    # Nothing is measured: Qiskit's Result then gives probabilities in place of counts.
    assert result.data(0).keys() == {"statevector"}
    exact = Statevector(circuit).probabilities_dict()
    assert result.get_counts() == pytest.approx({key: exact[key] for key in result.get_counts()})


def test_measured_circuits_give_counts_and_a_state_after_them(provider: FleetProvider) -> None:
    circuit = QuantumCircuit(2, 2)
    circuit.ry(1.2, 0)
    circuit.cx(0, 1)
    circuit.measure(0, 1)
    backend = provider.get_backend("statevector_simulator")
    seen = set()
    for seed in range(20):
        result = backend.run(circuit, shots=3, memory=True, seed_simulator=seed).result()
        found = int(np.argmax(np.abs(result.get_statevector())))
        # The state is that of the last shot.
        assert result.get_memory()[-1] == f"{found & 1}0"
        assert np.allclose(np.abs(result.get_statevector()), np.eye(4)[found])
        seen.add(found)
    assert seen == {0, 3}
    assert_drawn_from(backend.run(circuit, seed_simulator=1).result().get_counts(), _probabilities(1.2))


def _probabilities(angle: float) -> dict[str, float]:
    return {"00": np.cos(angle / 2) ** 2, "10": np.sin(angle / 2) ** 2}


def test_unitaries(provider: FleetProvider) -> None:
    circuits = [circuit for circuit in RANDOM if circuit.num_qubits <= 5]
    circuits += [on_a_state(gate, 0) for gate in standard_gates().values()]
    circuits.append(QuantumCircuit(2, 3, global_phase=1.1))
    result = provider.get_backend("unitary_simulator").run(circuits).result()
    for index, circuit in enumerate(circuits):
        assert np.allclose(result.get_unitary(index), Operator(circuit)), circuit.name
    assert result.data(0).keys() == {"unitary"}
    assert result.get_unitary(0).shape == (2, 2)
    assert np.array_equal(np.round(result.get_unitary(0), 3), result.get_unitary(circuits[0], decimals=3))


@pytest.mark.parametrize("name", ["measure", "reset", "initialize"])
def test_what_has_no_unitary_is_refused(provider: FleetProvider, name: str) -> None:
    circuit = QuantumCircuit(2, 2, name="circuit X")
    circuit.h(0)
    {
        "measure": lambda: circuit.measure(1, 0),
        "reset": lambda: circuit.reset(1),
        "initialize": lambda: circuit.initialize([0, 1], 1),
    }[name]()
    with pytest.raises(UnsupportedCircuitError, match=f"'circuit X' holds '{name}' at position 1 .*unitary"):
        provider.get_backend("unitary_simulator").run(circuit)


def test_counts_of_a_statevector_without_clbits_stay_empty_elsewhere(provider: FleetProvider) -> None:
    result = provider.get_backend("automatic").run(QuantumCircuit(2)).result()
    assert result.get_counts() == {}
    with pytest.raises(QiskitError):
        result.get_statevector()
