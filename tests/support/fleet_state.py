# SPDX-License-Identifier: Apache-2.0
"""What tests of faults ask of a fleet: who runs what, and whether anything is left over."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import psutil
import redis
from circuits import bell, wide
from processes import is_dead, owner_process, shard_field
from waiting import until

from qfleet import FleetBackend, FleetJob
from qfleet.wire.redis import keys
from qfleet.wire.redis.states import task_id


def steady(backend: FleetBackend, seed: int = 7) -> FleetJob:
    """A job of one shard that runs for a second or so, and gives the same counts each time."""
    return backend.run(wide(20, "steady", layers=40), shots=1000, seed_simulator=seed)


def many(backend: FleetBackend, shards: int, seed: int = 3) -> FleetJob:
    """A job of small shards."""
    return backend.run([bell() for _ in range(shards)], shots=200, seed_simulator=seed, max_job_size=1)


def counts(job: FleetJob, timeout: float = 90) -> list[Mapping[str, int]]:
    """What each circuit of a job gave."""
    result = job.result(timeout=timeout)
    return [result.get_counts(index) for index in range(len(result.results))]


def attempts(client: redis.Redis, job: FleetJob, index: int = 0) -> int:
    """How often a shard was taken."""
    return int(shard_field(client, job.job_id(), index, "attempts") or 0)


def state(client: redis.Redis, job: FleetJob, index: int = 0) -> str | None:
    """A shard's state in the ledger."""
    return shard_field(client, job.job_id(), index, "state")


@contextmanager
def held(client: redis.Redis, job: FleetJob, index: int = 0) -> Iterator[psutil.Process]:
    """The process that runs a shard, stopped in the middle of it; at the end it goes on, if it is still there."""
    runner = owner_process(client, job.job_id(), index)
    runner.suspend()
    try:
        assert state(client, job, index) == "STARTED", "the shard ended before its process could be stopped"
        yield runner
    finally:
        if not is_dead(runner):
            runner.resume()


def publish_again(backend: FleetBackend, job: FleetJob, *indices: int) -> None:
    """Put messages on the queue that are there already, or were."""
    backend.provider._connection.publish(job.job_id(), indices)


def drop_message(client: redis.Redis) -> str:
    """Take the next message off the queue, as a worker does that dies before it knows what it has; its text."""
    message = until(lambda: client.rpop(f"{keys.PREFIX}{keys.QUEUE}"), "a message is on the queue")
    assert isinstance(message, bytes)
    return message.decode()


def record(client: redis.Redis, job: FleetJob, index: int = 0) -> bytes | None:
    """Celery's record of a shard."""
    found = client.get(keys.celery_meta(task_id(job.job_id(), index)))
    assert found is None or isinstance(found, bytes)
    return found


def nothing_left(client: redis.Redis) -> bool:
    """Whether no job is active, no message on the queue, and none in a list of unacknowledged ones."""
    return not client.exists(f"{keys.PREFIX}{keys.QUEUE}", keys.ACTIVE, f"{keys.PREFIX}unacked")
