# SPDX-License-Identifier: Apache-2.0
"""Cancelling ends a job, its processes and all waits for it."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
import redis
from circuits import bell
from fleet_state import run_too_wide
from processes import is_dead, owner_process, redis_server, shard_field, worker
from qiskit.providers import JobStatus
from references import ref
from waiting import until

from qfleet import FleetBackend, FleetJob, FleetProvider
from qfleet.wire.redis import keys

#: 20 qubits fit a worker of this fleet, 22 don't, and the client lets both pass.
MEMORY_BYTES = 150 * 2**20


def test_cancelling_wakes_who_waits(running: FleetJob, fleet: FleetProvider) -> None:
    caught: list[BaseException] = []

    def wait() -> None:
        try:
            fleet.job(running.job_id()).wait_for_final_state(wait=10_000)
        except BaseException as exc:  # noqa: BLE001 - the test looks at it
            caught.append(exc)

    waiting = threading.Thread(target=wait)
    waiting.start()
    running.cancel()
    waiting.join(60)
    assert not waiting.is_alive()
    assert caught == []


def test_cancelling_a_queued_job(idle: FleetBackend) -> None:
    job = idle.run([bell()] * 3, max_job_size=1)
    assert job.cancel() is True
    assert job.status() is JobStatus.CANCELLED
    assert job.cancel() is False
    assert job.status() is JobStatus.CANCELLED


def test_cancelling_a_running_job_kills_its_process(
    running: FleetJob, backend: FleetBackend, server: redis.Redis
) -> None:
    simulating = owner_process(server, ref(running))
    assert not is_dead(simulating)
    assert running.cancel() is True
    assert running.status() is JobStatus.CANCELLED
    until(lambda: is_dead(simulating), "the process that simulated is gone")
    # the fleet goes on: more jobs than it has workers
    assert all(backend.run(bell()).result(timeout=60).success for _ in range(3))
    assert running.status() is JobStatus.CANCELLED
    assert shard_field(server, ref(running), 0, "attempts") == "1"


@pytest.mark.parametrize("how", ["done", "failed"])
def test_cancelling_an_ended_job_changes_nothing(how: str, backend: FleetBackend) -> None:
    if how == "done":
        job, expected = backend.run(bell()), JobStatus.DONE
        job.result(timeout=60)
    else:
        job, expected = run_too_wide(backend), JobStatus.ERROR
    assert job.cancel() is False
    assert job.status() is expected


def test_a_job_cancelled_while_no_worker_is_up_never_runs(tmp_path: Path) -> None:
    with redis_server() as port, FleetProvider(f"redis://127.0.0.1:{port}/0") as provider, redis.Redis(port=port) as at:
        backend = provider.get_backend()
        cancelled = backend.run([bell()] * 3, max_job_size=1)
        assert cancelled.cancel() is True
        later = backend.run(bell())
        # One process, and the queue is served in order: once the later job has run, the earlier one had its turn.
        with worker(provider.url, tmp_path / "worker.log"):
            assert later.result(timeout=60).success
            until(lambda: not at.exists(keys.tokens(0), keys.ready(0)), "nothing waits")
            until(lambda: not at.exists(f"{keys.PREFIX}unacked"), "every message is acknowledged")
        assert cancelled.status() is JobStatus.CANCELLED
        assert [shard_field(at, ref(cancelled), index, "attempts") for index in range(3)] == [None] * 3
        assert shard_field(at, ref(later), 0, "attempts") == "1"
        assert not at.exists(keys.results(ref(cancelled)))
