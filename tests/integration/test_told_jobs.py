# SPDX-License-Identifier: Apache-2.0
"""A client hears of the jobs that it sent, on one channel."""

from __future__ import annotations

import asyncio
import copy
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import msgspec
import pytest
import redis
from circuits import bell
from connections import connection_of, hub_of
from make_jobs import make_job, run_shard
from monitored import monitored
from processes import redis_server
from qiskit.providers import JobStatus
from references import ref
from waiting import until

from qfleet import FleetBackend, FleetJob, FleetProvider
from qfleet.errors import FleetJobTimeoutError, JobFailedError
from qfleet.jobs.waiting import Deadline, watch
from qfleet.ledger import send
from qfleet.ledger.client import connect
from qfleet.wire.redis import keys
from qfleet.wire.redis.broker import parse_broker
from qfleet.wire.redis.fields import JobField
from qfleet.wire.redis.references import reference


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    with connect(parse_broker(redis_url)) as client:
        yield client


@pytest.fixture
def backend(redis_url: str) -> Iterator[FleetBackend]:
    """Yield a backend without workers: the tests do the workers' part."""
    with FleetProvider(redis_url) as provider:
        yield provider.get_backend("automatic")


#: Seconds between two reads of who hears of the end of a job, or waits for ever.
NEVER = 10_000.0


def woken_only(job: FleetJob) -> FleetJob:
    """Return the same job, whose waits hear of its end, or last for ever."""
    return FleetJob(job.backend(), job.job_id(), read_every=NEVER)


def subscribed(client: redis.Redis, job_id: str) -> bool:
    return keys.events(job_id).encode() in client.pubsub_channels()


def finish(client: redis.Redis, *jobs: FleetJob) -> None:
    for job in jobs:
        assert run_shard(client, ref(job), 0)


def in_threads(calls: list[Callable[[], Any]]) -> list[threading.Thread]:
    threads = [threading.Thread(target=call, daemon=True) for call in calls]
    for thread in threads:
        thread.start()
    return threads


def joined(threads: list[threading.Thread]) -> None:
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)


@pytest.fixture
def listening(backend: FleetBackend, client: redis.Redis) -> FleetBackend:
    """Return a backend whose hub listens."""
    job = backend.run(bell(), shots=1)
    finish(client, job)
    assert job.result(timeout=60).success
    return backend


@pytest.mark.parametrize("way", ["thread", "coroutine", "ended before"])
def test_a_small_job_is_sent_and_nothing_is_read(way: str, listening: FleetBackend, client: redis.Redis) -> None:
    sent: list[FleetJob] = []
    found: list[bool] = []

    async def awaited() -> bool:
        return bool((await sent[0]).success)

    def submit_and_wait() -> None:
        sent.append(listening.run(bell(), shots=1))
        if way == "ended before":
            finish(client, *sent)
        found.append(asyncio.run(awaited()) if way == "coroutine" else sent[0].result(timeout=60).success)

    with monitored(client, scripts=False) as commands:
        waiting = in_threads([submit_and_wait])
        if way != "ended before":
            until(lambda: sent and hub_of(listening.provider).number_of_listeners == 1, "it waits")
            finish(client, *sent)
        joined(waiting)
    assert found == [True]
    (ledger,) = [command for command in commands if command.startswith(f"HSET {keys.job(ref(sent[0]))} ")]
    assert JobField.LISTENER in ledger
    # Sent in one transaction; the test itself takes and finishes the shard. No state and no result is read.
    assert [command for command in commands if command.split()[0] in ("MULTI", "EXEC")] == ["MULTI", "EXEC"]
    assert not [command for command in commands if command.split()[0] in ("HMGET", "SUBSCRIBE", "UNSUBSCRIBE")]
    assert sent[0].status() is JobStatus.DONE
    assert sent[0].progress() == (1, 1)


def test_what_is_told_is_what_the_ledger_has(listening: FleetBackend, client: redis.Redis) -> None:
    connection = connection_of(listening.provider)
    job = make_job(1, circuits=3, tags=("x", "y"), weight=8, tenant="")
    job = replace(job, job_id=reference(connection.tenant, job.job_id))
    ticket = send(connection, job).ticket
    assert run_shard(client, job.job_id, 0)
    with connection.ledger() as ledger:
        read = ledger.snapshot(job.job_id)
        (result,) = ledger.results(job.job_id, [0])
    told = list(watch(connection, Deadline(job.job_id, 60), read_every=NEVER, ticket=ticket))
    end = ticket.end()
    assert end is not None
    assert told == [end.snapshot]
    # The job has three circuits, and the shard one of them.
    assert replace(read, circuits_done=3) == end.snapshot
    assert msgspec.msgpack.encode(end.result) == msgspec.msgpack.encode(result)


