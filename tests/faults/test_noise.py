# SPDX-License-Identifier: Apache-2.0
"""Processes die while they run shots with random errors: the counts are the same, to the bit."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import redis
from fleet_state import caught, counts
from processes import Worker, is_dead
from qiskit import QuantumCircuit
from waiting import until

from qfleet import FleetBackend, FleetJob
from qfleet.noise import Channel, NoiseModel

StartWorker = Callable[..., Worker]

#: Parts at least that a job is cut into.
BLOCKS = 6
#: Paulis, a channel with Kraus operators alone, resets, and flawed measurements.
NOISE = (
    NoiseModel()
    .add(Channel.depolarizing(0.03, 2), "cx")
    .add(Channel.amplitude_damping(0.02), "ry")
    .add(Channel.reset(0.01), "x")
    .add_readout([[0.97, 0.03], [0.06, 0.94]])
)


def noisy(*, dynamic: bool) -> QuantumCircuit:
    """Return a circuit that meets all of `NOISE`, and decides on what it measures if it is dynamic."""
    circuit = QuantumCircuit(11, 11)
    for layer in range(6):
        for qubit in range(11):
            circuit.ry(0.4 + qubit + layer, qubit)
        for qubit in range(10):
            circuit.cx(qubit, qubit + 1)
        circuit.x(layer)
        if dynamic:
            circuit.measure(layer, layer)
            with circuit.if_test((circuit.clbits[layer], 1)):
                circuit.x(layer + 1)
    circuit.measure(range(11), range(11))
    return circuit


@pytest.mark.parametrize(("dynamic", "shots"), [(False, 4000), (True, 600)], ids=["straight", "dynamic"])
def test_random_errors_are_the_same_after_a_death(
    dynamic: bool, shots: int, backend: FleetBackend, client: redis.Redis, start_worker: StartWorker
) -> None:
    def run(most: int) -> FleetJob:
        options = {"shots": shots, "seed_simulator": 5, "noise_model": NOISE, "method": "statevector"}
        return backend.run(noisy(dynamic=dynamic), max_shot_size=most, **options)

    workers = [start_worker(), start_worker()]
    expected = counts(run(shots))
    job = run(shots // BLOCKS)
    process, _ = caught(client, job, workers)
    process.kill()
    until(lambda: is_dead(process), "it is dead")
    _, worker = caught(client, job, workers)
    worker.lose_machine()
    assert counts(job) == expected
    assert sum(expected[0].values()) == shots


def test_frames_are_the_same_after_a_death(
    backend: FleetBackend, client: redis.Redis, start_worker: StartWorker
) -> None:
    """Shards end in the middle of the blocks of shots that frames have random numbers for."""
    circuit, shots = QuantumCircuit(11, 11), 12_000_003
    for layer in range(60):
        circuit.h(layer % 11)
        for qubit in range(10):
            circuit.cx(qubit, qubit + 1)
        circuit.measure(layer % 11, layer % 11)
    circuit.measure(range(11), range(11))

    def run(most: int) -> FleetJob:
        noise = NoiseModel().add(Channel.depolarizing(0.03, 2), "cx").add_readout([[0.97, 0.03], [0.06, 0.94]])
        options = {"shots": shots, "seed_simulator": 5, "noise_model": noise, "method": "stabilizer"}
        return backend.run(circuit, max_shot_size=most, **options)

    workers = [start_worker(), start_worker()]
    expected = counts(run(shots))
    job = run(1_999_999)
    process, worker = caught(client, job, workers)
    worker.lose_machine()
    until(lambda: is_dead(process), "it is dead")
    assert counts(job) == expected
    assert sum(expected[0].values()) == shots
