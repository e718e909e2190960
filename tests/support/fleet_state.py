# SPDX-License-Identifier: Apache-2.0
"""The state of a fleet, as tests of faults ask for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import psutil
import redis
from circuits import bell, wide
from connections import connected
from processes import is_dead, owner_process, shard_field
from waiting import until

from qfleet import FleetBackend, FleetJob
from qfleet.wire.redis import keys


def steady(backend: FleetBackend, seed: int = 7) -> FleetJob:
    """Start a job of one shard that runs for about a second.

    The job gives the same counts each time.
    """
    return backend.run(wide(20, "steady", layers=40), shots=1000, seed_simulator=seed)


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
    return int(shard_field(client, job.job_id(), index, "attempts") or 0)


def state(client: redis.Redis, job: FleetJob, index: int = 0) -> str | None:
    """Return a shard's state in the ledger."""
    return shard_field(client, job.job_id(), index, "state")


@contextmanager
def held(client: redis.Redis, job: FleetJob, index: int = 0) -> Iterator[psutil.Process]:
    """Yield the process that runs a shard, stopped in the middle.

    At the end the process continues if it still exists.
    """
    runner = owner_process(client, job.job_id(), index)
    runner.suspend()
    try:
        assert state(client, job, index) == "STARTED", "the shard ended before its process could be stopped"
        yield runner
    finally:
        if not is_dead(runner):
            runner.resume()


def publish_again(backend: FleetBackend, job: FleetJob, *indices: int) -> None:
    """Publish shards again, whose messages are or were on the queue."""
    with connected(backend.provider) as connection:
        connection.publish(job.job_id(), indices)


def drop_message(client: redis.Redis) -> str:
    """Take the next message off the queue, and return its text.

    A worker that dies at once does the same.
    """
    message = until(lambda: client.rpop(f"{keys.PREFIX}{keys.QUEUE}"), "a message is on the queue")
    assert isinstance(message, bytes)
    return message.decode()


def nothing_left(client: redis.Redis) -> bool:
    """Tell whether a fleet has neither active jobs nor messages.

    Messages may be on the queue or unacknowledged.
    """
    return not client.exists(f"{keys.PREFIX}{keys.QUEUE}", keys.ACTIVE, f"{keys.PREFIX}unacked")
