# SPDX-License-Identifier: Apache-2.0
"""All waits of a provider share one subscription, whatever happens to it."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import redis
from circuits import bell
from connections import ConnectionWithHub, connected, connection_of, hub_of
from make_jobs import make_job, run_shard
from processes import redis_server
from redis_process import RedisProcess
from references import ref
from waiting import until

from qfleet import FleetBackend, FleetJob, FleetProvider
from qfleet.errors import BrokerClosedError, BrokerPermissionError
from qfleet.jobs.waiting import Deadline, pause_between_reads, watch
from qfleet.ledger import EventHub, Ledger, Snapshot, ThreadListener, send
from qfleet.ledger.client import MAX_CONNECTIONS, connect
from qfleet.ledger.snapshot import first_snapshot
from qfleet.wire.redis import keys
from qfleet.wire.redis.broker import parse_broker

MANY = 1000


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


def hub_threads() -> set[threading.Thread]:
    """Return the threads of all hubs; those of other tests' providers live on for a while."""
    return {thread for thread in threading.enumerate() if thread.name == "qfleet-hub"}


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


# --- Many ---


def test_a_thousand_threads_submit_and_wait_on_a_few_connections() -> None:
    with redis_server() as port, redis.Redis(port=port) as client, FleetProvider(f"redis://127.0.0.1:{port}") as fleet:
        backend = fleet.get_backend()
        jobs: list[FleetJob] = []
        found: list[bool] = []
        joined(in_threads([lambda: jobs.append(backend.run(bell(), shots=1))] * MANY))
        waiting = in_threads(
            [lambda job=job: found.append(woken_only(job).result(timeout=100).success) for job in jobs]
        )
        until(lambda: hub_of(backend.provider).number_of_listeners == MANY, "all of them listen")
        with connected(fleet) as connection:
            senders = connection.app.conf.broker_pool_limit
        assert client.info("clients")["connected_clients"] <= MAX_CONNECTIONS + senders + 12
        # One channel for all jobs of a client.
        assert [each["sub"] for each in client.client_list(_type="pubsub")] == ["1"]
        finish(client, *jobs)
        joined(waiting)
        assert found == [True] * MANY
        assert hub_of(backend.provider).number_of_listeners == 0


def test_a_thousand_coroutines_take_few_threads(backend: FleetBackend, client: redis.Redis) -> None:
    jobs = [backend.run(bell(), shots=1) for _ in range(MANY)]
    before = threading.active_count()

    async def successes() -> list[bool]:
        async def success(job: FleetJob) -> bool:
            return bool((await woken_only(job)).success)

        waiting = asyncio.gather(*[success(job) for job in jobs])
        await asyncio.to_thread(
            until, lambda: hub_of(backend.provider).number_of_listeners == MANY, "all of them listen"
        )
        assert threading.active_count() < before + 20
        await asyncio.to_thread(finish, client, *jobs)
        return await waiting

    assert asyncio.run(successes()) == [True] * MANY


def test_many_listeners_come_while_the_hub_is_busy(redis_url: str) -> None:
    connected = threading.Event()

    def connect_at_last() -> redis.Redis:
        assert connected.wait(60)
        return connect(parse_broker(redis_url), max_connections=1)

    hub = EventHub(connect_at_last)
    listeners = [ThreadListener(f"no-job-{number}") for number in range(5000)]
    with ExitStack() as stack:

        def listen() -> None:
            for listener in listeners:
                stack.enter_context(hub.listening(listener))

        try:
            joined(in_threads([listen]))
        finally:
            connected.set()
        until(lambda: all(listener.confirmed for listener in listeners), "Redis has confirmed them all")
    hub.close()


def test_many_threads_cancel(backend: FleetBackend) -> None:
    jobs = [backend.run(bell(), shots=1) for _ in range(100)]
    cancelled: list[bool] = []
    joined(in_threads([lambda job=job: cancelled.append(job.cancel()) for job in jobs]))
    assert cancelled == [True] * len(jobs)
    assert all(job.cancelled() for job in jobs)


def test_many_waits_share_the_reads_of_the_ledger() -> None:
    assert MANY / pause_between_reads(2.0, MANY) <= 200
    assert pause_between_reads(2.0, 1) == 2.0


