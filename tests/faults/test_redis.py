# SPDX-License-Identifier: Apache-2.0
"""Redis is killed, frozen, full, or replaced by its replica: nothing that was submitted is lost."""

from __future__ import annotations

import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import redis
from circuits import ENDLESS_SHOTS, bell, endless
from fleet_state import attempts, counts, held, many, nothing_left, steady
from processes import Worker, free_port, is_dead, process, redis_program, worker
from redis_process import RedisProcess
from waiting import until

from qfleet import FleetBackend, FleetProvider
from qfleet.errors import BrokerFullError, JobNotFoundError
from qfleet.wire.redis import keys

StartWorker = Callable[..., Worker]

#: How long Redis says nothing.
FROZEN_SECONDS = 25.0


def test_a_restart_loses_neither_running_nor_queued_shards(
    server: RedisProcess, backend: FleetBackend, client: redis.Redis, start_worker: StartWorker
) -> None:
    for _ in range(2):
        start_worker()
    expected, expected_many = counts(steady(backend)), counts(many(backend, 60))
    running = steady(backend)
    with held(client, running):
        queued = many(backend, 60)
        for _ in range(2):
            until(lambda: queued.progress().done > 0, "some have run")
            server.kill()
            server.start()
    assert counts(running) == expected
    assert counts(queued) == expected_many
    until(lambda: nothing_left(client), "nothing is left over")


def test_redis_says_nothing_for_25_seconds(
    server: RedisProcess, backend: FleetBackend, client: redis.Redis, start_worker: StartWorker
) -> None:
    started = start_worker()
    expected = counts(steady(backend))
    running = steady(backend)
    with held(client, running) as runner:
        queued = many(backend, 20)
        server.freeze()
        time.sleep(FROZEN_SECONDS)  # the fault itself
        server.thaw()
        assert not is_dead(runner)
    assert counts(running) == expected
    assert len(counts(queued)) == 20
    assert started.is_alive()
    until(lambda: nothing_left(client), "nothing is left over")


def test_redis_starts_again_without_what_it_did_last(
    server: RedisProcess, backend: FleetBackend, client: redis.Redis, start_worker: StartWorker, tmp_path: Path
) -> None:
    """Remove the last second of tokens, choices and results, as a power loss with ``appendfsync everysec`` does."""
    started = start_worker()
    expected, expected_many = counts(steady(backend)), counts(many(backend, 60))
    running = steady(backend)
    with held(client, running):
        job = many(backend, 60)
        shutil.copytree(server.folder, tmp_path / "before")
        later = many(backend, 3)
    assert [len(counts(each)) for each in (running, job, later)] == [1, 60, 3]
    started.process.send_signal(signal.SIGSTOP)
    server.kill()
    shutil.rmtree(server.folder)
    shutil.copytree(tmp_path / "before", server.folder)
    server.start()
    # Job objects remember what they have seen.
    running, job = (backend.retrieve_job(each.job_id()) for each in (running, job))
    assert (running.progress().done, job.progress().done) == (0, 0)
    with pytest.raises(JobNotFoundError):
        backend.retrieve_job(later.job_id())
    started.process.send_signal(signal.SIGCONT)
    assert counts(job) == expected_many
    assert counts(running) == expected
    assert counts(many(backend, 60)) == expected_many
    until(lambda: nothing_left(client), "nothing is left over")


def _fill(client: redis.Redis) -> None:
    client.config_set("maxmemory", 1000)


def _make_room(client: redis.Redis) -> None:
    client.config_set("maxmemory", 0)


def test_a_full_redis_loses_nothing_that_it_has(
    backend: FleetBackend, client: redis.Redis, start_worker: StartWorker
) -> None:
    started = start_worker()
    expected = counts(steady(backend))
    running = steady(backend)
    with held(client, running):
        queued = many(backend, 20)
        _fill(client)
        with pytest.raises(BrokerFullError, match="out of memory"):
            backend.run(bell())
    until(lambda: "has no room" in started.log.read_text(), "the result waits for room")
    _make_room(client)
    assert counts(running) == expected
    assert len(counts(queued)) == 20
    assert started.is_alive()
    until(lambda: nothing_left(client), "nothing is left over")


def test_a_process_that_dies_while_redis_is_full(
    backend: FleetBackend, client: redis.Redis, start_worker: StartWorker
) -> None:
    started = start_worker()
    expected = counts(steady(backend))
    job = steady(backend)
    with held(client, job) as runner:
        _fill(client)
        runner.kill()
    until(lambda: attempts(client, job) == 2, "it runs again")
    _make_room(client)
    assert counts(job) == expected
    assert started.is_alive()


