# SPDX-License-Identifier: Apache-2.0
"""The ledger as a worker sees it: take a shard, read its programs, store its result, show presence."""

from __future__ import annotations

import os
import socket
import uuid
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import redis
from redis.backoff import ExponentialWithJitterBackoff
from redis.exceptions import OutOfMemoryError
from redis.retry import Retry
from redis.sentinel import Sentinel

from qfleet.wire import keys
from qfleet.wire.broker import Broker
from qfleet.wire.lua import script
from qfleet.wire.presence import Presence
from qfleet.wire.state import celery_meta_head, script_arguments

_decoder = msgspec.json.Decoder(Presence)


@dataclass(frozen=True, slots=True)
class Taken:
    """A shard that this process may run."""

    job_id: str
    index: int
    #: names this attempt; only its holder may store the result
    owner: str
    #: 1 for the first
    attempt: int
    #: the blob of a `qfleet.wire.shard.ShardWork`
    work: bytes


class Store:
    """The ledger in one Redis."""

    def __init__(self, client: redis.Redis) -> None:
        self._redis: Any = client
        self._take = client.register_script(script("take"))
        self._finish = client.register_script(script("finish"))

    def take(self, job_id: str, index: int) -> Taken | None:
        """Take a shard to run it; ``None`` if it is over or cancelled, or its job is gone."""
        owner = f"{socket.gethostname()}/{os.getpid()}/{uuid.uuid4().hex[:8]}"
        answer = self._take(
            keys=list(keys.of_job(job_id)), args=[*script_arguments(job_id, celery_meta_head("STARTED")), index, owner]
        )
        if not answer:
            return None
        attempt, work = answer
        return Taken(job_id, index, owner, attempt, work or b"")

    def programs(self, job_id: str, names: list[str]) -> list[bytes | None]:
        """The blobs of some of a job's programs; ``None`` for one that isn't there."""
        blobs: list[bytes | None] = self._redis.hmget(keys.programs(job_id), names)
        return blobs

    def finish(self, taken: Taken, result: bytes, *, whole: int, blocks: list[tuple[int, int]], error: str) -> bool:
        """Store a shard's result, and mark it SUCCESS, or FAILURE if there is an error.

        Args:
            result: the blob of a `qfleet.wire.shard.ShardResult`; empty if there is none.
            whole: how many circuits ran with all their shots.
            blocks: (circuit, number of its blocks) for each block of shots that ran.
            error: what went wrong, for the user; empty on success.

        Returns False, and stores nothing, if the shard was cancelled, is over, or was taken by another process.
        A result for which Redis has no memory left is an error of the shard.
        """
        try:
            return self._finish_with(taken, result, whole, blocks, error)
        except OutOfMemoryError:
            error = f"Redis is out of memory: it has no room for a result of {len(result) / 2**20:.1f} MiB"
            return self._finish_with(taken, b"", 0, [], error)

    def _finish_with(self, taken: Taken, result: bytes, whole: int, blocks: list[tuple[int, int]], error: str) -> bool:
        head = (
            celery_meta_head("FAILURE", ("qfleet.errors.JobFailedError", error))
            if error
            else celery_meta_head("SUCCESS")
        )
        arguments: list[Any] = [*script_arguments(taken.job_id, head), taken.index, taken.owner]
        arguments += ["FAILURE" if error else "SUCCESS", result, error, whole]
        arguments += [number for block in blocks for number in block]
        return bool(self._finish(keys=list(keys.of_job(taken.job_id)), args=arguments))

    def show(self, presence: Presence) -> None:
        """Renew this worker's presence, by the clock of Redis."""
        seconds, microseconds = self._redis.time()
        seen = msgspec.structs.replace(presence, seen=seconds + microseconds * 1e-6)
        self._redis.hset(keys.WORKERS, presence.name, msgspec.json.encode(seen))

    def leave(self, name: str) -> None:
        """Take this worker's presence away."""
        self._redis.hdel(keys.WORKERS, name)

    def ages(self) -> dict[str, float]:
        """For each worker that is known, the seconds since it renewed its presence."""
        seconds, _ = self._redis.time()
        seen = {name.decode(): _decoder.decode(blob).seen for name, blob in self._redis.hgetall(keys.WORKERS).items()}
        return {name: seconds - when for name, when in seen.items()}


#: As many retries outlast an outage of some 20 seconds.
PATIENT: Final = 12


def connect(broker: Broker, *, retries: int = PATIENT) -> redis.Redis:
    """A client that outlasts a short outage: a shard's result is worth waiting for."""
    retry = Retry(ExponentialWithJitterBackoff(base=0.1, cap=5.0), retries)
    if broker.sentinels:
        sentinel: Any = Sentinel(broker.sentinels, retry=retry, **broker.client_options)  # type: ignore[no-untyped-call]
        client: redis.Redis = sentinel.master_for(broker.master_name)
        return client
    return redis.Redis(retry=retry, **broker.client_options)
