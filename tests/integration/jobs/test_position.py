# SPDX-License-Identifier: Apache-2.0
"""Where a job stands, and when it ends, while real workers run it."""

from __future__ import annotations

import time
import uuid

from circuits import wide
from command_line import qfleet
from fleet_state import many
from waiting import until

from qfleet import FleetBackend, FleetJob, FleetProvider


def test_from_the_queue_to_the_end(backend: FleetBackend, fleet: FleetProvider) -> None:
    names = [worker.name for worker in fleet.workers()]
    for name in names:
        fleet.drain(name)
    until(lambda: all(worker.draining for worker in fleet.workers()), "nothing is started")
    long = backend.run([wide(20, f"{index}", layers=40) for index in range(16)], shots=100, max_job_size=1)
    short = many(backend, 5)
    try:
        assert short.queue_position() == (0, 0)
        assert long.queue_position() == (1, 0)
        assert long.estimated_time() is None
        shown = qfleet("status", long.job_id(), url=fleet.url).stdout
        assert "waits:    1 job of the same tenant before it" in shown
        assert "ends in" not in shown
    finally:
        for name in names:
            fleet.drain(name, undo=True)
    until(lambda: not any(worker.draining for worker in fleet.workers()), "all take circuits")
    found, began = long.estimated_time(), time.monotonic()
    assert found is not None
    assert found.low < found.high
    assert "ends in:" in qfleet("status", long.job_id(), url=fleet.url).stdout
    long.result(timeout=120)
    assert time.monotonic() - began >= found.low
    assert short.result(timeout=60).success
    for job in (long, short):
        assert (job.queue_position(), job.estimated_time()) == (None, (0.0, 0.0))


def _jobs_before(job: FleetJob) -> int | None:
    position = job.queue_position()
    return None if position is None else position.jobs


def test_a_job_of_a_fleet_without_workers(redis_url: str) -> None:
    with FleetProvider(redis_url, tenant=f"tenant-{uuid.uuid4()}") as provider:
        backend = provider.get_backend()
        first, second = many(backend, 2), many(backend, 3)
        assert [_jobs_before(job) for job in (first, second)] == [0, 1]
        assert second.estimated_time() is None
        assert first.pause()
        assert (first.queue_position(), first.estimated_time()) == (None, None)
        assert _jobs_before(second) == 0
        for job in (first, second):
            job.cancel()
            assert (job.queue_position(), job.estimated_time()) == (None, (0.0, 0.0))
