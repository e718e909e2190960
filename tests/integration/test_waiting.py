# SPDX-License-Identifier: Apache-2.0
"""Waiting for a job can stop without stopping the job, and tells what has ended."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import redis
from circuits import bell
from connections import hub_of
from make_jobs import claim_shard
from monitored import monitored
from qiskit.providers import JobStatus
from references import ref
from waiting import until
from waits import Waits, finish, subscriptions

from qfleet import FleetBackend, FleetJob, FleetProvider
from qfleet.errors import (
    FleetJobError,
    FleetJobTimeoutError,
    InvalidOptionError,
    JobCancelledError,
    JobFailedError,
)
from qfleet.jobs.base import Progress
from qfleet.jobs.waiting import LEAST_SECONDS
from qfleet.ledger.client import connect
from qfleet.wire.redis import keys
from qfleet.wire.redis.broker import parse_broker
from qfleet_worker.store import Store


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    with connect(parse_broker(redis_url)) as client:
        yield client


@pytest.fixture
def backend(redis_url: str) -> Iterator[FleetBackend]:
    """Yield a backend without workers: the tests do the workers' part."""
    with FleetProvider(redis_url) as provider:
        yield provider.get_backend("automatic")


def woken_only(job: FleetJob) -> FleetJob:
    """Return the same job, whose waits hear of a change by its channel, or not at all."""
    return FleetJob(job.backend(), job.job_id(), read_every=10_000.0)


# --- Ctrl-C ---


@pytest.mark.parametrize("wait", ["job.result()", "list(job.as_completed())", "job.wait_for_final_state()"])
def test_ctrl_c_leaves_the_job_and_tells_its_id(
    wait: str, backend: FleetBackend, redis_url: str, client: redis.Redis
) -> None:
    job = backend.run(bell())
    code = f"import sys; from qfleet import FleetProvider; job = FleetProvider(sys.argv[1]).job(sys.argv[2]); {wait}"
    with subprocess.Popen(
        [sys.executable, "-c", code, redis_url, job.job_id()], stderr=subprocess.PIPE, text=True
    ) as waiting:
        until(lambda: subscriptions(client, job) == 1, "it waits")
        waiting.send_signal(signal.SIGINT)
        said = waiting.communicate(timeout=60)[1]
    assert said.rstrip().endswith(
        f"KeyboardInterrupt\nJob {job.job_id()} goes on: provider.job('{job.job_id()}') finds it again, "
        f"job.cancel() or `qfleet cancel {job.job_id()}` stops it."
    )
    assert said.count("goes on") == 1
    assert job.status() is JobStatus.QUEUED


# --- Threads, processes, coroutines ---


def test_many_threads_wait_for_one_job(backend: FleetBackend, client: redis.Redis, waits: Waits) -> None:
    job = backend.run([bell()] * 20, shots=10, max_job_size=1)
    waiting = [waits(job.result) for _ in range(10)]
    streams = [waits(lambda: [index for index, _ in job.as_completed()]) for _ in range(10)]
    until(lambda: hub_of(backend.provider).number_of_listeners == 20, "all of them listen")
    assert subscriptions(client, job) == 1
    finish(client, job, *range(20))
    assert all(wait.result(timeout=60).success for wait in waiting)
    assert all(sorted(stream.result(timeout=60)) == list(range(20)) for stream in streams)


