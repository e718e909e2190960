# SPDX-License-Identifier: Apache-2.0
"""The stabilizer method saves, sets and counts as Aer's does."""

from __future__ import annotations

import math

import numpy as np
import pytest
from clifford_circuits import random_circuit
from in_process import run_in_process
from qiskit import QuantumCircuit
from qiskit.quantum_info import (
    Clifford,
    DensityMatrix,
    SparsePauliOp,
    StabilizerState,
    Statevector,
    partial_trace,
    random_clifford,
)
from qiskit.result import Result
from qiskit_aer import AerSimulator

from qfleet.errors import UnsupportedCircuitError
from qfleet_worker.engines.stabilizer.simulator import StabilizerSimulator

AER = AerSimulator(method="stabilizer")


def run(circuit: QuantumCircuit, shots: int = 5, seed: int = 1) -> Result:
    return run_in_process(circuit, StabilizerSimulator(), shots=shots, seed_simulator=seed, method="stabilizer")


@pytest.mark.parametrize("seed", range(20))
def test_cliffords_are_those_of_their_gates(seed: int) -> None:
    rng = np.random.default_rng(seed)
    circuit = random_circuit(rng, int(rng.integers(1, 9)), 1, 40, events=False)
    bare = circuit.copy()
    circuit.save_clifford()
    circuit.save_stabilizer(label="stabilizers")
    circuit.save_state()
    data = run(circuit).data(0)
    assert data["clifford"] == Clifford(bare)
    assert isinstance(data["stabilizer"], StabilizerState)
    assert data["stabilizers"] == data["stabilizer"] == StabilizerState(Clifford(bare))


@pytest.mark.parametrize("pershot", [False, True])
def test_saved_states_have_the_shape_of_aers(pershot: bool) -> None:
    circuit = QuantumCircuit(3, 2)
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.y(2)
    circuit.measure(0, 0)
    circuit.save_stabilizer(label="by clbits", pershot=pershot, conditional=True)
    circuit.save_clifford(label="all", pershot=pershot)
    ours, theirs = run(circuit, 40).data(0), AER.run(circuit, shots=40, seed_simulator=1).result().data(0)
    assert set(ours["by clbits"]) == set(theirs["by clbits"]) == {"0x0", "0x1"}
    for key, found in theirs["by clbits"].items():
        pairs = (ours["by clbits"][key], found) if not pershot else (ours["by clbits"][key][0], found[0])
        assert pairs[0].equiv(pairs[1])
    assert (len(ours["all"]) == 40) if pershot else isinstance(ours["all"], Clifford)


@pytest.mark.parametrize("seed", range(6))
def test_a_state_that_is_set_is_the_one_that_is_saved(seed: int) -> None:
    clifford = random_clifford(4, seed=seed)
    circuit = QuantumCircuit(4, 4)
    circuit.h([0, 1, 2])
    circuit.cx([0, 1], [3, 2])
    circuit.measure(seed % 4, 0)
    circuit.set_stabilizer(clifford if seed % 2 else StabilizerState(clifford))
    circuit.save_stabilizer()
    circuit.measure(range(4), range(4))
    ours, theirs = run(circuit, 2000).data(0), AER.run(circuit, shots=2000, seed_simulator=1).result().data(0)
    assert ours["stabilizer"].equiv(StabilizerState(clifford))
    assert set(ours["counts"]) == set(theirs["counts"])


def test_initialized_labels_are_stabilizer_states() -> None:
    circuit = QuantumCircuit(6)
    circuit.initialize("01+-rl")
    circuit.save_stabilizer()
    found = Statevector(run(circuit).data(0)["stabilizer"].clifford.to_circuit())
    assert found.equiv(Statevector.from_label("01+-rl"))


@pytest.mark.parametrize("seed", range(20))
def test_quantities_of_states_are_exact(seed: int) -> None:
    rng = np.random.default_rng(seed)
    size = int(rng.integers(1, 7))
    circuit = random_circuit(rng, size, 1, 30, events=False)
    state = StabilizerState(Clifford(circuit))
    density = DensityMatrix(circuit)
    some = rng.permutation(size)[: int(rng.integers(1, size + 1))].tolist()
    labels = ["".join(rng.choice(list("IXYZ"), len(some))) for _ in range(4)]
    operator = SparsePauliOp(labels, rng.normal(size=4))
    circuit.save_expectation_value(operator, some)
    circuit.save_expectation_value_variance(operator, some)
    circuit.save_probabilities(some)
    circuit.save_probabilities_dict(some, "dictionary")
    circuit.save_amplitudes_squared(range(2**size))
    few = sorted(some[:3])
    circuit.save_density_matrix(few)
    circuit.save_density_matrix(few[::-1], "reversed")
    data = run(circuit).data(0)
    mean = density.expectation_value(operator, some).real
    assert data["expectation_value"] == pytest.approx(mean, abs=1e-12)
    square = density.expectation_value(operator @ operator, some).real
    assert data["expectation_value_variance"].tolist() == pytest.approx([mean, square - mean**2], abs=1e-12)
    assert data["probabilities"].tolist() == pytest.approx(state.probabilities(some).tolist(), abs=1e-12)
    assert sum(data["dictionary"].values()) == pytest.approx(1)
    assert data["amplitudes_squared"].tolist() == pytest.approx(state.probabilities().tolist(), abs=1e-12)
    reduced = partial_trace(density, [qubit for qubit in range(size) if qubit not in few])
    assert np.allclose(data["density_matrix"].data, reduced.data)
    assert np.allclose(data["reversed"].data, reduced.reverse_qargs().data)


def test_paulis_of_a_thousand_qubits() -> None:
    size = 1000
    circuit = QuantumCircuit(size)
    circuit.h(0)
    circuit.cx(range(size - 1), range(1, size))
    circuit.z(5)
    terms = [("X" * size, list(range(size)), 1.0), ("ZZ", [0, size - 1], 10.0), ("Z", [7], 100.0)]
    circuit.save_expectation_value(SparsePauliOp.from_sparse_list(terms, size), range(size))
    circuit.save_stabilizer()
    data = run(circuit).data(0)
    assert data["expectation_value"] == pytest.approx(9)
    assert data["stabilizer"].clifford.num_qubits == size


def test_amplitudes_are_refused_by_name() -> None:
    circuit = QuantumCircuit(2)
    circuit.h(0)
    circuit.save_statevector()
    with pytest.raises(UnsupportedCircuitError, match=r"has save_statevector .* doesn't have"):
        run(circuit)


def test_repeat_until_success_as_aer() -> None:
    circuit = QuantumCircuit(3, 3)
    circuit.h([0, 1])
    circuit.measure([0, 1], [0, 1])
    with circuit.while_loop((circuit.clbits[0], 1)):
        circuit.h(0)
        circuit.cx(0, 2)
        circuit.measure(0, 0)
    circuit.measure(2, 2)
    ours = run(circuit, 8000).get_counts()
    theirs = AER.run(circuit, shots=8000, seed_simulator=3).result().get_counts()
    assert set(ours) == set(theirs)
    for key, count in theirs.items():
        assert abs(ours[key] - count) < 6 * math.sqrt(ours[key] + count)
