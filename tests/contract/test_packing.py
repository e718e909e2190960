# SPDX-License-Identifier: Apache-2.0
"""``max_job_size`` and ``max_shot_size`` cut a job into tasks, and nothing of that can be seen in the results."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from connections import connected
from qiskit import QuantumCircuit
from qiskit.quantum_info import Statevector
from reference import assert_drawn_from, outcome_probabilities
from references import ref

from qfleet import FleetJob, FleetProvider
from qfleet.backend import FleetBackend
from qfleet.noise import Channel, NoiseModel

SHOTS = 500
SEED = 31


@pytest.fixture
def backend(provider: FleetProvider) -> FleetBackend:
    return provider.get_backend("basic_simulator", shots=SHOTS, seed_simulator=SEED)


def final() -> QuantumCircuit:
    """Measured at its end: most outcomes are seen once or twice."""
    circuit = QuantumCircuit(9, 9)
    for qubit in range(9):
        circuit.ry(0.4 + qubit, qubit)
        circuit.cx(qubit, (qubit + 4) % 9)
    circuit.measure(range(9), range(9))
    return circuit


def middle() -> QuantumCircuit:
    """Measured and reset on its way."""
    circuit = QuantumCircuit(3, 6)
    for clbit in range(3):
        circuit.ry(0.7, [0, 1, 2])
        circuit.cx(0, 1)
        circuit.cx(1, 2)
        circuit.measure(clbit, clbit)
        circuit.reset((clbit + 1) % 3)
    circuit.h([0, 1])
    circuit.measure([0, 1, 2], [3, 4, 5])
    return circuit


CIRCUITS = [final(), middle(), final(), middle(), middle()]


def tasks(job: FleetJob) -> int:
    """Return the number of Celery tasks of a job."""
    with connected(job.backend().provider) as connection, connection.ledger() as ledger:
        return sum(ledger.snapshot(ref(job)).states.values())


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, 1),
        ({"max_job_size": 1}, 5),
        ({"max_job_size": 2}, 3),
        ({"max_job_size": 5}, 1),
        ({"max_shot_size": 500}, 1),
        # Five circuits of four blocks each; a block travels with the first one of the next circuit.
        ({"max_shot_size": 150}, 16),
        ({"max_job_size": 1, "max_shot_size": 150}, 20),
        ({"max_job_size": np.int64(2), "max_shot_size": np.int64(499)}, 6),
    ],
    ids=str,
)
def test_packing_does_not_change_the_results(backend: FleetBackend, options: dict[str, Any], expected: int) -> None:
    plain = backend.run(CIRCUITS).result()
    job = backend.run(CIRCUITS, **options)
    packed = job.result()
    assert tasks(job) == expected
    assert packed.get_counts() == plain.get_counts()
    assert [packed.get_memory(k) for k in range(5)] == [plain.get_memory(k) for k in range(5)]
    assert [each.seed_simulator for each in packed.results] == [SEED + 2113 * k for k in range(5)]
    assert [each.shots for each in packed.results] == [SHOTS] * 5
    assert [list(counts) for counts in packed.get_counts()] == [list(counts) for counts in plain.get_counts()]


@pytest.mark.parametrize("make", [final, middle])
def test_blocks_of_one_shot(backend: FleetBackend, make: Any) -> None:
    job = backend.run(make(), shots=40, max_shot_size=1)
    assert job.result().get_memory() == backend.run(make(), shots=40).result().get_memory()
    assert tasks(job) == 40


@pytest.mark.parametrize("make", [final, middle])
def test_fewer_shots_are_the_first_of_more(backend: FleetBackend, make: Any) -> None:
    """A shot's outcome depends on the circuit, the seed and its number alone."""
    many = backend.run(make(), shots=300).result().get_memory()
    assert backend.run(make(), shots=100).result().get_memory() == many[:100]


def test_blocks_are_not_each_other_s_copies(backend: FleetBackend) -> None:
    for make in (final, middle):
        result = backend.run(make(), shots=6000, max_shot_size=1000).result()
        assert_drawn_from(result.get_counts(), outcome_probabilities(make()))
        memory = result.get_memory()
        assert len({tuple(memory[first : first + 1000]) for first in range(0, 6000, 1000)}) == 6


def test_a_statevector_in_blocks(provider: FleetProvider) -> None:
    """Without measurements each block has the same state; with some, the state is that of the last shot."""
    backend = provider.get_backend("statevector_simulator", shots=100, seed_simulator=SEED, memory=True)
    circuit = final()
    circuit.remove_final_measurements()
    assert np.allclose(backend.run(circuit, max_shot_size=30).result().get_statevector(), Statevector(circuit))
    for seed in range(5):
        whole = backend.run(middle(), seed_simulator=seed).result()
        blocks = backend.run(middle(), seed_simulator=seed, max_shot_size=30).result()
        assert blocks.get_memory() == whole.get_memory()
        assert np.allclose(blocks.get_statevector(), whole.get_statevector())


def test_noisy_clifford_circuits_in_blocks(backend: FleetBackend) -> None:
    """Blocks end where the blocks of 1,024 shots don't whose random numbers belong together."""
    noise = NoiseModel().add(Channel.depolarizing(0.1), "x").add_readout([[0.9, 0.1], [0.2, 0.8]])
    circuit = QuantumCircuit(70, 70)
    circuit.h(0)
    for qubit in range(69):
        circuit.cx(qubit, qubit + 1)
        circuit.x(qubit)
    circuit.measure(range(70), range(70))
    with circuit.if_test((circuit.clbits[3], 1)):
        circuit.x(5)
    circuit.measure(5, 6)
    options = {"shots": 3000, "noise_model": noise, "method": "stabilizer"}
    whole = backend.run(circuit, **options).result()
    assert len(set(whole.get_memory())) > 2000
    for most in (777, 1024, 2999):
        packed = backend.run(circuit, max_shot_size=most, **options).result()
        assert packed.get_memory() == whole.get_memory()
        assert packed.get_counts() == whole.get_counts()


def test_progress_counts_circuits_and_not_blocks(backend: FleetBackend) -> None:
    job = backend.run(CIRCUITS, max_shot_size=50)
    job.result()
    assert job.progress() == (5, 5)
