# SPDX-License-Identifier: Apache-2.0
"""The ledger as a worker sees it: take a shard, read its programs, store its result, hand it back, show presence."""

from __future__ import annotations

import logging
import math
import os
import re
import time
import uuid
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import psutil
import redis
from redis.backoff import ExponentialWithJitterBackoff
from redis.exceptions import OutOfMemoryError, ResponseError
from redis.retry import Retry
from redis.sentinel import Sentinel

from qfleet.wire.limits import MAX_RECORD_BYTES
from qfleet.wire.lua import Scripts, plain_script
from qfleet.wire.messages.presence import STALE_SECONDS, Presence
from qfleet.wire.redis import keys
from qfleet.wire.redis.broker import Broker
from qfleet.wire.redis.keys import ShardField
from qfleet.wire.redis.states import ShardState, shard_of, task_id

#: Seconds between two looks for lost shards.
RECONCILE_SECONDS: Final = 5.0
#: Damaged entries that are remembered, so that each is logged once.
_MAX_SKIPPED: Final = 1000
#: How long the record of a worker stays that took no leave.
FORGOTTEN_SECONDS: Final = 86_400.0
#: How long a result waits for room in a Redis that is full, and how often it is tried meanwhile.
ROOM_SECONDS: Final = 60.0
_ROOM_LOOK_SECONDS: Final = 1.0
#: See `qfleet.wire.redis.keys.ShardField.OWNER`.
_OWNER: Final = re.compile(rb"(.*)/([0-9]{1,9})/\w+", re.DOTALL)

logger = logging.getLogger(__name__)


class Sighting(msgspec.Struct, frozen=True):
    """Of a `Presence`, which may be another version's: when it was renewed, and where its worker runs."""

    seen: float
    machine: str = ""


_decoder = msgspec.json.Decoder(Sighting)


@dataclass(frozen=True, slots=True)
class Taken:
    """A shard that this process may run."""

    job_id: str
    index: int
    #: names this attempt; only its holder may store the result
    owner: str
    #: 1 for the first
    attempt: int
    #: the blob of a `qfleet.wire.messages.work.ShardWork`
    work: bytes
    #: why the attempt before ended, if it is known
    cause: str = ""


class Store:
    """The ledger in one Redis, for the processes of one worker."""

    def __init__(
        self, client: redis.Redis, worker: str, *, machine: str = "", room_seconds: float = ROOM_SECONDS
    ) -> None:
        """Look at the ledger as one worker.

        Args:
            worker: the name under which it shows its presence.
            machine: where its process ids mean something: `qfleet.wire.messages.machine.machine_id`.
            room_seconds: how long a result waits for room in a Redis that is full.
        """
        self._redis: Any = client
        self._worker = worker
        self._machine = machine
        self._skipped: set[bytes] = set()
        self._room_seconds = room_seconds
        self._scripts = Scripts(client)
        self._show = self._redis.register_script(plain_script("show"))

    def take(self, job_id: str, index: int) -> Taken | None:
        """Take a shard to run it; ``None`` if it is over or cancelled, somebody runs it, or its job is gone."""
        owner = f"{self._worker}/{os.getpid()}/{uuid.uuid4().hex[:8]}"
        answer = self._scripts.call("take", job_id, "STARTED", index, owner, "")
        if len(answer) == 2 and self._is_dead(*answer):
            answer = self._scripts.call("take", job_id, "STARTED", index, owner, answer[0])
        if len(answer) < 3:
            return None
        attempt, work, cause = answer
        return Taken(job_id, index, owner, attempt, work, cause.decode())

    def _is_dead(self, owner: bytes, machine: bytes) -> bool:
        """Tell whether an owner's process ran on this machine, and has ended."""
        _, process = _worker_and_process(owner)
        is_here = bool(machine) and machine == self._machine.encode()
        return is_here and process is not None and not psutil.pid_exists(process)

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
            result: the blob of a `qfleet.wire.messages.result.ShardResult`; empty if there is none.
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
        worker, process = _worker_and_process(owner)
        return process if worker == self._worker.encode() else None

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

    def excuse(self, job_id: str, index: int) -> None:
        """Note that this worker was told to stop while it runs a shard: if it is killed now, that is no attempt."""
        self._scripts.call("excuse", job_id, "STARTED", index, self._worker)

    def lost(self, patience_seconds: float) -> list[tuple[str, int]]:
        """Return the shards that have lost their message or their process: (job, index), to be published again.

        A shard must have looked lost for some time. A job whose records are damaged is skipped, and logged once.
        Empty, too, if another worker looked just now.
        """
        if not self._redis.set(keys.RECONCILER, self._worker, nx=True, px=int(RECONCILE_SECONDS * 900)):
            return []
        self._forget_workers()
        found: list[tuple[str, int]] = []
        last_taken = b"0"
        for raw in self._redis.zrevrange(keys.ACTIVE, 0, -1):
            job_id = raw.decode("ascii", "replace")
            if shard_of(task_id(job_id, 0)) is None:
                self._skip(raw, "it is not the id of a job")
                continue
            try:
                began, *lost = self._scripts.call("reconcile", job_id, "PENDING", patience_seconds, last_taken)
            except ResponseError as exc:
                if type(exc) is not ResponseError:  # such as a Redis that is full, or no longer the master
                    raise
                self._skip(raw, exc)
                continue
            last_taken = max(last_taken, began, key=float)
            found += [(job_id, index) for index in lost]
        return found

    def _skip(self, job_id: bytes, why: object) -> None:
        if job_id not in self._skipped and len(self._skipped) < _MAX_SKIPPED:
            self._skipped.add(job_id)
            logger.warning("skipped %.100r in %s when looking for lost shards: %s", job_id, keys.ACTIVE, why)

    def show(self, presence: Presence) -> None:
        """Renew this worker's presence, by the clock of Redis."""
        said = msgspec.to_builtins(presence)
        del said["seen"]
        self._show(keys=[keys.WORKERS], args=[presence.name, msgspec.json.encode(said)[:-1] + b',"seen":'])

    def leave(self) -> None:
        """Take this worker's presence away."""
        self._redis.hdel(keys.WORKERS, self._worker)

    def _forget_workers(self) -> None:
        """Drop the records of workers that are long gone without leave, and what no worker wrote."""
        now, sightings = self._sightings()
        gone = [
            name for name, sighting in sightings.items() if not -STALE_SECONDS < now - sighting.seen < FORGOTTEN_SECONDS
        ]
        if gone:
            self._redis.hdel(keys.WORKERS, *gone)

    def is_up_on(self, machine: str) -> bool:
        """Tell whether a worker of a machine has renewed its presence lately."""
        now, sightings = self._sightings()
        return any(
            sighting.machine == machine and abs(now - sighting.seen) < STALE_SECONDS for sighting in sightings.values()
        )

    def _sightings(self) -> tuple[float, dict[bytes, Sighting]]:
        """Return the time by the clock of Redis, and each known worker's sighting.

        A damaged record gives a sighting of long ago.
        """
        seconds, _ = self._redis.time()
        return seconds, {name: _sighting(blob) for name, blob in self._redis.hgetall(keys.WORKERS).items()}


def _worker_and_process(owner: bytes) -> tuple[bytes, int | None]:
    """Return whom an owner's name names; no process if a worker didn't write it."""
    found = _OWNER.fullmatch(owner)
    return (found[1], int(found[2])) if found else (b"", None)


def _sighting(presence: bytes) -> Sighting:
    try:
        if len(presence) <= MAX_RECORD_BYTES:
            return _decoder.decode(presence)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        pass
    return Sighting(seen=-math.inf)


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
