# SPDX-License-Identifier: Apache-2.0
"""Every member of the job, against a real Redis and real worker processes."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta

import pytest
import redis
from circuits import ENDLESS_SHOTS, bell, endless, wide
from fleet_state import run_too_wide
from monitored import monitored
from qiskit.providers import JobStatus
from qiskit.providers.exceptions import JobError, JobTimeoutError
from qiskit.result import Result
from references import ref
from waiting import until

from qfleet import FleetBackend, FleetJob, FleetProvider
from qfleet.errors import FleetJobError, JobCancelledError, JobExpiredError, JobFailedError, JobNotFoundError
from qfleet.ledger.client import connect
from qfleet.wire.redis import keys
from qfleet.wire.redis.broker import parse_broker
from qfleet.wire.redis.fields import JobField

#: 20 qubits fit a worker of this fleet, 22 don't, and the client lets both pass.
MEMORY_BYTES = 150 * 2**20


def test_version() -> None:
    assert FleetJob.version == 1


def test_backend_is_the_one_that_ran_it(backend: FleetBackend, fleet: FleetProvider) -> None:
    job = backend.run(bell())
    assert job.backend() is backend
    assert fleet.job(job.job_id()).backend().name == "automatic"


def test_job_id_is_unique_and_finds_the_job_from_another_process(backend: FleetBackend, fleet: FleetProvider) -> None:
    jobs = [backend.run(bell(), shots=100, job_tags=["a"], metadata={"k": [1, 2]}) for _ in range(3)]
    assert len({job.job_id() for job in jobs}) == 3
    code = """if True:
        import json, sys
        from qfleet import FleetProvider
        job = FleetProvider(sys.argv[1]).job(sys.argv[2])
        counts = job.result(timeout=60).get_counts()
        print(json.dumps([counts, job.status().name, job.metadata, job.tags, job.creation_date.timestamp()]))"""
    arguments = [sys.executable, "-c", code, fleet.url, jobs[0].job_id()]
    answer = subprocess.run(arguments, capture_output=True, check=True, text=True)
    assert json.loads(answer.stdout) == [
        jobs[0].result().get_counts(),
        "DONE",
        {"k": [1, 2]},
        ["a"],
        jobs[0].creation_date.timestamp(),
    ]


def test_submitting_twice_raises(backend: FleetBackend) -> None:
    job = backend.run(bell())
    with pytest.raises(JobError, match="submitted already"):
        job.submit()
    job.result(timeout=60)
    with pytest.raises(JobError, match="submitted already"):
        job.submit()


def test_status_follows_the_job(idle: FleetBackend, running: FleetJob, backend: FleetBackend) -> None:
    assert idle.run(bell()).status() is JobStatus.QUEUED
    assert running.status() is JobStatus.RUNNING
    done = backend.run(bell())
    done.result(timeout=60)
    assert done.status() is JobStatus.DONE
    assert run_too_wide(backend).status() is JobStatus.ERROR
    running.cancel()
    assert running.status() is JobStatus.CANCELLED


def test_status_is_one_command_however_many_tasks_there_are(idle: FleetBackend, redis_url: str) -> None:
    job = idle.run([bell()] * 50, max_job_size=1)
    job.status()  # the connection is there
    with connect(parse_broker(redis_url)) as client, monitored(client) as commands:
        assert job.status() is JobStatus.QUEUED
    assert [command.split()[0] for command in commands] == ["HMGET"]


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("queued", (False, False, False, False)),
        ("running", (True, False, False, False)),
        ("done", (False, True, False, True)),
        ("failed", (False, False, False, True)),
        ("cancelled", (False, False, True, True)),
    ],
)
def test_running_done_cancelled_and_in_final_state(
    state: str, expected: tuple[bool, ...], idle: FleetBackend, backend: FleetBackend, request: pytest.FixtureRequest
) -> None:
    if state == "running":
        job = request.getfixturevalue("running")
    elif state == "failed":
        job = run_too_wide(backend)
    elif state == "done":
        job = backend.run(bell())
        job.result(timeout=60)
    else:
        job = idle.run(bell())
        if state == "cancelled":
            job.cancel()
    assert (job.running(), job.done(), job.cancelled(), job.in_final_state()) == expected


def test_result_is_qiskits_and_names_the_job(backend: FleetBackend) -> None:
    job = backend.run([bell("one"), bell("two")], shots=200, seed_simulator=5)
    result = job.result()
    assert isinstance(result, Result)
    assert (result.job_id, result.success, result.status) == (job.job_id(), True, "COMPLETED")
    for name in ("one", "two"):
        counts = result.get_counts(name)
        assert sum(counts.values()) == 200
        assert counts.keys() == {"00", "11"}
    assert job.result() is result


def test_result_is_woken_by_the_end_of_the_job(backend: FleetBackend, server: redis.Redis) -> None:
    # About two seconds of work. Polling for it would take far more reads than one before, one after, and one for
    # each two seconds between. The job is found by its id: who has sent it needs no read at all.
    job = backend.retrieve_job(backend.run(wide(20, layers=40), shots=10).job_id())
    started = time.monotonic()
    with monitored(server) as commands:
        job.result(timeout=60)
    seconds = time.monotonic() - started
    # A client reads the name of the backend too; scripts read the counters alone.
    begin = f"HMGET {keys.job(ref(job))} "
    reads = [command for command in commands if command.startswith(begin) and JobField.BACKEND in command.split()]
    assert 1 <= len(reads) <= 2 + seconds // 2


def test_waiting_ends_with_the_job_whatever_the_time_between_reads(backend: FleetBackend) -> None:
    job = backend.run(wide(20, layers=10), shots=10)
    seen: list[JobStatus] = []
    job.wait_for_final_state(wait=10_000, callback=lambda *call: seen.append(call[1]))
    assert seen[-1] is JobStatus.DONE
    assert len(seen) <= 2


def test_a_timeout_leaves_the_job_going(backend: FleetBackend) -> None:
    job = backend.run(wide(20, layers=20), shots=10)
    with pytest.raises(
        JobTimeoutError, match=r"did not end within 0\.01 s.*0 of 1 circuits done, and goes on"
    ) as caught:
        job.result(timeout=0.01)
    assert caught.value.fields == {"job_id": job.job_id(), "timeout_seconds": 0.01}
    assert job.result(timeout=60).success
    assert job.status() is JobStatus.DONE


def test_result_of_a_failed_job_says_what_failed(backend: FleetBackend) -> None:
    job = run_too_wide(backend)
    with pytest.raises(JobError, match=r"circuit 1 \('too_wide'\): its 23 qubits need") as caught:
        job.result()
    assert isinstance(caught.value, JobFailedError)
    assert caught.value.fields == {"job_id": job.job_id(), "circuits": (1,)}
    partial = job.result(partial=True)
    assert (partial.status, partial.success) == ("PARTIAL COMPLETED", False)
    assert [experiment.success for experiment in partial.results] == [True, False]


@pytest.mark.parametrize("gone", ["deleted", "expired", "results"])
def test_a_result_that_is_gone_since_the_job_ended(gone: str, backend: FleetBackend, server: redis.Redis) -> None:
    job = backend.run([bell(), bell()], max_job_size=1)
    until(job.done, "the job is done")
    if gone == "results":
        server.delete(keys.results(ref(job)))
    else:
        server.delete(*keys.of_job(ref(job)))
    if gone == "deleted":
        server.zrem(keys.jobs(job.tenant), job.job_id())
    expected = {"deleted": JobNotFoundError, "expired": JobExpiredError, "results": JobFailedError}[gone]
    with pytest.raises(expected, match=r"no job|has expired|its result is missing from Redis"):
        job.result(timeout=60)


def test_result_of_a_cancelled_job_says_so(idle: FleetBackend) -> None:
    job = idle.run([bell("one"), bell("two")])
    job.cancel()
    with pytest.raises(JobError, match="was cancelled") as caught:
        job.result()
    assert isinstance(caught.value, JobCancelledError)
    statuses = {experiment.status for experiment in job.result(partial=True).results}
    assert statuses == {"ERROR: cancelled before its task had ended"}


def test_waiting_calls_back_after_each_query(backend: FleetBackend) -> None:
    job = backend.run(wide(20, layers=10), shots=10)
    calls: list[tuple[str, JobStatus, FleetJob]] = []
    job.wait_for_final_state(timeout=60, wait=0.05, callback=lambda *call: calls.append(call))
    assert len(calls) >= 2
    assert all(call[0] == job.job_id() and call[2] is job for call in calls)
    assert calls[-1][1] is JobStatus.DONE
    assert all(status in (JobStatus.QUEUED, JobStatus.RUNNING) for _, status, _ in calls[:-1])


def test_waiting_times_out(idle: FleetBackend) -> None:
    job = idle.run(bell())
    calls: list[JobStatus] = []
    with pytest.raises(JobTimeoutError, match="did not end"):
        job.wait_for_final_state(timeout=0.2, wait=0.01, callback=lambda *call: calls.append(call[1]))
    assert set(calls) == {JobStatus.QUEUED}
    assert len(calls) >= 2
    assert job.status() is JobStatus.QUEUED


def test_an_error_of_the_callback_comes_out_as_it_is(idle: FleetBackend) -> None:
    def callback(job_id: str, status: JobStatus, job: FleetJob) -> None:
        raise OSError("the disk is full")

    with pytest.raises(OSError, match="the disk is full") as caught:
        idle.run(bell()).wait_for_final_state(timeout=5, callback=callback)
    assert type(caught.value) is OSError


def test_metadata_stay_whole_here_and_as_far_as_they_can_elsewhere(backend: FleetBackend, fleet: FleetProvider) -> None:
    thing = object()
    job = backend.run(bell(), metadata={"run": 7, "thing": thing})
    assert job.metadata == {"run": 7, "thing": thing}
    elsewhere = fleet.job(job.job_id()).metadata
    assert elsewhere["run"] == 7
    assert backend.run(bell()).metadata == {}


def test_tags(backend: FleetBackend, fleet: FleetProvider) -> None:
    job = backend.run(bell(), job_tags=["blue", "größe"])
    assert job.tags == ["blue", "größe"]
    assert fleet.job(job.job_id()).tags == ["blue", "größe"]
    assert backend.run(bell()).tags == []


def test_creation_date(backend: FleetBackend, fleet: FleetProvider) -> None:
    before = datetime.now(UTC)
    job = backend.run(bell())
    assert before - timedelta(milliseconds=1) <= job.creation_date <= datetime.now(UTC)
    assert job.creation_date.tzinfo is not None
    assert fleet.job(job.job_id()).creation_date == job.creation_date


def test_error_message_only_of_a_failed_job(idle: FleetBackend, backend: FleetBackend, fleet: FleetProvider) -> None:
    queued = idle.run(bell())
    assert queued.error_message() is None
    queued.cancel()
    assert queued.error_message() is None
    done = backend.run(bell())
    done.result(timeout=60)
    assert done.error_message() is None
    failed = run_too_wide(backend)
    text = failed.error_message()
    assert text is not None
    # By the statevector engine, or by numpy.
    expected = (
        r"circuit 1 \('too_wide'\): its 23 qubits need 0\.[24]\d GiB of memory, and the largest worker has 0\.15 GiB"
    )
    assert re.match(expected, text)
    assert fleet.job(failed.job_id()).error_message() == text


def test_progress_counts_circuits(idle: FleetBackend, backend: FleetBackend, fleet: FleetProvider) -> None:
    assert idle.run([bell()] * 5).progress() == (0, 5)
    # Each task holds two circuits, the last of them one; and one circuit in three blocks of shots counts once.
    job = backend.run([bell()] * 5, max_job_size=2)
    job.result(timeout=60)
    assert job.progress() == (5, 5)
    blocks = backend.run(bell(), shots=300, max_shot_size=100)
    blocks.result(timeout=60)
    assert blocks.progress() == (1, 1)
    assert run_too_wide(backend).progress() == (1, 2)
    halfway = backend.run([bell(), endless()], shots=ENDLESS_SHOTS, max_job_size=1)
    until(lambda: halfway.progress() == (1, 2), "one of two circuits has run")
    assert halfway.status() is JobStatus.RUNNING
    assert halfway.cancel() is True
    assert halfway.progress() == (1, 2)
    assert [circuit.success for circuit in halfway.result(partial=True).results] == [True, False]


def test_repr_is_for_people(idle: FleetBackend, backend: FleetBackend, fleet: FleetProvider) -> None:
    job = backend.run([bell(), bell()])
    assert repr(job) == f"<FleetJob {job.job_id()} on automatic: submitted>"
    job.result(timeout=60)
    assert repr(job) == f"<FleetJob {job.job_id()} on automatic: DONE when last asked, 2 of 2 circuits>"
    queued = idle.run(bell())
    queued.status()
    assert repr(queued) == f"<FleetJob {queued.job_id()} on automatic: QUEUED when last asked, 0 of 1 circuits>"


def test_a_job_before_it_is_submitted(idle: FleetBackend) -> None:
    sent = idle.run(bell())
    new = _unsent(idle)
    assert new.status() is JobStatus.INITIALIZING
    assert new.progress() == (0, 1)
    assert new.error_message() is None
    assert "not submitted" in repr(new)
    for method in (new.result, new.cancel, new.wait_for_final_state):
        with pytest.raises(FleetJobError, match="isn't submitted"):
            method()
    new.submit()
    assert new.status() is JobStatus.QUEUED
    assert new.job_id() != sent.job_id()


def _unsent(backend: FleetBackend) -> FleetJob:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FleetJob, "submit", lambda _: None)
        return backend.run(bell())