def test_a_worker_stays_on_the_list_while_redis_is_full(
    provider: FleetProvider, client: redis.Redis, start_worker: StartWorker
) -> None:
    started = start_worker()
    counts(many(provider.get_backend("automatic"), 1))
    _fill(client)
    (before,) = provider.workers()
    until(lambda: any(found.seen > before.seen for found in provider.workers()), "it shows itself again")
    assert [found.name for found in provider.workers()] == [started.name]


def test_a_worker_that_connects_to_a_full_redis_waits_for_room(
    backend: FleetBackend, client: redis.Redis, start_worker: StartWorker
) -> None:
    started = start_worker()
    job = many(backend, 3)
    counts(job)
    _fill(client)
    for kind in ("normal", "pubsub"):
        client.client_kill_filter(_type=kind, skipme=True)
    until(lambda: "OutOfMemoryError" in started.log.read_text(), "Redis refused it")
    _make_room(client)
    assert counts(many(backend, 3)) == counts(job)
    assert started.is_alive()


@pytest.fixture
def sentinel(tmp_path: Path) -> Iterator[tuple[str, RedisProcess, RedisProcess]]:
    """Yield the url of a Sentinel, and the master and the replica that it watches."""
    with ExitStack() as stack:
        servers = []
        for name in ("master", "replica"):
            folder = tmp_path / name
            folder.mkdir()
            options = ("--replicaof", "127.0.0.1", str(servers[0].port)) if servers else ()
            servers.append(RedisProcess(folder, ("--repl-diskless-sync-delay", "0", *options)))
            stack.callback(servers[-1].kill)
            servers[-1].start()
        port, configuration = free_port(), tmp_path / "sentinel.conf"
        configuration.write_text(
            f"port {port}\nbind 127.0.0.1\ndir {tmp_path}\n"
            f"sentinel monitor fleet 127.0.0.1 {servers[0].port} 1\n"
            "sentinel down-after-milliseconds fleet 1000\nsentinel failover-timeout fleet 3000\n"
        )
        arguments = [redis_program(), str(configuration), "--sentinel"]
        stack.enter_context(process(arguments, tmp_path / "sentinel.log"))
        with redis.Redis(port=port) as client:
            retried = redis.exceptions.ConnectionError

            def knows_both() -> bool:
                try:
                    return bool(client.sentinel_slaves("fleet"))  # type: ignore[no-untyped-call]
                except retried:
                    return False

            until(knows_both, "the Sentinel knows the replica", seconds=60)
        yield f"sentinel://127.0.0.1:{port}/0?master_name=fleet", *servers


def test_failover_to_a_replica(sentinel: tuple[str, RedisProcess, RedisProcess], tmp_path: Path) -> None:
    url, master, replica = sentinel
    with FleetProvider(url) as provider, worker(url, tmp_path / "worker.log") as started:
        backend = provider.get_backend("automatic")
        expected = counts(steady(backend))
        with master.client() as client, replica.client() as heir:
            running = steady(backend)
            with held(client, running):
                queued = many(backend, 10)
                # What the replica hasn't got when its master dies is lost: replication doesn't wait.
                assert client.wait(1, 30_000) == 1
                master.kill()
                until(lambda: heir.role()[0] == b"master", "the replica is the master", seconds=60)
            until(lambda: not heir.exists(keys.UNFINISHED), "both jobs ended", seconds=90)
            assert attempts(heir, running) in (1, 2)
            assert counts(running) == expected
            assert len(counts(queued)) == 10
        assert started.is_alive()


def test_a_connection_that_breaks_before_a_process_has_begun_its_shard(
    backend: FleetBackend, client: redis.Redis, start_worker: StartWorker
) -> None:
    worker = start_worker()
    pool = worker.children()
    for child in pool:
        child.suspend()
    job = backend.run(endless(), shots=ENDLESS_SHOTS)
    until(lambda: "] received" in worker.log.read_text(), "the worker has it")
    for kind in ("normal", "pubsub"):
        client.client_kill_filter(_type=kind, skipme=True)
    until(lambda: worker.log.read_text().count("Connected to") == 2, "the worker is connected again")
    other = backend.run(bell())
    for child in pool:
        child.resume()
    until(job.running, "it runs")
    assert job.cancel() is True
    until(job.cancelled, "its process was killed")
    assert other.result(timeout=60).success
    assert attempts(client, job) == 1
