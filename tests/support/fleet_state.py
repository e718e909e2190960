# SPDX-License-Identifier: Apache-2.0
"""The state of a fleet, as tests of faults ask for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress

import psutil
import redis
from circuits import bell, wide
from processes import Worker, is_dead, owner_process, shard_field
from references import ref
from waiting import until

from qfleet import FleetBackend, FleetJob, PrimitiveFleetJob
from qfleet.wire.cost.tiers import TIERS
from qfleet.wire.redis import keys
from qfleet.wire.redis.fields import SchedField


def steady(backend: FleetBackend, seed: int = 7) -> FleetJob:
    """Start a job of one shard that runs for about a second.

    The job gives the same counts each time.
    """
    return backend.run(wide(20, "steady", layers=160), shots=1000, seed_simulator=seed)


def many(backend: FleetBackend, shards: int, seed: int = 3) -> FleetJob:
    """Start a job of small shards."""
    return backend.run([bell() for _ in range(shards)], shots=200, seed_simulator=seed, max_job_size=1)


def run_too_wide(backend: FleetBackend) -> FleetJob:
    """Run a job with a circuit of 23 qubits to its end.

    The job fails on workers without room for the circuit.
    """
    job = backend.run([bell("good"), wide(23, "too_wide")], shots=10, max_job_size=1)
    until(job.in_final_state, "the job ends")
    return job


def counts(job: FleetJob, timeout: float = 90) -> list[Mapping[str, int]]:
    """Return the counts of each circuit of a job."""
    result = job.result(timeout=timeout)
    return [result.get_counts(index) for index in range(len(result.results))]


def attempts(client: redis.Redis, job: FleetJob, index: int = 0) -> int:
    """Return how often a shard was taken."""
    return int(shard_field(client, ref(job), index, "attempts") or 0)


def state(client: redis.Redis, job: FleetJob, index: int = 0) -> str | None:
    """Return a shard's state in the ledger."""
    return shard_field(client, ref(job), index, "state")


@contextmanager
def held(client: redis.Redis, job: FleetJob, index: int = 0) -> Iterator[psutil.Process]:
    """Yield the process that runs a shard, stopped in the middle.

    At the end the process continues if it still exists.
    """
    runner = owner_process(client, ref(job), index)
    runner.suspend()
    try:
        assert state(client, job, index) == "STARTED", "the shard ended before its process could be stopped"
        yield runner
    finally:
        with suppress(psutil.NoSuchProcess):
            runner.resume()


def caught(
    client: redis.Redis, job: FleetJob | PrimitiveFleetJob, workers: list[Worker]
) -> tuple[psutil.Process, Worker]:
    """Return a stopped process that runs a shard, and its worker.

    The worker has no other process.
    """

    def stop_one() -> tuple[psutil.Process, Worker] | None:
        for worker in workers:
            for process in worker.children():
                with suppress(psutil.NoSuchProcess):  # one that was killed is a child until its parent looks
                    process.suspend()
                    if worker.name in busy_workers(client, job) and not is_dead(process):
                        return process, worker
                    process.resume()
        return None

    return until(stop_one, "a shard is caught while it runs")


def busy_workers(client: redis.Redis, job: FleetJob | PrimitiveFleetJob) -> set[str]:
    """Return the names of the workers that have shards of a job."""
    fields = client.hgetall(keys.shards(ref(job)))
    started = [name for name, value in fields.items() if name.endswith(b":state") and value == b"STARTED"]
    return {fields[name.replace(b":state", b":owner")].decode().partition("/")[0] for name in started}


def add_tokens(client: redis.Redis, number: int = 1) -> None:
    """Add tokens of small shards that no shard stands behind."""
    client.lpush(keys.tokens(0), *[b""] * number)


def drop_token(client: redis.Redis) -> None:
    """Take the next token of a small shard.

    A worker that dies at once does the same.
    """
    until(lambda: client.rpop(keys.tokens(0)) is not None, "a token is there")


def tokens(client: redis.Redis) -> int:
    """Return the number of tokens of all tiers."""
    return sum(int(client.llen(keys.tokens(tier))) for tier in range(TIERS))


def waiting(client: redis.Redis) -> int:
    """Return the number of shards that can be chosen."""
    numbers = client.hmget(keys.SCHED, [SchedField.waiting(tier) for tier in range(TIERS)])
    assert isinstance(numbers, list)
    return sum(int(number or 0) for number in numbers)


def nothing_left(client: redis.Redis) -> bool:
    """Tell whether a fleet has neither unfinished jobs nor tokens or messages."""
    waiting = [keys.tokens(tier) for tier in range(TIERS)] + [keys.ready(tier) for tier in range(TIERS)]
    lists = (f"{keys.PREFIX}{keys.QUEUE}", keys.ACTIVE, keys.UNFINISHED, keys.STARTED, keys.CANCELLING)
    return not client.exists(*waiting, *lists)
