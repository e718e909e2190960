# SPDX-License-Identifier: Apache-2.0
"""The ledger as a worker sees it: take a shard, read its programs, store its result, hand it back, show presence."""

from __future__ import annotations

import logging
import math
import os
import socket
import time
import uuid
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import psutil
import redis
from redis.backoff import ExponentialWithJitterBackoff
from redis.exceptions import OutOfMemoryError
from redis.retry import Retry
from redis.sentinel import Sentinel

from qfleet.wire import keys
from qfleet.wire.broker import Broker
from qfleet.wire.keys import ShardField
from qfleet.wire.lua import Scripts, plain_script
from qfleet.wire.presence import Presence
from qfleet.wire.state import ShardState

#: Seconds between two looks for lost shards.
RECONCILE_SECONDS: Final = 5.0
#: How long the record of a worker stays that took no leave.
FORGOTTEN_SECONDS: Final = 86_400.0
#: How long a result waits for room in a Redis that is full, and how often it is tried meanwhile.
ROOM_SECONDS: Final = 60.0
_ROOM_LOOK_SECONDS: Final = 1.0

logger = logging.getLogger(__name__)


class _Seen(msgspec.Struct):
    """Of a `Presence`, which may be another version's, when it was renewed."""

    seen: float


_decoder = msgspec.json.Decoder(_Seen)


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
    #: why the attempt before ended, if it is known
    cause: str = ""


