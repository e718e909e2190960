# SPDX-License-Identifier: Apache-2.0
"""Faults of Celery on Redis by default, one test for each: docs/reliability.md has the same table."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import redis
from circuits import ENDLESS_SHOTS, bell, endless
from fleet_state import add_tokens, attempts, counts, drop_token, held, many, nothing_left, state, steady
from processes import Worker, is_dead, keys_with, owner_process, process, shard_field
from qiskit.providers import JobStatus
from redis_process import RedisProcess
from references import ref
from waiting import until

from qfleet import FleetBackend, FleetProvider
from qfleet.errors import JobExpiredError, JobNotFoundError
from qfleet.wire.redis import keys
from qfleet.wire.redis.states import task_id
from qfleet_worker.search import LOCK_SECONDS

StartWorker = Callable[..., Worker]

#: A worker whose broker gives messages away again that aren't acknowledged within a second.
IMPATIENT = (
    "-c",
    """
import sys
import qfleet_worker.app as app
settings = app.celery_settings
def impatient(broker):
    found = settings(broker)
    found["broker_transport_options"] |= {
        "visibility_timeout": 1, "unacked_restore_interval": 1, "unacked_restore_throttle": 1
    }
    return found
app.celery_settings = impatient
from qfleet_worker.__main__ import main
sys.exit(main([]))
""",
)


def test_kill_9_of_a_busy_worker_loses_no_shard(
    backend: FleetBackend, client: redis.Redis, start_worker: StartWorker
) -> None:
    first = start_worker(QFLEET_CONCURRENCY="2")
    expected = counts(many(backend, 60))
    job = many(backend, 60)
    until(lambda: job.progress().done > 5, "the worker is busy")
    first.lose_machine()
    start_worker(QFLEET_CONCURRENCY="2")
    assert counts(job) == expected
    until(lambda: nothing_left(client), "nothing is left over")


def test_a_task_longer_than_the_visibility_timeout_starts_once(
    backend: FleetBackend, client: redis.Redis, start_worker: StartWorker
) -> None:
    for _ in range(2):
        start_worker(program=IMPATIENT)
    job = steady(backend)
    with held(client, job):
        begin, _ = client.time()

        def is_over() -> bool:
            # Nothing that a timeout could give away again.
            assert client.keys(f"{keys.PREFIX}unacked*") == []
            return bool(client.time()[0] - begin > 4)

        # The time itself is what is tested.
        until(is_over, "the timeout is over")
    assert job.result(timeout=60).success
    assert attempts(client, job) == 1


def test_a_dropped_connection_runs_nothing_twice(
    backend: FleetBackend, client: redis.Redis, start_worker: StartWorker
) -> None:
    worker = start_worker()
    expected = counts(steady(backend))
    job = steady(backend)
    with held(client, job):
        later = many(backend, 5)
        for kind in ("normal", "pubsub"):
            client.client_kill_filter(_type=kind, skipme=True)
        until(lambda: client.client_list(_type="pubsub"), "the worker connects again")
    assert counts(job) == expected
    assert later.result(timeout=60).success
    assert attempts(client, job) == 1
    assert worker.is_alive()
    until(lambda: nothing_left(client), "nothing is left over")


def test_a_restart_of_redis_fails_no_running_task(
    server: RedisProcess, backend: FleetBackend, client: redis.Redis, start_worker: StartWorker
) -> None:
    worker = start_worker(QFLEET_CONCURRENCY="2")
    expected = counts(steady(backend))
    jobs = [steady(backend), steady(backend)]
    with held(client, jobs[0]), held(client, jobs[1]):
        queued = many(backend, 10)
        server.kill()
        server.start()
    assert [counts(job) for job in jobs] == [expected, expected]
    assert queued.result(timeout=60).success
    assert worker.is_alive()
    until(lambda: nothing_left(client), "nothing is left over")


def test_a_lost_connection_cancels_no_long_task(
    server: RedisProcess, backend: FleetBackend, client: redis.Redis, start_worker: StartWorker
) -> None:
    worker = start_worker()
    job = steady(backend)
    with held(client, job) as runner:
        server.kill()
        until(lambda: "Trying again in" in worker.log.read_text(), "the worker lost its connection")
        server.start()
        until(lambda: client.client_list(_type="pubsub"), "the worker connects again")
        assert not is_dead(runner)
    assert job.result(timeout=60).success
    assert attempts(client, job) == 1
    assert job.status() is JobStatus.DONE


def test_a_task_of_a_worker_that_is_gone_runs_elsewhere(
    backend: FleetBackend, client: redis.Redis, start_worker: StartWorker
) -> None:
    first = start_worker()
    expected = counts(steady(backend))
    job = steady(backend)
    with held(client, job):
        start_worker()
        name = task_id(ref(job), 0)
        until(lambda: any(name in up.holds for up in backend.provider.workers()), "its worker says that it has it")
        first.lose_machine()
        begin = time.monotonic()
        until(lambda: attempts(client, job) == 2, "another worker has it", seconds=60)
        print(f"taken again {time.monotonic() - begin:.1f} s after its worker was killed")
    assert counts(job) == expected
    assert attempts(client, job) == 2
    until(lambda: nothing_left(client), "nothing is left over")


def test_a_task_that_kills_its_process_does_not_loop_for_ever(
    backend: FleetBackend, client: redis.Redis, start_worker: StartWorker
) -> None:
    worker = start_worker()
    job = backend.run(endless("killer"), shots=ENDLESS_SHOTS)
    killed: set[str] = set()

    def kill_who_runs_it() -> bool:
        if state(client, job) == "STARTED" and attempts(client, job) <= 3:
            owner = shard_field(client, ref(job), 0, "owner")
            # It may be waiting again by now, without an owner.
            if owner is not None and owner not in killed:
                owner_process(client, ref(job)).kill()
                killed.add(owner)
        return job.in_final_state()

    until(kill_who_runs_it, "it is given up", seconds=90)
    # A fourth takes it, and doesn't run it.
    assert len(killed) == 3
    text = job.error_message()
    assert text is not None
    assert text.startswith("circuit 0 ('killer'): given up: the worker process died 3 times")
    assert "signal 9 (SIGKILL)" in text
    assert backend.run(bell()).result(timeout=60).success
    assert worker.is_alive()


def test_a_queued_job_that_was_cancelled_without_a_worker_never_runs(
    backend: FleetBackend, client: redis.Redis, start_worker: StartWorker
) -> None:
    job = many(backend, 3)
    assert job.cancel() is True
    assert job.status() is JobStatus.CANCELLED
    start_worker()
    assert backend.run(bell()).result(timeout=60).success
    until(lambda: nothing_left(client), "its tokens are gone")
    assert [attempts(client, job, index) for index in range(3)] == [0, 0, 0]
    assert job.status() is JobStatus.CANCELLED


def test_a_cancelled_job_stays_so_when_its_worker_dies(
    backend: FleetBackend, client: redis.Redis, start_worker: StartWorker
) -> None:
    first = start_worker()
    running = backend.run(endless(), shots=ENDLESS_SHOTS)
    until(running.running, "the first runs")
    job = many(backend, 3)
    assert job.cancel() is True
    first.lose_machine()
    start_worker()
    until(lambda: attempts(client, running) == 2, "the shard that ran is run again", seconds=60)
    assert running.cancel() is True
    until(lambda: nothing_left(client), "nothing is left over")
    assert [attempts(client, job, index) for index in range(3)] == [0, 0, 0]
    assert [state(client, job, index) for index in range(3)] == ["REVOKED"] * 3


def test_no_later_worker_writes_started_over_revoked(
    backend: FleetBackend, client: redis.Redis, start_worker: StartWorker
) -> None:
    job = many(backend, 1)
    job.cancel()
    assert state(client, job) == "REVOKED"
    add_tokens(client)
    start_worker()
    until(lambda: nothing_left(client), "its tokens are gone")
    assert backend.run(bell()).result(timeout=60).success
    assert state(client, job) == "REVOKED"


def test_who_dies_while_it_looks_for_lost_shards_holds_nobody_up(
    backend: FleetBackend, client: redis.Redis, start_worker: StartWorker
) -> None:
    job = many(backend, 1)
    drop_token(client)
    client.set(keys.RECONCILER, "qfleet-1@gone", px=int(LOCK_SECONDS * 1000))
    start_worker()
    assert job.result(timeout=60).success


def test_a_forked_client_and_its_parent_go_on(backend: FleetBackend, start_worker: StartWorker) -> None:
    start_worker()
    expected = counts(many(backend, 3))
    child = os.fork()
    if child == 0:
        failed = 1
        try:
            failed = int(counts(many(backend, 3)) != expected)
        finally:
            os._exit(failed)
    try:
        assert counts(many(backend, 3)) == expected
    finally:
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_unknown_and_expired_jobs_are_told_apart(
    backend: FleetBackend, provider: FleetProvider, start_worker: StartWorker, client: redis.Redis
) -> None:
    with pytest.raises(JobNotFoundError):
        provider.job("no-such-job")
    job = many(backend, 2)
    assert job.cancel() is True
    client.delete(*keys.of_job(ref(job)))  # as Redis does when they expire
    with pytest.raises(JobExpiredError):
        provider.job(job.job_id())


def test_a_client_that_is_killed_while_it_submits_leaves_nothing(
    server: RedisProcess, provider: FleetProvider, client: redis.Redis, start_worker: StartWorker, tmp_path: Path
) -> None:
    submit = """
import os, signal, sys
sys.path += sys.argv[2:]
from redis.connection import AbstractConnection
from qfleet import FleetProvider
from circuits import bell
send = AbstractConnection.send_packed_command
def die_half_way(self, command, check_health=True):
    whole = command if isinstance(command, bytes) else b"".join(command)
    if b"EXEC" in whole:
        self._sock.sendall(whole[: len(whole) // 2])
        os.kill(os.getpid(), signal.SIGKILL)
    send(self, command, check_health)
AbstractConnection.send_packed_command = die_half_way
FleetProvider(sys.argv[1]).get_backend("automatic").run([bell()] * 8, shots=100, max_job_size=1)
"""
    support = str(Path(__file__).parents[1] / "support")
    with process([sys.executable, "-c", submit, server.url, support], tmp_path / "client.log") as submitting:
        assert submitting.wait(60) == -signal.SIGKILL
    assert provider.jobs() == []
    assert nothing_left(client)
    assert keys_with(client, ":job:") == []
    start_worker()
    assert provider.get_backend("automatic").run(bell()).result(timeout=60).success
