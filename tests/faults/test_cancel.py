# SPDX-License-Identifier: Apache-2.0
"""A cancelled job never runs, and what ran of it is dead when it is CANCELLED."""

from __future__ import annotations

import time
from collections.abc import Callable

import psutil
import redis
from circuits import ENDLESS_SHOTS, bell, endless, wide
from fleet_state import attempts, many, nothing_left, steady
from processes import Worker, is_dead, owner_process
from qiskit.providers import JobStatus
from references import ref
from waiting import until

from qfleet import FleetBackend
from qfleet.ledger import Ledger

StartWorker = Callable[..., Worker]


def test_a_queued_job_behind_a_running_one(
    backend: FleetBackend, client: redis.Redis, start_worker: StartWorker
) -> None:
    start_worker()
    running = backend.run(endless(), shots=ENDLESS_SHOTS)
    until(running.running, "the first runs")
    job = many(backend, 5)
    assert job.cancel() is True
    assert job.status() is JobStatus.CANCELLED
    assert running.cancel() is True
    assert backend.run(bell()).result(timeout=60).success
    until(lambda: nothing_left(client), "nothing is left over")
    assert [attempts(client, job, index) for index in range(5)] == [0] * 5


def test_a_running_circuit_of_26_qubits(backend: FleetBackend, client: redis.Redis, start_worker: StartWorker) -> None:
    worker = start_worker()
    job = backend.run(wide(26, layers=200), shots=10)
    victim = owner_process(client, ref(job))
    # It is in the middle of its gates once it has the state, of 1 GiB.
    until(lambda: victim.memory_info().rss > 2**30, "it simulates", seconds=60)
    begin = time.monotonic()
    assert job.cancel() is True
    took = time.monotonic() - begin
    assert is_dead(victim)
    assert job.status() is JobStatus.CANCELLED
    print(f"cancelled and dead after {took * 1e3:.0f} ms")
    assert backend.run(bell()).result(timeout=60).success
    assert worker.is_alive()
    until(lambda: nothing_left(client), "nothing is left over")


def _two_alive(worker: Worker) -> list[psutil.Process] | None:
    alive = [child for child in worker.children() if not is_dead(child)]
    return alive if len(alive) == 2 else None


def test_cancelled_again_and_again(backend: FleetBackend, client: redis.Redis, start_worker: StartWorker) -> None:
    worker = start_worker(QFLEET_CONCURRENCY="2")
    for _ in range(4):
        jobs = [backend.run(endless(), shots=ENDLESS_SHOTS), steady(backend)]
        until(lambda jobs=jobs: all(attempts(client, job) for job in jobs), "both run")  # type: ignore[misc]
        # The process that was killed the last time has a successor.
        pool = until(lambda: _two_alive(worker), "two processes")
        assert jobs[0].cancel() is True
        assert [is_dead(process) for process in pool].count(True) == 1
        assert jobs[0].status() is JobStatus.CANCELLED
        # The other's process is left alone.
        assert jobs[1].result(timeout=60).success
        assert attempts(client, jobs[1]) == 1
    until(lambda: nothing_left(client), "nothing is left over")


def test_a_cancelled_job_is_over_although_its_worker_dies(
    backend: FleetBackend, client: redis.Redis, start_worker: StartWorker
) -> None:
    first = start_worker()
    job = backend.run(endless(), shots=ENDLESS_SHOTS)
    victim = owner_process(client, ref(job))
    first.process.send_signal(19)  # SIGSTOP: it hears nothing of the cancel
    assert job.cancel() is True
    assert job.status() is JobStatus.RUNNING
    assert not is_dead(victim)
    first.lose_machine()
    start_worker()
    until(lambda: job.status() is JobStatus.CANCELLED, "it is known to be dead", seconds=60)
    assert attempts(client, job) == 1
    until(lambda: nothing_left(client), "nothing is left over")


def test_a_cancel_whose_message_is_lost_stops_what_runs(
    backend: FleetBackend, client: redis.Redis, start_worker: StartWorker
) -> None:
    """Cancel in the ledger alone: the client died, or the worker's connection broke, before the message."""
    worker = start_worker()
    job = backend.run(endless(), shots=ENDLESS_SHOTS)
    victim = owner_process(client, ref(job))
    assert Ledger(client).cancel(ref(job)).running == [0]
    assert job.status() is JobStatus.RUNNING
    until(lambda: job.status() is JobStatus.CANCELLED, "its worker has noticed")
    assert is_dead(victim)
    assert backend.run(bell()).result(timeout=60).success
    assert worker.is_alive()
    until(lambda: nothing_left(client), "nothing is left over")