def test_a_result_that_was_told_is_the_result_that_is_read(listening: FleetBackend, client: redis.Redis) -> None:
    job = listening.run(bell("a"), shots=10, priority="high", job_tags=["x"])
    finish(client, job)
    read = FleetJob(listening, job.job_id()).result(timeout=60)
    assert job.result(timeout=60).to_dict() == read.to_dict()
    assert job.tags == ["x"]


@pytest.mark.parametrize(
    "junk",
    [b"", b"ended", b"\xff\xfe \xff", b"moved no-such-job", b"ended {} 1.5 junk", b"ended {} nan ", b"ended {}"],
    ids=range(7),
)
def test_junk_on_a_clients_channel_stops_nothing(junk: bytes, listening: FleetBackend, client: redis.Redis) -> None:
    job = listening.run(bell(), shots=1)
    waiting = in_threads([lambda: job.result(timeout=60)])
    until(lambda: hub_of(listening.provider).number_of_listeners == 1, "it waits")
    channel = keys.client(listening.provider.tenant, hub_of(listening.provider).name)
    assert client.publish(channel, junk.replace(b"{}", ref(job).encode())) == 1
    finish(client, job)
    joined(waiting)
    assert job.result().success


def test_a_job_without_shards_is_waited_for_no_longer(listening: FleetBackend) -> None:
    connection = connection_of(listening.provider)
    job = make_job(0, programs={})
    ticket = send(connection, job).ticket
    assert not connection.hub.is_silent(ticket)
    states = list(watch(connection, Deadline(job.job_id, 60), read_every=NEVER, ticket=ticket))
    assert [state.is_final for state in states] == [True]


def test_a_job_that_is_tried_again_is_waited_for(listening: FleetBackend, client: redis.Redis) -> None:
    job = listening.run(bell(), shots=1)
    assert run_shard(client, ref(job), 0, "too bad")
    with pytest.raises(JobFailedError):
        job.result(timeout=60)
    assert job.retry_failed() == 1
    waiting = in_threads([lambda: job.result(timeout=60)])
    until(lambda: hub_of(listening.provider).number_of_listeners == 1, "it waits")
    finish(client, job)
    joined(waiting)
    assert job.result().success


def test_a_child_waits_for_a_job_of_a_parent_that_listens(listening: FleetBackend, client: redis.Redis) -> None:
    job = listening.run(bell(), shots=1)
    child = os.fork()
    if not child:
        code = 1
        try:
            code = 0 if job.result(timeout=60).success else 2
        finally:
            os._exit(code)
    until(lambda: subscribed(client, ref(job)), "the child listens")
    finish(client, job)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert job.result(timeout=60).success


def test_other_processes_hear_of_the_end(listening: FleetBackend, client: redis.Redis) -> None:
    job = listening.run(bell(), shots=1)
    with FleetProvider(listening.provider.url) as other:
        elsewhere = FleetJob(other.get_backend("automatic"), job.job_id(), read_every=NEVER)
        copied = copy.copy(job)  # as unpickled in another process
        waiting = in_threads([lambda: elsewhere.result(timeout=60), lambda: copied.result(timeout=60)])
        until(lambda: client.hget(keys.job(ref(job)), JobField.HEARD), "one of them listens")
        until(lambda: hub_of(other).number_of_listeners == 1, "it waits")
        finish(client, job)
        joined(waiting)
        assert elsewhere.result().to_dict() == job.result().to_dict()


@pytest.mark.parametrize("options", ["?protocol=2", "?protocol=3", "?max_connections=1&client_name=lab"])
def test_options_of_the_url_hold_for_the_hub_too(options: str) -> None:
    with (
        redis_server() as port,
        redis.Redis(port=port) as client,
        FleetProvider(f"redis://127.0.0.1:{port}{options}") as fleet,
    ):
        backend = fleet.get_backend()
        jobs = [backend.run(bell(), shots=1) for _ in range(20)]
        found: list[bool] = []
        waiting = in_threads([lambda job=job: found.append(woken_only(job).result(timeout=60).success) for job in jobs])
        until(lambda: hub_of(backend.provider).number_of_listeners == len(jobs), "all of them listen")
        if "lab" in options:
            names = {each["name"] for each in client.client_list() if each["id"] != str(client.client_id())}
            assert names == {"lab"}
        finish(client, *jobs)
        joined(waiting)
        assert found == [True] * len(jobs)


def test_a_job_that_is_left_and_waited_for_again(backend: FleetBackend, client: redis.Redis) -> None:
    job = backend.run(bell(), shots=1)
    for _ in range(5):
        with pytest.raises(FleetJobTimeoutError):
            job.result(timeout=0.02)
    waiting = in_threads([lambda: job.result(timeout=60)])
    until(lambda: hub_of(backend.provider).number_of_listeners == 1, "it listens")
    finish(client, job)
    joined(waiting)