# --- Nothing is missed ---


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisProcess]:
    server = RedisProcess(tmp_path)
    server.start()
    yield server
    server.kill()


@contextmanager
def waited_for(server: RedisProcess, hub: EventHub, *, is_own: bool) -> Iterator[tuple[str, Future[Snapshot]]]:
    """Yield a job, and its last state when a wait that hears of its end by a hub alone has got it.

    Args:
        server: the Redis.
        hub: the hub.
        is_own: whether the client that waits has sent the job, while the hub listened.
    """
    job = make_job(1)
    with (
        closing(ConnectionWithHub(server.url, hub)) as connection,
        FleetProvider(server.url) as other,
        ThreadPoolExecutor(1) as pool,
    ):
        listener = ThreadListener("no-job")
        with hub.listening(listener):
            until(lambda: listener.confirmed, "it is connected")
        ticket = send(connection if is_own else connection_of(other), job).ticket
        assert hub.is_silent(ticket) == is_own
        deadline = Deadline(job.job_id, 100)
        wait = partial(watch, connection, deadline, read_every=NEVER, ticket=ticket if is_own else None)
        yield job.job_id, pool.submit(lambda: list(wait())[-1])


@pytest.mark.parametrize("way", ["thread", "coroutine"])
def test_what_happens_right_after_a_read_is_heard(
    way: str, backend: FleetBackend, client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = woken_only(backend.run(bell(), shots=1))
    read = Ledger.snapshot

    def read_and_finish(ledger: Ledger, job_id: str) -> Any:
        answer = read(ledger, job_id)
        if not answer.is_final:
            finish(client, job)
        return answer

    monkeypatch.setattr(Ledger, "snapshot", read_and_finish)

    async def awaited() -> Any:
        return await job

    assert (job.result(timeout=60) if way == "thread" else asyncio.run(awaited())).success


@pytest.mark.parametrize("is_own", [True, False])
def test_what_happens_while_the_connection_is_lost_is_noticed(is_own: bool, server: RedisProcess) -> None:
    allowed = threading.Event()
    allowed.set()

    def connect_when_allowed() -> redis.Redis:
        assert allowed.wait(60)
        return connect(parse_broker(server.url), max_connections=1)

    hub = EventHub(connect_when_allowed)
    with waited_for(server, hub, is_own=is_own) as (job_id, waiting), server.client() as client:
        until(lambda: hub.number_of_listeners and (is_own or subscribed(client, job_id)), "it listens")
        allowed.clear()
        client.client_kill_filter(_type="pubsub", skipme=True)
        assert run_shard(client, job_id, 0)
        allowed.set()
        assert waiting.result(timeout=60).is_final


def subscribed(client: redis.Redis, job_id: str) -> bool:
    return keys.events(job_id).encode() in client.pubsub_channels()


@pytest.mark.parametrize("is_own", [True, False])
def test_a_connection_that_says_nothing_is_given_up(is_own: bool, server: RedisProcess) -> None:
    made: list[redis.Redis] = []

    def connect_again() -> redis.Redis:
        made.append(connect(parse_broker(server.url), max_connections=1))
        return made[-1]

    hub = EventHub(connect_again, silence_seconds=0.2)
    with waited_for(server, hub, is_own=is_own) as (job_id, waiting), server.client() as client:
        until(lambda: hub.number_of_listeners and (is_own or subscribed(client, job_id)), "it listens")
        before = len(made)
        server.freeze()
        until(lambda: len(made) > before, "the hub has given up")
        server.thaw()
        assert run_shard(client, job_id, 0)
        assert waiting.result(timeout=60).is_final


# --- Its life ---


def test_an_idle_hub_disconnects_and_starts_again(redis_url: str, client: redis.Redis) -> None:
    others = hub_threads()
    hub = EventHub(lambda: connect(parse_broker(redis_url), max_connections=1), idle_seconds=0.1)
    for number in range(2):
        listener = ThreadListener(f"no-job-{number}")
        with hub.listening(listener):
            until(lambda listener=listener: listener.confirmed, "it listens")
            assert client.pubsub_channels(listener.channel)
            until(lambda: hub.expect("any-job").is_sure, "it listens to its own channel")
            ticket = hub.expect("job")
            ticket.stored = first_snapshot(make_job(1), created=1.0)
            assert hub.is_silent(ticket)
        until(lambda: hub_threads() <= others, "its thread has ended")
        until(lambda listener=listener: not client.pubsub_channels(listener.channel), "it is disconnected")
        assert not hub.is_silent(ticket)


@pytest.mark.parametrize("way", ["result", "as_completed", "wait_for_final_state", "await"])
def test_closing_the_provider_ends_its_waits(way: str, backend: FleetBackend) -> None:
    others = hub_threads()
    job = backend.run(bell(), shots=1)

    async def awaited() -> Any:
        return await job

    calls: dict[str, Callable[[], Any]] = {
        "result": job.result,
        "as_completed": lambda: list(job.as_completed()),
        "wait_for_final_state": job.wait_for_final_state,
        "await": lambda: asyncio.run(awaited()),
    }
    hub = hub_of(backend.provider)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(calls[way])
        until(lambda: hub.number_of_listeners == 1, "it listens")
        backend.provider.close()
        with pytest.raises(BrokerClosedError, match=r"was closed by close\(\) while it was in use"):
            waiting.result(timeout=60)
    assert hub_threads() <= others
    # It opens anew.
    assert job.cancel() is True


def test_closing_the_provider_while_threads_submit_and_cancel(redis_url: str) -> None:
    errors: list[BaseException] = []

    def submit(provider: FleetProvider) -> None:
        try:
            while not stopped.is_set():
                provider.get_backend().run(bell(), shots=1).cancel()
        except BaseException as exc:  # noqa: BLE001 - it is looked at below
            errors.append(exc)

    for _ in range(10):
        stopped = threading.Event()
        provider = FleetProvider(redis_url)
        threads = in_threads([lambda provider=provider: submit(provider)] * 6)
        until(lambda provider=provider: len(provider.jobs(limit=3)) == 3, "they submit")
        provider.close()
        stopped.set()
        joined(threads)
        provider.close()
    assert {type(error) for error in errors} <= {BrokerClosedError}, errors


def test_a_local_fleet_that_is_closed_ends_the_waits() -> None:
    provider = FleetProvider.local(workers=1)
    with provider:
        job = provider.get_backend().run(bell(), shots=1)
        job.result(timeout=60)
        waited = provider.get_backend().run([bell()] * 50_000, shots=1, max_job_size=1000)
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(waited.result)
            until(lambda: hub_of(provider).number_of_listeners == 1, "it listens")
            provider.close()
            with pytest.raises(BrokerClosedError):
                waiting.result(timeout=60)


def test_a_stream_that_was_begun_before_a_fork_goes_on_in_the_child(backend: FleetBackend, client: redis.Redis) -> None:
    job = backend.run([bell()] * 2, shots=1, max_job_size=1)
    stream = job.as_completed(timeout=60)
    assert run_shard(client, ref(job), 0)
    assert next(stream)[0] == 0
    child = os.fork()
    if not child:
        code = 1
        try:
            code = 0 if [index for index, _ in stream] == [1] else 2
        finally:
            os._exit(code)
    assert run_shard(client, ref(job), 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert [index for index, _ in stream] == [1]


def test_a_user_without_the_jobs_channels_is_told() -> None:
    with redis_server() as port, redis.Redis(port=port) as client:
        client.acl_setuser("mute", True, nopass=True, keys=["qfleet:*"], channels=["other"], commands=["+@all"])
        with FleetProvider(f"redis://mute:x@127.0.0.1:{port}") as fleet:
            job = fleet.get_backend().run(bell(), shots=1)
            for _ in range(2):
                with pytest.raises(BrokerPermissionError, match=r"'mute' may not use the channel .*add &qfleet:\*"):
                    job.result(timeout=60)
            client.acl_setuser("mute", True, channels=["qfleet:*"])
            waiting = in_threads([lambda: job.result(timeout=60)])
            until(lambda: hub_of(fleet.get_backend()).number_of_listeners == 1, "it listens")
            finish(client, job)
            joined(waiting)
