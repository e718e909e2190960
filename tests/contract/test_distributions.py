# SPDX-License-Identifier: Apache-2.0
"""Counts follow the exact probabilities, with measurements and resets anywhere."""

from __future__ import annotations

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit.random import random_circuit
from reference import SIGNIFICANCE, assert_drawn_from, outcome_probabilities
from scipy import stats

from qfleet import FleetProvider

SHOTS = 20_000
SEED = 2024


def teleportation() -> QuantumCircuit:
    """Without its corrections, so that the last bit depends on the two before."""
    circuit = QuantumCircuit(3, 3)
    circuit.ry(1.1, 0)
    circuit.h(1)
    circuit.cx(1, 2)
    circuit.cx(0, 1)
    circuit.h(0)
    circuit.measure([0, 1], [0, 1])
    circuit.ry(0.4, 2)
    circuit.measure(2, 2)
    return circuit


def one_qubit_again_and_again() -> QuantumCircuit:
    circuit = QuantumCircuit(1, 5)
    for clbit in range(5):
        circuit.ry(0.5 + clbit, 0)
        circuit.measure(0, clbit)
    return circuit


def reset_of_an_entangled_qubit() -> QuantumCircuit:
    """Return a circuit whose reset tells nothing: the partner of its qubit stays a fair coin."""
    circuit = QuantumCircuit(2, 2)
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.reset(0)
    circuit.ry(0.7, 0)
    circuit.h(1)
    circuit.measure([0, 1], [0, 1])
    return circuit


def overwritten_by_chance() -> QuantumCircuit:
    circuit = QuantumCircuit(2, 2)
    circuit.h(0)
    circuit.measure(0, 0)
    circuit.ry(1.0, 0)
    circuit.cx(0, 1)
    circuit.measure(0, 0)
    circuit.measure(1, 1)
    circuit.reset(1)
    circuit.h(1)
    circuit.measure(1, 0)
    return circuit


def initialized_in_the_middle() -> QuantumCircuit:
    """Return a circuit with an initialization, whose reset leaves the partner in a mixed state."""
    circuit = QuantumCircuit(3, 3)
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.cry(0.8, 1, 2)
    circuit.reset(1)
    circuit.ry(0.9, 1)
    circuit.ch(1, 0)
    circuit.measure([0, 1, 2], [2, 0, 1])
    return circuit


def random_with_measurements(seed: int) -> QuantumCircuit:
    rng = np.random.default_rng(seed)
    circuit = QuantumCircuit(3, 4)
    for _ in range(6):
        circuit.compose(random_circuit(3, 2, max_operands=2, seed=int(rng.integers(1 << 30))), inplace=True)
        if rng.random() < 0.4:
            circuit.reset(int(rng.integers(3)))
        else:
            circuit.measure(int(rng.integers(3)), int(rng.integers(4)))
    circuit.measure(range(3), [0, 3, 1])
    return circuit


MID_CIRCUIT = [
    teleportation(),
    one_qubit_again_and_again(),
    reset_of_an_entangled_qubit(),
    overwritten_by_chance(),
    initialized_in_the_middle(),
    *(random_with_measurements(seed) for seed in range(4)),
]


def test_final_measurements(provider: FleetProvider) -> None:
    circuits = []
    for width in (1, 2, 4, 7):
        circuits.append(random_circuit(width, 5, max_operands=min(width, 3), seed=width))
        circuits[-1].measure_all()
    # Only some qubits, in another order.
    circuits.append(QuantumCircuit(7, 3))
    circuits[-1].compose(random_circuit(7, 5, max_operands=3, seed=9), inplace=True)
    circuits[-1].measure([5, 0, 3], [0, 2, 1])
    result = provider.get_backend().run(circuits, shots=SHOTS, seed_simulator=SEED).result()
    for index, circuit in enumerate(circuits):
        assert_drawn_from(result.get_counts(index), outcome_probabilities(circuit))


@pytest.mark.parametrize("backend", ["basic_simulator", "statevector_simulator"])
def test_measurements_and_resets_in_the_middle(provider: FleetProvider, backend: str) -> None:
    circuits = list(MID_CIRCUIT)
    result = provider.get_backend(backend).run(circuits, shots=SHOTS, seed_simulator=SEED, memory=True).result()
    for index, circuit in enumerate(circuits):
        assert_drawn_from(result.get_counts(index), outcome_probabilities(circuit))


def test_initialize_in_the_middle(provider: FleetProvider) -> None:
    circuit = QuantumCircuit(2, 2)
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.initialize([0.6, 0.8], 0)
    circuit.h(1)
    circuit.measure([0, 1], [0, 1])
    counts = provider.get_backend().run(circuit, shots=SHOTS, seed_simulator=SEED).result().get_counts()
    assert_drawn_from(counts, {"00": 0.18, "10": 0.18, "01": 0.32, "11": 0.32})


@pytest.mark.parametrize("circuit", [one_qubit_again_and_again(), random_with_measurements(1)], ids=["one", "random"])
def test_shots_are_independent_of_their_place(provider: FleetProvider, circuit: QuantumCircuit) -> None:
    """Sorted memory would give right counts, and wrong answers to all who read it shot by shot."""
    result = provider.get_backend("basic_simulator").run(circuit, shots=SHOTS, seed_simulator=SEED).result()
    memory = np.array(result.get_memory())
    outcomes, places = np.unique(memory, return_inverse=True)
    assert len(outcomes) > 3
    frequent = np.isin(places, np.flatnonzero(np.bincount(places) > 50))
    for group in (np.arange(SHOTS) * 4 // SHOTS, np.arange(SHOTS) % 2, np.concatenate([[0], places[:-1]]) % 3):
        table = np.zeros((group.max() + 1, len(outcomes)))
        np.add.at(table, (group[frequent], places[frequent]), 1)
        table = table[:, table.sum(axis=0) > 0]
        assert stats.chi2_contingency(table).pvalue > SIGNIFICANCE


def test_seeds_of_neighbours_are_independent(provider: FleetProvider) -> None:
    """One shot each for many seeds in a row is as random as many shots of one seed."""
    circuit = QuantumCircuit(2, 2)
    circuit.h([0, 1])
    circuit.measure([0, 1], [0, 1])
    job = provider.get_backend().run([circuit] * 2000, shots=1, seed_simulator=SEED)
    outcomes = [next(iter(counts)) for counts in job.result().get_counts()]
    counts = {outcome: outcomes.count(outcome) for outcome in set(outcomes)}
    assert_drawn_from(counts, dict.fromkeys(("00", "01", "10", "11"), 0.25))
