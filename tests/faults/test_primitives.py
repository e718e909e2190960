# SPDX-License-Identifier: Apache-2.0
"""Workers die in the middle of a sweep: the arrays are the same, to the bit."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import redis
from fleet_state import caught
from processes import Worker, is_dead
from qiskit.circuit.library import efficient_su2
from waiting import until

from qfleet import EstimatorV2, FleetProvider, PrimitiveFleetJob, SamplerV2

StartWorker = Callable[..., Worker]

POINTS = 1500


def kill_in_the_middle(client: redis.Redis, job: PrimitiveFleetJob, workers: list[Worker]) -> None:
    """Kill a process that runs a shard of a job, and then a worker that has another."""
    until(lambda: job.progress().done > 0, "some points are done")
    process, _ = caught(client, job, workers)
    process.kill()
    until(lambda: is_dead(process), "it is dead")
    _, worker = caught(client, job, workers)
    assert job.progress().done < POINTS
    worker.lose_machine()


def test_the_means_of_a_sweep(provider: FleetProvider, client: redis.Redis, start_worker: StartWorker) -> None:
    circuit = efficient_su2(12, reps=3)
    points = np.random.default_rng(2).uniform(0, 6, (POINTS, 1, circuit.num_parameters))
    labels = ["Z" * 12, "XY" * 6, "IZ" * 6]
    estimator = EstimatorV2(provider, seed=3, default_precision=0.05)
    workers = [start_worker(), start_worker()]
    expected = estimator.run([(circuit, labels, points)]).result(timeout=90)[0].data
    job = estimator.run([(circuit, labels, points)])
    kill_in_the_middle(client, job, workers)
    found = job.result(timeout=90)[0].data
    assert np.array_equal(found.evs, expected.evs)
    assert np.array_equal(found.stds, expected.stds)


def test_the_bits_of_a_sweep(provider: FleetProvider, client: redis.Redis, start_worker: StartWorker) -> None:
    circuit = efficient_su2(12, reps=3)
    circuit.measure_all()
    points = np.random.default_rng(2).uniform(0, 6, (POINTS, circuit.num_parameters))
    sampler = SamplerV2(provider, seed=3, default_shots=200)
    workers = [start_worker(), start_worker()]
    expected = sampler.run([(circuit, points)]).result(timeout=90)[0].data.meas
    job = sampler.run([(circuit, points)])
    kill_in_the_middle(client, job, workers)
    assert np.array_equal(job.result(timeout=90)[0].data.meas.array, expected.array)
