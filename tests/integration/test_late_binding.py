# SPDX-License-Identifier: Apache-2.0
"""A worker's main process chooses each shard when a process is free; real workers, a real Redis."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest
import redis
from circuits import ENDLESS_SHOTS, bell, endless
from fleet_state import attempts, many, state, waiting
from old_jobs import run_as_0_1
from processes import Worker, is_dead, redis_server, shard_field, worker
from references import ref
from waiting import until

from qfleet import FleetBackend, FleetProvider
from qfleet.wire.cost.tiers import TIERS
from qfleet.wire.redis import keys
from qfleet_worker.picked import Picked
from qfleet_worker.store import Store

StartWorker = Callable[..., Worker]
QUEUE = f"{keys.PREFIX}{keys.QUEUE}"


@pytest.fixture
def port() -> Iterator[int]:
    with redis_server() as port:
        yield port


@pytest.fixture
def client(port: int) -> Iterator[redis.Redis]:
    with redis.Redis(port=port) as client:
        yield client


@pytest.fixture
def provider(port: int) -> Iterator[FleetProvider]:
    with FleetProvider(f"redis://127.0.0.1:{port}/0") as provider:
        yield provider


@pytest.fixture
def backend(provider: FleetProvider) -> FleetBackend:
    return provider.get_backend("automatic")


@pytest.fixture
def start_worker(port: int, tmp_path: Path) -> Iterator[StartWorker]:
    """Starts a worker, which takes shards when this returns; it is gone after the test."""
    with ExitStack() as workers:

        def start(name: str = "worker", **settings: str) -> Worker:
            return workers.enter_context(worker(f"redis://127.0.0.1:{port}/0", tmp_path / f"{name}.log", **settings))

        yield start


def busy(worker: Worker, *others: psutil.Process) -> psutil.Process:
    """Return a process of the worker's pool that computes, beside some others."""
    before = {child: child.cpu_times().user for child in worker.children() if child not in others}
    return until(
        lambda: next((child for child in before if child.cpu_times().user > before[child] + 0.2), None),
        "a process computes",
    )


def test_a_worker_takes_no_more_than_it_runs(
    backend: FleetBackend, client: redis.Redis, start_worker: StartWorker
) -> None:
    worker = start_worker(QFLEET_CONCURRENCY="2")
    jobs = [backend.run(endless(), shots=ENDLESS_SHOTS) for _ in range(4)]
    until(lambda: [state(client, job) for job in jobs].count("STARTED") == 2, "two of them run")
    owners = [shard_field(client, ref(job), 0, "owner") for job in jobs if state(client, job) == "STARTED"]
    assert len(set(owners)) == 2
    assert all(owner is not None and owner.startswith(f"{worker.name}/{worker.process.pid}/") for owner in owners)
    # Those that wait are nobody's: a worker that comes chooses them at once.
    assert waiting(client) == 2
    start_worker("other", QFLEET_CONCURRENCY="2")
    until(lambda: {state(client, job) for job in jobs} == {"STARTED"}, "all run")
    assert waiting(client) == 0
    for job in jobs:
        assert job.cancel() is True


def test_a_cancel_kills_the_process_that_runs_the_shard(
    backend: FleetBackend, client: redis.Redis, start_worker: StartWorker
) -> None:
    worker = start_worker(QFLEET_CONCURRENCY="2")
    victim_job = backend.run(endless(), shots=ENDLESS_SHOTS)
    until(victim_job.running, "it runs")
    victim = busy(worker)
    other_job = backend.run(endless(), shots=ENDLESS_SHOTS)
    until(other_job.running, "the other runs too")
    other = busy(worker, victim)
    assert victim_job.cancel() is True
    until(lambda: is_dead(victim), "its process is dead")
    assert not is_dead(other)
    assert state(client, other_job) == "STARTED"
    assert attempts(client, other_job) == 1
    assert other_job.cancel() is True
    until(lambda: is_dead(other), "the other's process is dead")
    assert backend.run(bell(), shots=10).result(timeout=60).success
    assert worker.is_alive()


