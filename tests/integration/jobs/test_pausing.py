# SPDX-License-Identifier: Apache-2.0
"""Nothing of a paused job starts, whoever paused it, until somebody resumes it."""

from __future__ import annotations

import pytest
import redis
from circuits import bell, wide
from command_line import qfleet
from fleet_state import state
from make_jobs import make_job, store_as_0_1
from qiskit.providers import JobStatus
from waiting import until

from qfleet import FleetBackend, FleetJob, FleetProvider
from qfleet.errors import FleetJobError, FleetJobTimeoutError, JobCancelledError, JobNotFoundError
from qfleet.ledger.client import connect
from qfleet.wire.redis.broker import parse_broker


def test_what_runs_is_finished_and_the_rest_waits(backend: FleetBackend, server: redis.Redis) -> None:
    # It takes seconds, so that it doesn't end before it is paused.
    job = backend.run([wide(20, f"{index}", layers=40) for index in range(30)], shots=100, max_job_size=1)
    until(lambda: job.progress().done > 0, "some of it ran")
    assert job.pause() is True
    until(lambda: "STARTED" not in _states(server, job), "nothing runs any more")
    done = job.progress().done
    assert 0 < done < 30
    # The workers are free, and run another job of the same tenant.
    assert backend.run(bell()).result(timeout=60).success
    with pytest.raises(FleetJobTimeoutError, match=r"is paused: resume\(\) lets it go on"):
        job.result(timeout=1)
    assert (job.progress().done, job.held, job.status()) == (done, "paused", JobStatus.RUNNING)
    assert job.resume() is True
    assert job.held == ""
    assert len(job.result(timeout=100).results) == 30


def _states(server: redis.Redis, job: FleetJob) -> set[str | None]:
    return {state(server, job, index) for index in range(30)}


def test_by_another_process(idle: FleetBackend) -> None:
    job, url = idle.run(bell()), idle.provider.url
    assert qfleet("pause", job.job_id()[:8], url=url).stdout == f"Job {job.job_id()} is paused.\n"
    assert (job.held, job.pause()) == ("paused", False)
    assert "QUEUED, paused" in qfleet("jobs", url=url).stdout
    assert "held:     paused" in qfleet("status", job.job_id(), url=url).stdout
    assert qfleet("resume", job.job_id(), url=url).stdout == f"Job {job.job_id()} goes on.\n"
    assert (job.held, job.resume()) == ("", False)
    job.cancel()


def test_a_paused_job_can_be_cancelled(fleet: FleetProvider, running: FleetJob) -> None:
    assert fleet.job(running.job_id()).pause() is True
    assert running.cancel() is True
    assert (running.status(), running.held) == (JobStatus.CANCELLED, "")
    with pytest.raises(JobCancelledError):
        running.result()


def test_jobs_that_cannot_be_paused(idle: FleetBackend) -> None:
    cancelled, gone, old = idle.run(bell()), idle.run(bell()), make_job()
    cancelled.cancel()
    idle.provider.job(gone.job_id()).cancel()
    idle.provider.delete_job(gone.job_id())
    with connect(parse_broker(idle.provider.url)) as client:
        store_as_0_1(client, old)
    for method in ("pause", "resume"):
        with pytest.raises(FleetJobError, match="it is CANCELLED"):
            getattr(cancelled, method)()
        with pytest.raises(FleetJobError, match=r"version 0\.1"):
            getattr(idle.provider.job(old.job_id), method)()
        with pytest.raises(JobNotFoundError):
            getattr(gone, method)()
