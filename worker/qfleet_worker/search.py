# SPDX-License-Identifier: Apache-2.0
"""The search for what went astray in the ledger.

Every few seconds one worker looks, for all of them. A look costs Redis the records of the workers, the ids of the
shards that run, and a bounded number of jobs. The shards and jobs that wait cost nothing.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta
from redis.exceptions import ResponseError

from qfleet.wire.limits import MAX_RECORD_BYTES
from qfleet.wire.lua import MOST_AT_ONCE, Scripts
from qfleet.wire.messages.presence import PERIOD_SECONDS, STALE_SECONDS, Holds
from qfleet.wire.redis import keys
from qfleet.wire.redis.fields import ShardField
from qfleet.wire.redis.states import shard_of, task_id
from qfleet_worker.unplaceable import Capacity, Unplaceable, refuse

logger = logging.getLogger(__name__)

#: Seconds between two looks, whichever workers make them.
LOOK_SECONDS: Final = 5.0
#: Seconds that a shard must look lost: longer than a worker takes to report that it holds the shard.
PATIENCE_SECONDS: Final = 4.0
#: Seconds after which another worker may look if this one died meanwhile.
LOCK_SECONDS: Final = 15.0
#: Seconds without an answer of Redis after which other workers may have been cut off as well.
_OUTAGE_SECONDS: Final = STALE_SECONDS - PERIOD_SECONDS
#: Seconds after which the record of a worker that vanished is deleted.
FORGOTTEN_SECONDS: Final = 86_400.0
#: Jobs whose place among those that wait is renewed in a look.
AGED_AT_ONCE: Final = 30
#: Cancelled jobs that are stopped in a look, if the client that cancelled them is gone.
_CANCELLED_AT_ONCE: Final = 10
#: Ids of shards that run, and owners of shards, that are read at once.
_READ_AT_ONCE: Final = 5000
_LOST_AT_ONCE: Final = 100
#: Seconds by which a worker's copy of Redis's clock may be behind.
_CLOCK_SECONDS: Final = 1.0
#: The most damaged entries that a worker remembers, to log each of them once.
_MAX_SKIPPED: Final = 1000


class Glimpse(msgspec.Struct, frozen=True):
    """The fields of a `qfleet.wire.messages.presence.Presence` that a look needs."""

    seen: float
    machine: str = ""
    memory_bytes: int = 0
    engine: Annotated[str, Meta(max_length=200)] = ""
    #: those that a worker of version 0.1 holds
    holds: Holds = ()
    draining: bool = False


_decoder = msgspec.json.Decoder(Glimpse)
_holds_decoder = msgspec.json.Decoder(Holds)


class _LockLostError(Exception):
    """Another worker looks by now."""


class Search:
    """The looks of one worker.

    Args:
        client: the Redis that holds the ledger.
        worker: the worker's name.
        unplaceable_seconds: seconds until a job fails that waits for a worker with enough memory; ``None``: for ever.
        patience_seconds: seconds that a shard must have looked lost.
        clock: a monotonic clock, in seconds.
    """

    def __init__(
        self,
        client: Any,
        worker: str,
        *,
        unplaceable_seconds: float | None = None,
        patience_seconds: float = PATIENCE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._redis = client
        self._worker = worker
        self._scripts = Scripts(client)
        self._patience = patience_seconds
        self._clock = clock
        #: when Redis answered last; before the first answer, no outage is known
        self._answered_at = math.inf
        #: until then, workers that are silent may still be about to show themselves after an outage
        self._trusts_silence_from = -math.inf
        #: whether this worker has left the last look to one that wasn't cut off
        self._has_passed = False
        self._unplaceable = Unplaceable(client, self._scripts, unplaceable_seconds)
        #: (id, owner) of each shard that looked lost, and when it first did, by the clock
        self._suspects: dict[tuple[str, str], float] = {}
        self._cursor = 0
        self._skipped: set[bytes] = set()

    def look(self) -> list[tuple[str, int]]:
        """Put right what went astray.

        Returns:
            The job and the index of each shard that the caller must publish by name; nothing if another worker looks.
        """
        is_mine = self._redis.set(keys.RECONCILER, self._worker, nx=True, px=int(LOCK_SECONDS * 1000))
        trusts_silence = self._trusts_silence()
        if not is_mine:
            return []
        self._has_passed = not (trusts_silence or self._has_passed)
        if self._has_passed:
            # One that wasn't cut off may look instead. If there is none, this one does the next time.
            self._redis.delete(keys.RECONCILER)
            return []
        try:
            workers = self._workers()
            if trusts_silence:
                self._put_back(workers)
            self._scripts.of_fleet("tokens")
            self._ring()
            self._finish_cancels()
            self._age()
            self._renew_lock()
            if trusts_silence:
                takers = [worker for worker in workers.values() if not worker.draining]
                self._unplaceable.look([Capacity(worker.memory_bytes, worker.engine) for worker in takers])
            named = self._lost_messages()
        except _LockLostError:
            return []
        # The others may look again when it's time.
        self._redis.pexpire(keys.RECONCILER, int(LOOK_SECONDS * 900))
        return named

    def _trusts_silence(self) -> bool:
        """Tell whether a silent worker is gone, now that Redis has answered.

        After an outage of Redis, the other workers were silent, too. They get time to connect again.
        """
        now = self._clock()
        if now - self._answered_at >= _OUTAGE_SECONDS:
            self._trusts_silence_from = now + STALE_SECONDS
            self._suspects.clear()
        self._answered_at = now
        return now >= self._trusts_silence_from

    def _renew_lock(self) -> None:
        if self._redis.get(keys.RECONCILER) != self._worker.encode():
            raise _LockLostError
        self._redis.pexpire(keys.RECONCILER, int(LOCK_SECONDS * 1000))

    def _workers(self) -> dict[str, Glimpse]:
        """Return the workers that are up, and delete old and invalid records."""
        with self._redis.pipeline(transaction=False) as pipe:
            pipe.time()
            pipe.hgetall(keys.WORKERS)
            pipe.hgetall(keys.HOLDS)
            (now, _), records, holds = pipe.execute()
        seen = {name: _with_holds(_glimpse(blob), holds.get(name)) for name, blob in records.items()}
        gone = [name for name, each in seen.items() if not -STALE_SECONDS < now - each.seen < FORGOTTEN_SECONDS]
        if gone:
            with self._redis.pipeline(transaction=False) as pipe:
                pipe.hdel(keys.WORKERS, *gone)
                pipe.hdel(keys.HOLDS, *gone)
                pipe.srem(keys.DRAINING, *gone)
                pipe.execute(raise_on_error=False)
        return {
            name.decode("ascii", "replace"): each for name, each in seen.items() if abs(now - each.seen) < STALE_SECONDS
        }

    def _put_back(self, workers: Mapping[str, Glimpse]) -> None:
        """Let the shards run again that no worker holds any more."""
        held = {each for worker in workers.values() for each in worker.holds}
        suspects: dict[tuple[str, str], float] = {}
        lost: dict[str, list[tuple[int, str]]] = {}
        now = self._clock()
        for job_id, index, started, owner in self._not_held(held):
            name = owner.rpartition("/")[0].rpartition("/")[0]
            worker = workers.get(name)
            if worker is not None and worker.seen <= started + _CLOCK_SECONDS:
                # It hasn't shown itself since it took the shard.
                continue
            key = task_id(job_id, index), owner
            since = self._suspects.get(key)
            if since is None or now - since < self._patience:
                suspects[key] = now if since is None else since
            else:
                lost.setdefault(job_id, []).append((index, owner))
        self._suspects = suspects
        for job_id, shards in lost.items():
            for start in range(0, len(shards), _LOST_AT_ONCE):
                self._renew_lock()
                some = shards[start : start + _LOST_AT_ONCE]
                put_back = self._call("lost", job_id, *(part for shard in some for part in shard))
                if put_back:
                    logger.warning("%s shards of job %s were lost; they wait again", put_back, job_id)

    def _not_held(self, held: set[str]) -> Iterator[tuple[str, int, float, str]]:
        """Yield the STARTED shards that no worker holds.

        Each comes as its job, its index, the time of its start, and its owner.
        """
        first = 0
        while True:
            found = self._redis.zrange(keys.STARTED, first, first + _READ_AT_ONCE - 1, withscores=True)
            jobs: dict[str, list[tuple[int, float]]] = {}
            for raw, started in found:
                name = raw.decode("ascii", "replace")
                shard = shard_of(name)
                if shard is None:
                    self._skip(raw, keys.STARTED, "it is not the id of a shard")
                elif name not in held:
                    jobs.setdefault(shard[0], []).append((shard[1], started))
            with self._redis.pipeline(transaction=False) as pipe:
                for job_id, shards in jobs.items():
                    pipe.hmget(keys.shards(job_id), [ShardField.of(index, ShardField.OWNER) for index, _ in shards])
                answers = pipe.execute(raise_on_error=False) if jobs else []
            for (job_id, shards), owners in zip(jobs.items(), answers, strict=True):
                if isinstance(owners, Exception):
                    self._skip(job_id.encode(), keys.STARTED, owners)
                    continue
                for (index, started), owner in zip(shards, owners, strict=True):
                    yield job_id, index, started, (owner or b"").decode(errors="replace")
            if len(found) < _READ_AT_ONCE:
                return
            first += _READ_AT_ONCE
            self._renew_lock()

    def _finish_cancels(self) -> None:
        """Finish the cancels of clients that died meanwhile."""
        for raw in self._redis.srandmember(keys.CANCELLING, _CANCELLED_AT_ONCE):
            job_id = raw.decode("ascii", "replace")
            first = 0
            while first >= 0:
                self._renew_lock()
                answer = self._call("cancel", job_id, first, MOST_AT_ONCE)
                first = answer[0] if answer else -1

    def _ring(self) -> None:
        """Call a worker if there are wishes in inboxes.

        A worker may have died that was rung for before.
        """
        if self._redis.scard(keys.INBOXES) and not self._redis.llen(keys.BELL):
            self._redis.lpush(keys.BELL, b"")

    def _age(self) -> None:
        """Renew the places of some waiting jobs, in turn."""
        some = self._redis.zrange(keys.UNFINISHED, self._cursor, self._cursor + AGED_AT_ONCE - 1)
        self._cursor = self._cursor + len(some) if len(some) == AGED_AT_ONCE else 0
        for raw in some:
            job_id = raw.decode("ascii", "replace")
            if shard_of(task_id(job_id, 0)) is None:
                self._skip(raw, keys.UNFINISHED, "it is not the id of a job")
            else:
                why = self._call("age", job_id)
                if why:
                    # Its client died before all its shards had failed.
                    refuse(self._scripts, job_id, why)

    def _lost_messages(self) -> list[tuple[str, int]]:
        """Return shards of jobs of version 0.1 whose messages were lost."""
        shards: list[tuple[str, int]] = []
        last_taken = b"0"
        for raw in self._redis.zrevrange(keys.ACTIVE, 0, -1):
            job_id = raw.decode("ascii", "replace")
            if shard_of(task_id(job_id, 0)) is None:
                self._skip(raw, keys.ACTIVE, "it is not the id of a job")
                continue
            self._renew_lock()
            answer = self._call("reconcile", job_id, self._patience, last_taken)
            if answer:
                began, *lost = answer
                last_taken = max(last_taken, began, key=float)
                shards += [(job_id, index) for index in lost]
        return shards

    def _call(self, name: Any, job_id: str, *own: object) -> Any:
        """Run a script on a job; a damaged job is logged once.

        Returns:
            What the script returns; ``None`` for a damaged job.
        """
        try:
            return self._scripts.call(name, job_id, *own)
        except ResponseError as exc:
            # Subclasses tell of Redis itself, such as a full one or one that is no longer the master.
            if type(exc) is not ResponseError:
                raise
            self._skip(job_id.encode(), f"{keys.PREFIX}job:", exc)
            return None

    def _skip(self, name: bytes, key: str, why: object) -> None:
        if name not in self._skipped and len(self._skipped) < _MAX_SKIPPED:
            self._skipped.add(name)
            logger.warning("skipped %.100r in %s when looking for lost shards: %s", name, key, why)


def _with_holds(worker: Glimpse, blob: bytes | None) -> Glimpse:
    """Return a worker's record with the shards that it holds."""
    try:
        return msgspec.structs.replace(worker, holds=_holds_decoder.decode(blob)) if blob else worker
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return worker


def _glimpse(presence: bytes) -> Glimpse:
    """Return a worker's record; an invalid one is of long ago."""
    try:
        if len(presence) <= MAX_RECORD_BYTES:
            return _decoder.decode(presence)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        pass
    return Glimpse(seen=-math.inf)