def test_a_child_waits_for_its_parents_job(backend: FleetBackend, client: redis.Redis) -> None:
    job = backend.run([bell()] * 2, shots=10, max_job_size=1)
    waiting = threading.Thread(target=job.wait_for_final_state)
    waiting.start()
    until(lambda: subscriptions(client, job) == 1, "the parent listens")
    child = os.fork()
    if not child:
        code = 1
        try:
            code = 0 if sorted(index for index, _ in job.as_completed(timeout=60)) == [0, 1] else 2
        finally:
            os._exit(code)
    until(lambda: subscriptions(client, job) == 2, "the child listens too")
    finish(client, job, 0, 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    waiting.join(60)
    assert not waiting.is_alive()
    assert job.result(timeout=60).success


def test_awaiting_jobs(backend: FleetBackend, client: redis.Redis, waits: Waits) -> None:
    jobs = [backend.run(bell(), shots=10) for _ in range(12)]

    async def last_first() -> list[str]:
        waiting = [asyncio.ensure_future(job) for job in jobs]
        ended = []
        for job in reversed(jobs):
            await asyncio.to_thread(until, lambda job=job: subscriptions(client, job) == 1, "it is waited for")
            await asyncio.to_thread(finish, client, job)
            done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            (found,) = done
            waiting.remove(found)
            ended.append(found.result().job_id)
        return ended

    # More jobs than asyncio has threads; each is waited for.
    assert asyncio.run(last_first()) == [job.job_id() for job in reversed(jobs)]


def test_awaiting_a_failed_job_raises(backend: FleetBackend, client: redis.Redis) -> None:
    job = backend.run(bell("poor"), shots=10)
    finish(client, job, error="it was bad")

    async def wait() -> None:
        await job

    with pytest.raises(JobFailedError, match=r"circuit 0 \('poor'\): it was bad"):
        asyncio.run(wait())


def test_a_cancelled_await_leaves_the_job_and_no_listener(backend: FleetBackend, client: redis.Redis) -> None:
    job = backend.run(bell(), shots=10)

    async def give_up() -> None:
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(job, 0.2)

    asyncio.run(give_up())
    assert hub_of(backend.provider).number_of_listeners == 0
    assert job.status() is JobStatus.QUEUED


# --- How often Redis is asked ---


def test_a_wait_of_zero_is_no_busy_loop(backend: FleetBackend, client: redis.Redis) -> None:
    job = backend.run(bell())
    seen: list[JobStatus] = []
    with monitored(client) as commands, pytest.raises(FleetJobTimeoutError):
        job.wait_for_final_state(timeout=1, wait=0, callback=lambda *call: seen.append(call[1]))
    assert 2 <= len(seen) <= 1 / LEAST_SECONDS + 2
    assert len([command for command in commands if command.startswith("HMGET")]) == len(seen)


def test_each_result_is_read_once_and_states_in_order(backend: FleetBackend, client: redis.Redis) -> None:
    job = backend.run([bell()] * 40, shots=10, max_job_size=1)
    found = []
    with monitored(client) as commands:
        stream = woken_only(job).as_completed(timeout=60)
        for index in range(40):
            finish(client, job, index)
            found.append(next(stream)[0])
        assert list(stream) == []
    assert found == list(range(40))
    asked = [command.split()[2:] for command in commands if command.startswith(f"HMGET {keys.results(ref(job))} ")]
    assert sorted(int(index) for indices in asked for index in indices) == list(range(40))


# --- What a wait tells ---


def test_circuits_come_as_they_end_and_blocks_of_shots_together(backend: FleetBackend, client: redis.Redis) -> None:
    job = backend.run([bell("a"), bell("b")], shots=30, max_job_size=1, max_shot_size=10)
    stream = job.as_completed(timeout=60)
    # Shards 0 to 2 are blocks of the first circuit, 3 to 5 of the second.
    finish(client, job, 0, 3, 5, 1)
    finish(client, job, 4)
    index, experiment = next(stream)
    assert (index, experiment.success, experiment.shots) == (1, True, 30)
    assert experiment.header["name"] == "b"
    assert experiment.data.counts == {"0x0": 30}
    finish(client, job, 2)
    assert [index for index, _ in stream] == [0]
    assert job.result().results[1].to_dict() == experiment.to_dict()


def test_what_failed_comes_too(backend: FleetBackend, client: redis.Redis) -> None:
    job = backend.run([bell("a"), bell("b"), bell("c")], shots=20, max_job_size=1, max_shot_size=10)
    finish(client, job, 0, 2, 4, 5)
    finish(client, job, 1, 3, error="too bad")
    found = dict(job.as_completed(timeout=60))
    assert {index: experiment.success for index, experiment in found.items()} == {0: False, 1: False, 2: True}
    assert found[0].status == "ERROR: too bad"


def test_a_failure_without_a_result_comes_at_the_end(backend: FleetBackend, client: redis.Redis) -> None:
    job = backend.run([bell("a"), bell("b")], shots=10, max_job_size=1)
    finish(client, job, 0, error="too slow")
    client.hdel(keys.results(ref(job)), "0")
    stream = job.as_completed(timeout=60)
    finish(client, job, 1)
    assert [(index, found.success, found.status) for index, found in stream] == [
        (1, True, "DONE"),
        (0, False, "ERROR: too slow"),
    ]


def test_a_cancelled_job_tells_what_it_had_done_and_what_not(backend: FleetBackend, client: redis.Redis) -> None:
    job = backend.run([bell("a"), bell("b")], shots=10, max_job_size=1)
    stream = job.as_completed(timeout=60)
    finish(client, job, 1)
    assert next(stream)[0] == 1
    job.cancel()
    assert [(index, found.status) for index, found in stream] == [(0, "ERROR: cancelled before its task had ended")]
    with pytest.raises(JobCancelledError):
        job.result()


def test_too_late_for_the_rest(backend: FleetBackend, client: redis.Redis) -> None:
    job = backend.run([bell("a"), bell("b")], shots=10, max_job_size=1)
    finish(client, job, 0)
    stream = job.as_completed(timeout=0.3)
    assert next(stream)[0] == 0
    with pytest.raises(FleetJobTimeoutError, match="1 of 2 circuits done, and goes on"):
        next(stream)


def test_progress_is_told_at_first_and_when_it_changes(
    backend: FleetBackend, client: redis.Redis, waits: Waits
) -> None:
    job = backend.run([bell()] * 3, shots=20, max_job_size=1, max_shot_size=10)
    told: list[Progress] = []
    waiting = waits(lambda: woken_only(job).result(progress=told.append))
    for index in range(6):
        until(lambda index=index: told[-1:] == [(index // 2, 3)], "the progress is told")
        finish(client, job, index)
    assert waiting.result(timeout=60).success
    assert told == [(0, 3), (1, 3), (2, 3), (3, 3)]
    again: list[Progress] = []
    job.result(progress=again.append)
    assert again == [(3, 3)]


# --- Trying again ---


def test_what_failed_runs_again_in_the_same_job(backend: FleetBackend, client: redis.Redis) -> None:
    job = backend.run([bell("a"), bell("b"), bell("c")], shots=10, max_job_size=1)
    elsewhere = backend.retrieve_job(job.job_id())
    finish(client, job, 0, 2, error="too bad")
    finish(client, job, 1)
    with pytest.raises(JobFailedError, match=r"retry_failed\(\) runs the failed part again"):
        job.result()
    assert elsewhere.status() is JobStatus.ERROR
    assert [circuit.success for circuit in elsewhere.result(partial=True).results] == [False, True, False]
    kept = job.result(partial=True).results[1].to_dict()
    before = client.llen(keys.tokens(0))
    assert job.retry_failed() == 2
    assert client.llen(keys.tokens(0)) == before + 2
    assert job.status() is elsewhere.status() is JobStatus.RUNNING
    assert job.progress() == elsewhere.progress() == (1, 3)
    assert job.error_message() is None
    finish(client, job, 0, 2)
    for each in (job, elsewhere):
        assert each.status() is JobStatus.DONE
        assert each.result().success
        assert each.result().results[1].to_dict() == kept


def test_the_error_of_the_last_attempt_is_told(backend: FleetBackend, client: redis.Redis) -> None:
    job = backend.run([bell(), bell()], shots=10, max_job_size=1)
    finish(client, job, 0, 1, error="too bad")
    assert "the last attempt" not in str(job.error_message())
    job.retry_failed()
    store = Store(client, "late@test")
    for index in range(2):
        claimed = claim_shard(client, ref(job), index, "late@test")
        store.fail(ref(job), index, claimed.owner, "too slow")
    assert "too bad" in str(job.error_message())
    assert str(job.error_message()).endswith("; the last attempt: too slow")
    with pytest.raises(JobFailedError, match="the last attempt: too slow"):
        job.result()


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        ("queued", "it is QUEUED; wait until it has ended"),
        ("running", "it is RUNNING; wait until it has ended"),
        ("done", "no part of it failed"),
        ("cancelled", "it was cancelled, which is final"),
        ("retried", "it is QUEUED"),
    ],
)
def test_trying_again_is_refused(state: str, reason: str, backend: FleetBackend, client: redis.Redis) -> None:
    job = backend.run([bell(), bell()], shots=10, max_job_size=1)
    if state == "running":
        finish(client, job, 0, error="too bad")
    if state == "done":
        finish(client, job, 0, 1)
    if state == "retried":
        finish(client, job, 0, 1, error="too bad")
        job.retry_failed()
    if state == "cancelled":
        finish(client, job, 0, error="too bad")
        job.cancel()
    with pytest.raises(FleetJobError, match=f"job {job.job_id()} has nothing to retry: {reason}"):
        job.retry_failed()


# --- Wrong arguments ---


@pytest.mark.parametrize("value", ["5", float("nan"), True, [1], 1j])
def test_a_timeout_must_be_a_number(value: Any, backend: FleetBackend) -> None:
    job = backend.run(bell())
    for call in (job.result, job.as_completed, job.wait_for_final_state):
        with pytest.raises(InvalidOptionError, match=r"timeout=.*: a number of seconds is needed"):
            call(timeout=value)
    with pytest.raises(InvalidOptionError, match=r"wait=.*: a number of seconds is needed"):
        job.wait_for_final_state(wait=value)
