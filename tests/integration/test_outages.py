# SPDX-License-Identifier: Apache-2.0
"""A wait for a job outlasts whatever Redis does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis
from circuits import bell
from connections import connected, hub_of
from processes import free_port, process, redis_program, redis_server
from qiskit.providers import JobStatus
from redis_process import RedisProcess
from references import ref
from waiting import until
from waits import Waits, finish, subscriptions

from qfleet import FleetJob, FleetProvider
from qfleet.errors import BrokerUnreachableError, FleetJobTimeoutError
from qfleet.jobs.waiting import Deadline, ended, watch


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisProcess]:
    server = RedisProcess(tmp_path)
    server.start()
    yield server
    server.kill()


@contextmanager
def everybody_waits(
    url: str, waits: Waits, seconds: float | None = None
) -> Iterator[tuple[FleetJob, list[Future[Any]]]]:
    """Yield a job of two tasks, and one waiter of each kind; what each has got when the job has ended."""
    with FleetProvider(url) as provider:
        job = provider.get_backend().run([bell("a"), bell("b")], shots=10, max_job_size=1)

        async def awaits() -> bool:
            return bool((await job).success)

        calls: list[Callable[[], Any]] = [
            lambda: job.result(timeout=seconds).success,
            lambda: sorted(index for index, _ in job.as_completed(timeout=seconds)) == [0, 1],
            lambda: job.wait_for_final_state(timeout=seconds) is None,
            lambda: asyncio.run(awaits()),
        ]
        waiting = [waits(call) for call in calls]
        hub = hub_of(provider)
        with redis.Redis.from_url(url) as client:
            until(lambda: hub.number_of_listeners == len(calls), "all of them listen")
            until(lambda: subscriptions(client, job) == 1, "Redis knows")
        yield job, waiting


def test_waiting_goes_on_when_redis_is_killed_and_starts_again(server: RedisProcess, waits: Waits) -> None:
    with everybody_waits(server.url, waits) as (job, waiting):
        with server.client() as client:
            finish(client, job, 0)
        server.kill()
        with pytest.raises(BrokerUnreachableError):
            job.status()
        assert not any(wait.done() for wait in waiting)
        server.start()
        with server.client() as client:
            finish(client, job, 1)
        assert [wait.result(timeout=60) for wait in waiting] == [True] * len(waiting)


def test_waiting_goes_on_when_its_connections_are_dropped(server: RedisProcess, waits: Waits) -> None:
    with everybody_waits(server.url, waits) as (job, waiting), server.client() as client:
        for kind in ("pubsub", "normal", "pubsub"):
            client.client_kill_filter(_type=kind, skipme=True)
        finish(client, job, 0, 1)
        assert [wait.result(timeout=60) for wait in waiting] == [True] * len(waiting)


def test_waiting_goes_on_when_redis_is_frozen(server: RedisProcess, waits: Waits) -> None:
    with everybody_waits(server.url, waits) as (job, waiting):
        server.freeze()
        # A new client gives up on it: the outage is longer than that takes.
        with FleetProvider(server.url) as other, pytest.raises(BrokerUnreachableError):
            other.job(job.job_id())
        server.thaw()
        with server.client() as client:
            finish(client, job, 0, 1)
        assert [wait.result(timeout=60) for wait in waiting] == [True] * len(waiting)


def test_waiting_follows_a_failover(tmp_path: Path, waits: Waits) -> None:
    sentinel = free_port()
    with redis_server() as first, redis_server() as second, redis.Redis(port=second) as replica:
        replica.replicaof("127.0.0.1", first)
        until(lambda: replica.info("replication")["master_link_status"] == "up", "the replica follows")
        configuration = tmp_path / "sentinel.conf"
        configuration.write_text(f"port {sentinel}\nbind 127.0.0.1\nsentinel monitor main 127.0.0.1 {first} 1\n")
        with (
            process([redis_program(), str(configuration), "--sentinel"], tmp_path / "log"),
            redis.Redis(port=sentinel) as asked,
        ):
            until(lambda: _answers(asked), "the Sentinel answers")
            until(lambda: len(asked.sentinel_slaves("main")) == 1, "the Sentinel knows the replica")
            url = f"sentinel://127.0.0.1:{sentinel}/0?master_name=main"
            with FleetProvider(url) as provider:
                job = provider.get_backend().run([bell("a"), bell("b")], shots=10, max_job_size=1)
                waiting = [waits(job.result), waits(lambda: list(job.as_completed()))]
                with redis.Redis(port=first) as master:
                    until(lambda: subscriptions(master, job) == 1, "they listen")
                    master.wait(1, 10_000)
                until(lambda: _fails_over(asked), "the failover begins")
                until(lambda: replica.info("replication")["role"] == "master", "the replica is master")
                finish(replica, job, 0, 1)
                assert waiting[0].result(timeout=60).success
                assert len(waiting[1].result(timeout=60)) == 2
                assert provider.get_backend().run(bell()).status() is JobStatus.QUEUED


def _answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except (redis.ConnectionError, redis.TimeoutError):
        return False


def _fails_over(asked: redis.Redis) -> bool:
    try:
        return bool(asked.execute_command("SENTINEL", "FAILOVER", "main"))
    except redis.ResponseError:  # the replica isn't good enough yet
        return False


def test_an_outage_that_is_too_long_ends_the_wait_and_says_what_goes_on(server: RedisProcess, waits: Waits) -> None:
    with FleetProvider(server.url) as provider, connected(provider) as connection, server.client() as client:
        job = provider.get_backend().run(bell(), shots=10)
        deadlines = [Deadline(ref(job), None, outage_seconds=0.2) for _ in range(2)]
        waiting = [
            waits(lambda: list(watch(connection, deadlines[0]))),
            waits(lambda: asyncio.run(ended(connection, deadlines[1]))),
        ]
        until(lambda: connection.hub.number_of_listeners == len(waiting), "both listen")
        until(lambda: subscriptions(client, job) == 1, "Redis knows")
        server.kill()
        for wait in waiting:
            with pytest.raises(BrokerUnreachableError, match=f"job {job.job_id()} goes on.*no Redis answers at"):
                wait.result(timeout=60)


def test_a_timeout_holds_in_an_outage(server: RedisProcess, waits: Waits) -> None:
    with everybody_waits(server.url, waits, seconds=1.0) as (job, waiting):
        server.kill()
        for wait in waiting[:-1]:
            with pytest.raises(FleetJobTimeoutError, match=r"within 1\.0 s: no Redis answers"):
                wait.result(timeout=60)
        server.start()
        with server.client() as client:
            finish(client, job, 0, 1)
        assert waiting[-1].result(timeout=60) is True
