# SPDX-License-Identifier: Apache-2.0
"""Shards that break limits or kill processes leave the fleet well, and have the same answer however they run."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import redis
from celery import Celery
from circuits import ENDLESS_SHOTS, bell, endless, wide
from fleet_state import attempts, held, nothing_left, state, steady
from one_shard import run_in_one_shard
from processes import Worker, is_dead, keys_with, owner_process, shard_fields
from qiskit import QuantumCircuit
from qiskit.providers import JobStatus
from redis_process import RedisProcess
from references import ref
from waiting import until

import qfleet
from qfleet import FleetBackend, FleetJob, FleetProvider
from qfleet.errors import JobExpiredError
from qfleet.wire.redis.states import SHARD_STATES, task_id

StartWorker = Callable[..., Worker]


def test_of_a_shard_of_many_circuits_only_the_poisonous_one_fails(
    backend: FleetBackend, client: redis.Redis, start_worker: StartWorker
) -> None:
    worker = start_worker(QFLEET_CONCURRENCY="2")
    circuits = [bell("first"), endless("poison"), bell("last")]
    # It must not be told from the others by its cost.
    job = run_in_one_shard(backend, circuits, shots=ENDLESS_SHOTS, seed=5)
    killed: set[str] = set()

    def kill_who_runs_it() -> bool:
        state, owner, circuit, number = shard_fields(client, ref(job), 0, "state", "owner", "circuit", "attempts")
        # The first process doesn't say which circuit it is at; it has done the first when it has used some time.
        says = not killed or circuit == "1"
        if state == "STARTED" and owner and owner not in killed and says and int(number or 0) <= 3:
            owner_process(client, ref(job)).kill()
            killed.add(owner)
        return job.in_final_state()

    until(kill_who_runs_it, "the job ends", seconds=90)
    assert len(killed) == 3
    result = job.result(partial=True)
    assert [circuit.success for circuit in result.results] == [True, False, True]
    assert "died 3 times" in result.results[1].status
    assert "signal 9 (SIGKILL)" in result.results[1].status
    text = job.error_message()
    assert text is not None
    assert text.startswith("circuit 1 ('poison')")
    alone = backend.run([circuits[0], bell(), circuits[2]], shots=ENDLESS_SHOTS, seed_simulator=5).result(timeout=60)
    assert [result.get_counts(k) for k in (0, 2)] == [alone.get_counts(k) for k in (0, 2)]
    assert worker.is_alive()
    until(lambda: nothing_left(client), "nothing is left over")


def _various() -> list[QuantumCircuit]:
    """Sampled at the end, measured in between, reset, wide."""
    middle = QuantumCircuit(3, 3, name="middle")
    middle.h(0)
    middle.measure(0, 0)
    middle.cx(0, 1)
    middle.ry(0.4, 2)
    middle.reset(0)
    middle.h(0)
    middle.measure([0, 1, 2], [0, 1, 2])
    return [bell(), middle, wide(8, layers=3), bell("again")] * 2


def _answer(backend: FleetBackend, **packing: int) -> list[object]:
    job = backend.run(_various(), shots=700, seed_simulator=11, memory=True, **packing)
    result = job.result(timeout=90)
    return [(result.get_counts(index), result.get_memory(index)) for index in range(len(result.results))]


def test_the_same_answer_for_1_2_and_8_workers_any_packing_and_a_crash(
    backend: FleetBackend, client: redis.Redis, start_worker: StartWorker
) -> None:
    workers = [start_worker()]
    expected = _answer(backend)
    packings: list[dict[str, int]] = [
        {"max_job_size": 1},
        {"max_job_size": 3, "max_shot_size": 100},
        {"max_shot_size": 333},
    ]
    for number in (1, 2, 8):
        while len(workers) < number:
            workers.append(start_worker())
        assert all(_answer(backend, **packing) == expected for packing in packings)
    job = backend.run(_various(), shots=700, seed_simulator=11, memory=True, max_job_size=1, max_shot_size=100)
    killed = 0
    for worker in workers:
        for child in worker.children():
            child.kill()
            killed += 1
    assert killed >= 8
    result = job.result(timeout=90)
    assert [(result.get_counts(k), result.get_memory(k)) for k in range(len(result.results))] == expected


def test_a_shard_that_takes_too_long_fails_and_says_so(
    backend: FleetBackend, client: redis.Redis, start_worker: StartWorker
) -> None:
    worker = start_worker(QFLEET_TIME_LIMIT_SECONDS="1")
    job = backend.run(endless(), shots=ENDLESS_SHOTS)
    until(lambda: job.status() is JobStatus.ERROR, "it is over", seconds=60)
    text = job.error_message()
    assert text is not None
    assert "its task took longer than the 1 s that this worker allows (QFLEET_TIME_LIMIT_SECONDS)" in text
    assert attempts(client, job) == 1
    assert backend.run(bell()).result(timeout=60).success
    assert worker.is_alive()
    until(lambda: nothing_left(client), "nothing is left over")


def test_an_expired_job_takes_all_its_keys_with_it(
    server: RedisProcess, client: redis.Redis, start_worker: StartWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    start_worker()
    monkeypatch.setenv("QFLEET_RETENTION_SECONDS", "1")
    with FleetProvider(server.url) as provider:
        backend = provider.get_backend("automatic")
        done = backend.run([bell()] * 3, max_job_size=1)
        done.result(timeout=60)
        running = backend.run(endless(), shots=ENDLESS_SHOTS)
        until(running.running, "it runs")
        cancelled = backend.run([bell()] * 3, max_job_size=1)
        assert cancelled.cancel() is True
        for job in (done, cancelled):
            until(lambda job=job: not keys_with(client, job.job_id()), "its keys are gone")  # type: ignore[misc]
            with pytest.raises(JobExpiredError):
                provider.job(job.job_id())
        # What isn't over doesn't expire.
        assert all(client.ttl(key) == -1 for key in keys_with(client, running.job_id()))
        assert running.cancel() is True
    until(lambda: nothing_left(client), "nothing is left over")


def _celery_says(app: Celery, job: FleetJob, shards: int) -> list[str]:
    return [app.AsyncResult(task_id(job.job_id(), index)).state for index in range(shards)]


def test_celerys_own_results_agree_with_the_job_at_every_moment(
    backend: FleetBackend, client: redis.Redis, start_worker: StartWorker
) -> None:
    shards = 30
    app = qfleet.celery_app(backend.provider.url)
    first = start_worker()
    job = backend.run([wide(14, layers=10) for _ in range(shards)], shots=100, max_job_size=1)
    # It waits behind the other, of which less is left all the time.
    cancelled = backend.run([wide(14, layers=10)] * shards, shots=100, max_job_size=1, priority="low")
    seen: set[str] = set()
    looks = 0

    def looked() -> bool:
        nonlocal looks
        looks += 1
        states = _celery_says(app, job, shards)
        seen.update(states)
        ended = job.in_final_state()
        # A shard that has ended stays so: what the job says after the look can only be ahead of it.
        assert job.progress().done >= states.count("SUCCESS")
        assert not ended or set(_celery_says(app, job, shards)) == {"SUCCESS"}
        return ended

    until(lambda: looked() or job.progress().done > 2, "some have run")
    for child in first.children():
        child.kill()
    until(lambda: looked() or job.progress().done > 5, "more have run")
    assert cancelled.cancel() is True
    first.lose_machine()
    start_worker()
    until(looked, "the job ends", seconds=90)
    assert _celery_says(app, job, shards) == ["SUCCESS"] * shards
    assert _celery_says(app, cancelled, shards) == ["REVOKED"] * shards
    assert seen <= set(SHARD_STATES)
    assert looks > 20


def test_the_process_of_a_shard_dies_and_another_takes_over_at_once(
    backend: FleetBackend, client: redis.Redis, start_worker: StartWorker
) -> None:
    start_worker(QFLEET_CONCURRENCY="2")
    job = steady(backend)
    with held(client, job) as runner:
        runner.kill()
        until(lambda: attempts(client, job) == 2, "another process has it")
        assert is_dead(runner)
    assert job.result(timeout=60).success
    assert state(client, job) == "SUCCESS"