class Store:
    """The ledger in one Redis, for the processes of one worker."""

    def __init__(self, client: redis.Redis, worker: str, *, room_seconds: float = ROOM_SECONDS) -> None:
        """The ledger as one worker sees it.

        Args:
            worker: the name under which it shows its presence.
            room_seconds: how long a result waits for room in a Redis that is full.
        """
        self._redis: Any = client
        self._worker = worker
        self._room_seconds = room_seconds
        self._scripts = Scripts(client)
        self._show = self._redis.register_script(plain_script("show"))

    def take(self, job_id: str, index: int) -> Taken | None:
        """Take a shard to run it; ``None`` if it is over or cancelled, somebody runs it, or its job is gone."""
        owner = f"{self._worker}/{os.getpid()}/{uuid.uuid4().hex[:8]}"
        answer = self._scripts.call("take", job_id, "STARTED", index, owner, "")
        if len(answer) == 1 and _is_dead(answer[0].decode()):
            answer = self._scripts.call("take", job_id, "STARTED", index, owner, answer[0])
        if len(answer) < 2:
            return None
        attempt, work, cause = answer
        return Taken(job_id, index, owner, attempt, work or b"", cause.decode())

    def begin(self, taken: Taken, circuit: int) -> int | None:
        """Note which circuit is run next; how many processes died while they ran it.

        Returns ``None`` if the shard is no longer this owner's.
        """
        answer: int | None = self._scripts.call("begin", taken.job_id, "STARTED", taken.index, taken.owner, circuit)
        return answer

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
        A result for which a full Redis has no room waits for some; in the end that is an error of the shard.
        """
        deadline = time.monotonic() + self._room_seconds
        while True:
            try:
                return self._finish_with(taken, result, whole, blocks, error)
            except OutOfMemoryError:
                if time.monotonic() >= deadline:
                    break
            logger.warning("Redis has no room for the result of shard %s of job %s yet", taken.index, taken.job_id)
            time.sleep(_ROOM_LOOK_SECONDS)
        error = f"Redis is out of memory: it has no room for a result of {len(result) / 2**20:.1f} MiB"
        return self._finish_with(taken, b"", 0, [], error)

    def _finish_with(self, taken: Taken, result: bytes, whole: int, blocks: list[tuple[int, int]], error: str) -> bool:
        state: ShardState = "FAILURE" if error else "SUCCESS"
        answer = self._scripts.call(
            "finish",
            taken.job_id,
            state,
            *(taken.index, taken.owner, state, result, error, whole),
            *(number for block in blocks for number in block),
            error=("qfleet.errors.JobFailedError", error) if error else None,
        )
        return bool(answer)

    def runs(self, job_id: str, index: int) -> int | None:
        """The process of this worker that runs a shard, or ran it when it was cancelled; ``None`` if there is none."""
        fields = [ShardField.of(index, name) for name in (ShardField.STATE, ShardField.STOPPING, ShardField.OWNER)]
        state, stopping, owner = self._redis.hmget(keys.shards(job_id), fields)
        if owner is None or (state != b"STARTED" and not stopping):
            return None
        worker, pid, _ = owner.decode().rsplit("/", 2)
        return int(pid) if worker == self._worker else None

    def stopped(self, job_id: str, index: int, process: int | None, cause: str = "") -> None:
        """Tell that the process that ran a shard here is dead, and why, unless it was cancelled.

        `process`: its id; ``None`` if it died before it said so.
        """
        owner = f"{self._worker}/" if process is None else f"{self._worker}/{process}/"
        self._scripts.call("stopped", job_id, "PENDING", index, owner, cause)

    def fail(self, job_id: str, index: int, error: str) -> None:
        """Give a shard up that runs here."""
        failure = "qfleet.errors.JobFailedError", error
        self._scripts.call("fail", job_id, "FAILURE", index, self._worker, error, error=failure)

    def release(self, job_id: str, index: int) -> bool:
        """Hand a shard back that this worker has; ``False`` if it hasn't. Somebody has to publish it again."""
        return bool(self._scripts.call("release", job_id, "PENDING", index, self._worker))

    def lost(self, patience_seconds: float) -> list[tuple[str, int]]:
        """The shards that have lost their message or their process: (job, index), to be published again.

        A shard must have looked lost for some time. Empty, too, if another worker looked just now.
        """
        if not self._redis.set(keys.RECONCILER, self._worker, nx=True, px=int(RECONCILE_SECONDS * 900)):
            return []
        self._forget_workers()
        found: list[tuple[str, int]] = []
        later_taken = 0
        for raw in self._redis.zrevrange(keys.ACTIVE, 0, -1):
            job_id = raw.decode()
            taken, *lost = self._scripts.call("reconcile", job_id, "PENDING", patience_seconds, later_taken)
            later_taken |= taken
            found += [(job_id, index) for index in lost]
        return found

    def show(self, presence: Presence) -> None:
        """Renew this worker's presence, by the clock of Redis."""
        said = msgspec.to_builtins(presence)
        del said["seen"]
        self._show(keys=[keys.WORKERS], args=[presence.name, msgspec.json.encode(said)[:-1] + b',"seen":'])

    def leave(self) -> None:
        """Take this worker's presence away."""
        self._redis.hdel(keys.WORKERS, self._worker)

    def _forget_workers(self) -> None:
        """Drop the records of workers that took no leave and won't come back: machines have names of their own."""
        gone = [name for name, age in self._ages().items() if age > FORGOTTEN_SECONDS]
        if gone:
            self._redis.hdel(keys.WORKERS, *gone)

    def ages(self) -> dict[str, float]:
        """For each worker that is known, the seconds since it renewed its presence; infinite for a damaged record."""
        return {name.decode(): age for name, age in self._ages().items()}

    def _ages(self) -> dict[bytes, float]:
        seconds, _ = self._redis.time()
        return {name: seconds - _seen(blob) for name, blob in self._redis.hgetall(keys.WORKERS).items()}


def _seen(presence: bytes) -> float:
    """When a worker was last seen; long ago if its record can't be read."""
    try:
        return _decoder.decode(presence).seen
    except msgspec.MsgspecError:
        return -math.inf


def _is_dead(owner: str) -> bool:
    """Whether an owner's process ran on this machine, and is no more."""
    worker, pid, _ = owner.rsplit("/", 2)
    return worker.rpartition("@")[2] == socket.gethostname() and not psutil.pid_exists(int(pid))


#: As many retries outlast an outage of some two minutes.
PATIENT: Final = 30


def connect(broker: Broker, *, retries: int = PATIENT) -> redis.Redis:
    """A client that outlasts a short outage: a shard's result is worth waiting for."""
    retry = Retry(ExponentialWithJitterBackoff(base=0.1, cap=5.0), retries)
    if broker.sentinels:
        sentinel: Any = Sentinel(broker.sentinels, retry=retry, **broker.client_options)  # type: ignore[no-untyped-call]
        client: redis.Redis = sentinel.master_for(broker.master_name)
        return client
    return redis.Redis(retry=retry, **broker.client_options)
