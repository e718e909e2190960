# SPDX-License-Identifier: Apache-2.0
"""Tokens and workers are lost: every shard runs all the same, and none is stored twice."""

from __future__ import annotations

import signal
from collections.abc import Callable

import redis
from circuits import ENDLESS_SHOTS, bell, endless
from fleet_state import add_tokens, attempts, counts, drop_token, held, many, nothing_left, state, steady, tokens
from processes import Worker, is_dead, owner_process, shard_field
from qiskit.providers import JobStatus
from references import ref
from waiting import until

from qfleet import FleetBackend
from qfleet.wire.redis import keys
from qfleet.wire.redis.fields import JobField

StartWorker = Callable[..., Worker]

#: A worker that is killed when it has chosen a shard, and no process has it yet.
DIES_AFTER_ITS_CHOICE = (
    "-c",
    """
import os, signal, sys
from qfleet_worker.lifecycle.binder import LateBinder
LateBinder._message = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)
from qfleet_worker.__main__ import main
sys.exit(main([]))
""",
)


def test_tokens_that_reached_no_worker(backend: FleetBackend, client: redis.Redis, start_worker: StartWorker) -> None:
    job = many(backend, 8)
    for _ in range(3):
        drop_token(client)
    start_worker()
    assert len(counts(job)) == 8
    until(lambda: nothing_left(client), "nothing is left over")


def test_all_tokens_are_gone(backend: FleetBackend, client: redis.Redis, start_worker: StartWorker) -> None:
    job = many(backend, 5)
    client.delete(keys.tokens(0))
    start_worker()
    assert len(counts(job)) == 5
    until(lambda: nothing_left(client), "nothing is left over")


def test_a_lost_token_delays_no_shard_while_other_jobs_keep_the_fleet_busy(
    backend: FleetBackend, client: redis.Redis, start_worker: StartWorker
) -> None:
    job = many(backend, 1)
    drop_token(client)
    others = [many(backend, 40)]
    start_worker()

    def is_done() -> bool:
        if tokens(client) < 20:
            others.append(many(backend, 40))
        return job.status() is JobStatus.DONE

    until(is_done, "the shard whose token was lost has run", seconds=60)
    assert attempts(client, job) == 1


def test_the_shard_of_a_stopped_worker_runs_elsewhere_and_its_late_result_is_dropped(
    backend: FleetBackend, client: redis.Redis, start_worker: StartWorker
) -> None:
    first = start_worker()
    expected = counts(steady(backend))
    job = steady(backend)
    with held(client, job):
        first.process.send_signal(signal.SIGSTOP)
        start_worker()
        assert counts(job) == expected
        assert attempts(client, job) == 2
        stored = client.hget(keys.results(ref(job)), "0")
    # The one that took it first gets to its end before its worker goes on, which would stop it.
    until(lambda: "no longer wanted" in first.log.read_text(), "the late result was offered and refused")
    first.process.send_signal(signal.SIGCONT)
    assert client.hget(keys.results(ref(job)), "0") == stored
    assert client.hget(keys.job(ref(job)), JobField.CIRCUITS_DONE) == b"1"
    assert counts(job) == expected
    until(lambda: nothing_left(client), "nothing is left over")
    assert first.is_alive()


def test_a_worker_that_continues_stops_the_shard_that_another_has(
    backend: FleetBackend, client: redis.Redis, start_worker: StartWorker
) -> None:
    first = start_worker()
    job = backend.run(endless(), shots=ENDLESS_SHOTS)
    process = owner_process(client, ref(job))
    first.process.send_signal(signal.SIGSTOP)
    # So that its presence need not grow stale.
    client.hdel(keys.WORKERS, first.name)
    second = start_worker()
    until(lambda: attempts(client, job) == 2, "another worker has it")
    assert not is_dead(process)
    first.process.send_signal(signal.SIGCONT)
    until(lambda: is_dead(process), "its process is stopped")
    assert (shard_field(client, ref(job), 0, "owner") or "").startswith(f"{second.name}/")
    assert attempts(client, job) == 2
    # It takes shards again: the other worker is busy.
    assert backend.run(bell()).result(timeout=60).success
    assert job.cancel() is True
    until(lambda: nothing_left(client), "nothing is left over")


def test_a_worker_that_is_killed_between_its_choice_and_the_start_loses_no_shard(
    backend: FleetBackend, client: redis.Redis, start_worker: StartWorker
) -> None:
    first = start_worker(program=DIES_AFTER_ITS_CHOICE)
    job = many(backend, 6)
    assert first.process.wait(60) == -signal.SIGKILL
    assert [state(client, job, index) for index in range(6)].count("STARTED") == 1
    # So that its presence need not grow stale.
    client.hdel(keys.WORKERS, first.name)
    start_worker()
    assert counts(job) == counts(many(backend, 6))
    assert sorted(attempts(client, job, index) for index in range(6)) == [1] * 5 + [2]
    until(lambda: nothing_left(client), "nothing is left over")


def test_the_processes_of_a_worker_whose_main_process_was_killed_end(
    backend: FleetBackend, client: redis.Redis, start_worker: StartWorker
) -> None:
    first = start_worker()
    expected = counts(steady(backend))
    job = steady(backend)
    with held(client, job):
        children = first.children()
        first.process.kill()
        first.process.wait()
        start_worker()
        assert counts(job) == expected
    until(lambda: not any(child.is_running() for child in children), "its pool is gone too")
    assert state(client, job) == "SUCCESS"
    assert counts(job) == expected


def test_a_shard_with_three_tokens_too_many_runs_once(
    backend: FleetBackend, client: redis.Redis, start_worker: StartWorker
) -> None:
    for _ in range(2):
        start_worker()
    job = steady(backend)
    with held(client, job):
        add_tokens(client, 3)
        assert backend.run(bell()).result(timeout=60).success
        assert attempts(client, job) == 1
    assert job.result(timeout=60).success
    until(lambda: nothing_left(client), "every token is gone")
    assert attempts(client, job) == 1
