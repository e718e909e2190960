# SPDX-License-Identifier: Apache-2.0
"""Tokens and workers are lost: every shard runs all the same, and none is stored twice."""

from __future__ import annotations

import signal
from collections.abc import Callable

import redis
from circuits import bell
from fleet_state import add_tokens, attempts, counts, drop_token, held, many, nothing_left, state, steady, tokens
from processes import Worker
from qiskit.providers import JobStatus
from waiting import until

from qfleet import FleetBackend
from qfleet.wire.redis import keys
from qfleet.wire.redis.keys import JobField

StartWorker = Callable[..., Worker]


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
    with held(client, job) as runner:
        first.process.send_signal(signal.SIGSTOP)
        start_worker()
        assert counts(job) == expected
        assert attempts(client, job) == 2
        stored = client.hget(keys.results(job.job_id()), "0")
    # The one that took it first now gets to its end.
    first.process.send_signal(signal.SIGCONT)
    until(lambda: "no longer wanted" in first.log.read_text(), "the late result was offered and refused")
    assert client.hget(keys.results(job.job_id()), "0") == stored
    assert client.hget(keys.job(job.job_id()), JobField.CIRCUITS_DONE) == b"1"
    assert counts(job) == expected
    assert runner.is_running()
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