def test_a_worker_that_is_told_to_stop_hands_its_shard_to_another(
    backend: FleetBackend, client: redis.Redis, start_worker: StartWorker
) -> None:
    first = start_worker(QFLEET_GRACE_SECONDS="1")
    job = backend.run(endless(), shots=ENDLESS_SHOTS)
    until(job.running, "it runs")
    other = start_worker("other")
    first.process.send_signal(signal.SIGTERM)
    assert first.process.wait(60) == 0
    until(
        lambda: (shard_field(client, ref(job), 0, "owner") or "").startswith(f"{other.name}/"),
        "the other worker runs it",
    )
    assert attempts(client, job) == 1
    assert job.cancel() is True


def test_a_worker_that_is_told_to_stop_swallows_no_token(
    backend: FleetBackend, client: redis.Redis, start_worker: StartWorker
) -> None:
    worker = start_worker()
    worker.process.send_signal(signal.SIGTERM)
    # It may still wait for a token, for a second at most.
    job = many(backend, 3)
    assert worker.process.wait(60) == 0
    left = [state(client, job, index) for index in range(3)].count("PENDING")
    # A spare one does no harm.
    assert client.llen(keys.tokens(0)) >= left
    start_worker("other")
    assert job.result(timeout=60).success


def test_messages_of_version_0_1_run_the_shards_that_they_name(
    provider: FleetProvider, backend: FleetBackend, client: redis.Redis, start_worker: StartWorker
) -> None:
    old = run_as_0_1(provider, client, [bell() for _ in range(4)], shots=100, seed_simulator=3, max_job_size=1)
    new = many(backend, 4)
    assert client.llen(QUEUE) == 4
    start_worker()
    for job in (old, new):
        assert job.result(timeout=60).success
        assert [attempts(client, job, index) for index in range(4)] == [1] * 4
    assert not client.exists(QUEUE, keys.ACTIVE)


def test_a_running_shard_of_version_0_1_is_cancelled_and_handed_back(
    provider: FleetProvider, client: redis.Redis, start_worker: StartWorker
) -> None:
    first = start_worker(QFLEET_GRACE_SECONDS="1")
    job = run_as_0_1(provider, client, [endless()], shots=ENDLESS_SHOTS, max_shot_size=ENDLESS_SHOTS)
    until(lambda: state(client, job) == "STARTED", "it runs")
    first.process.send_signal(signal.SIGTERM)
    assert first.process.wait(60) == 0
    # Its message is there again.
    assert (state(client, job), attempts(client, job), client.llen(QUEUE)) == ("PENDING", 0, 1)
    other = start_worker("other")
    until(lambda: state(client, job) == "STARTED", "it runs again")
    victim = busy(other)
    assert job.cancel() is True
    until(lambda: is_dead(victim), "its process is dead")


def test_tokens_that_mean_nothing(backend: FleetBackend, client: redis.Redis, start_worker: StartWorker) -> None:
    """Without a shard behind them, or with any bytes in them."""
    live = start_worker()
    for tier in range(TIERS):
        client.rpush(keys.tokens(tier), b"", b"junk", bytes(range(256)), b"[" * 100_000)
    client.rpush(keys.wake(live.name), b"", b"\xff" * 1000)
    assert backend.run(bell(), shots=10).result(timeout=60).success
    # Tiers beyond its memory aren't its to take.
    until(lambda: not client.exists(keys.tokens(0), keys.tokens(1)), "they are gone")
    assert backend.run(bell(), shots=10).result(timeout=60).success
    assert live.is_alive()


def test_a_shard_that_was_chosen_and_never_run_is_missed(
    backend: FleetBackend, client: redis.Redis, start_worker: StartWorker
) -> None:
    """Drop the answer to a pick, as a connection does that breaks while Redis answers."""
    job = many(backend, 2)
    live = start_worker()
    assert job.result(timeout=60).success
    live.process.send_signal(signal.SIGSTOP)
    try:
        lost = many(backend, 1)
        chosen = Store(client, live.name).pick(0, 2**30, 2**30, slow=False, corrections={})
        assert isinstance(chosen, Picked)
        assert (chosen.job_id, state(client, lost)) == (ref(lost), "STARTED")
    finally:
        live.process.send_signal(signal.SIGCONT)
    assert lost.result(timeout=60).success
    assert attempts(client, lost) == 2
