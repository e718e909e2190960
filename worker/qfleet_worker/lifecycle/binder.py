# SPDX-License-Identifier: Apache-2.0
"""Late binding: a shard is chosen when a process can run it.

The worker waits for tokens only of the tiers of which a shard may fit into the memory that is free. A token names no
shard: the script ``pick`` chooses one then, fairly, of all that wait in the fleet.
"""

from __future__ import annotations

import base64
import logging
from collections import defaultdict
from collections.abc import Callable, Iterable
from time import monotonic
from typing import Any, Final, Protocol

from redis.exceptions import RedisError

from qfleet.wire.cost.tiers import LOWEST_TIER_BYTES, TIERS, floor_of
from qfleet.wire.messages.presence import SLOWER_ENGINE
from qfleet.wire.redis import keys
from qfleet.wire.redis.states import shard_of, task_id
from qfleet_worker.lifecycle.held import held_requests, is_stopping
from qfleet_worker.messages import MessageError, named_shard, shard_message
from qfleet_worker.picked import Later, Picked, Question, read_choice
from qfleet_worker.store import Store

logger = logging.getLogger(__name__)

#: Seconds for which the worker doesn't ask again for what did not fit, unless memory comes free.
PAUSE_SECONDS: Final = 1.0
#: A token is waited for once in this many choices, though shards wait: messages of clients of version 0.1 may, too.
TOKEN_EVERY: Final = 8
#: Seconds for which the worker gives shards less memory after the machine has run out of it.
SHORT_SECONDS: Final = 600.0
#: Seconds after which the wake-up of a worker that is gone is deleted.
_WAKE_SECONDS: Final = 60
#: By this a shard counts less each time that another ends.
_FADING: Final = 0.9
_QUEUE: Final = f"{keys.PREFIX}{keys.QUEUE}"
_TIER_OF: Final = {keys.tokens(tier): tier for tier in range(TIERS)}


class Held(Protocol):
    """A shard that this worker holds; see `qfleet_worker.lifecycle.request`."""

    @property
    def grant(self) -> int:
        """Return the bytes of memory that the shard may use."""
        ...

    @property
    def tenant(self) -> str:
        """Return the tenant charged with the shard; empty if there is none."""
        ...

    @property
    def charged(self) -> float:
        """Return the core seconds that the tenant was charged with."""
        ...

    @property
    def seconds(self) -> float:
        """Return the seconds since the shard began; 0 if it did not."""
        ...

    @property
    def ran_short(self) -> bool:
        """Tell whether the machine ran out of memory while the shard ran."""
        ...


class LateBinder:
    """The choice of what runs next in a worker.

    Only the thread of the worker's loop uses it.

    Args:
        store: the ledger.
        worker: the worker's name.
        pool_bytes: the bytes of memory for all shards together.
        slots: how many shards may run at the same time.
        cores: the worker's cores.
        engine: a function that returns the name of the engine that runs circuits now.
        held: a function that returns the shards that the worker holds.
        stops: a function that tells whether the worker was told to stop.
    """

    def __init__(
        self,
        store: Store,
        worker: str,
        *,
        pool_bytes: int,
        slots: int,
        cores: int,
        engine: Callable[[], str],
        held: Callable[[], Iterable[Held]] = held_requests,
        stops: Callable[[], bool] = is_stopping,
    ) -> None:
        self._store = store
        self._wake = keys.wake(worker)
        self._pool_bytes = pool_bytes
        #: the bytes for all shards together until the time that follows, by the monotonic clock
        self._short_bytes = pool_bytes
        self._short_until = 0.0
        self._slots = slots
        self._cores = cores
        self._engine = engine
        self._held = held
        self._stops = stops
        #: the bytes of a shard that doesn't say what it needs
        self._share_bytes = pool_bytes // slots
        #: the bytes that every shard may use, whatever its client says
        self._least_grant = min(self._share_bytes, LOWEST_TIER_BYTES)
        #: the bytes that are left for all shards when memory has run out: small shards can always run
        small = min(LOWEST_TIER_BYTES * slots, pool_bytes // 2)
        self._least_bytes = max(small, min(LOWEST_TIER_BYTES, pool_bytes))
        #: for each tenant, the core seconds to charge it with at the next choice
        self._owed: defaultdict[str, float] = defaultdict(float)
        #: no shard of this tier or a higher one fits, until the time that follows, by the monotonic clock
        self._closed_tier = TIERS
        self._closed_until = 0.0
        #: the lists that the worker waits for; ``None`` if it doesn't wait
        self._awaited: frozenset[str] | None = None
        self._queue_first = False
        #: how many choices may follow before a token is waited for again
        self._without_token = 0
        self._draining = False
        #: seconds that shards took, and those predicted; the latest ones count most
        self._took = self._predicted = 0.0

    def pool_bytes(self) -> int:
        """Return the bytes of memory for all shards together now."""
        return self._short_bytes if monotonic() < self._short_until else self._pool_bytes

    def can_give_less(self) -> bool:
        """Tell whether shards may get less memory, should it run out."""
        return self.pool_bytes() > self._least_bytes

    def free_bytes(self) -> int:
        """Return the bytes of memory that no shard of this worker has."""
        return self.pool_bytes() - self._granted()

    def _granted(self) -> int:
        return sum(request.grant for request in self._held())

    def lists(self) -> list[str]:
        """Return the keys of the lists to wait for now.

        There are none while all processes are busy, or the worker is draining.
        """
        # By turns, so that neither tokens nor messages wait for the others to be gone.
        self._queue_first = not self._queue_first
        lists = self._lists()
        self._awaited = frozenset(lists) if lists else None
        return lists

    def _lists(self) -> list[str]:
        if self._draining or len(list(self._held())) >= self._slots:
            return []
        free = self.free_bytes()
        end = self._closed_tier if monotonic() < self._closed_until else TIERS
        lists = [keys.tokens(tier) for tier in range(end) if max(floor_of(tier) + 1, self._least_grant) <= free]
        if free >= self._share_bytes:
            lists.insert(0 if self._queue_first else len(lists), _QUEUE)
        return [*lists, self._wake]

    def question(self) -> Question | None:
        """Return the choice of a shard that needs no token.

        It is ``None`` if the worker shall wait for a token instead: no shard was left waiting by the last choice, or
        none could run here.
        """
        if not self._without_token or not self._lists():
            return None
        self._without_token -= 1
        owed, self._owed = self._owed, defaultdict(float)
        slow = self._engine() == SLOWER_ENGINE
        return self._store.question(self.free_bytes(), self.pool_bytes(), slow=slow, corrections=owed)

    def chosen(self, question: Question, answer: Any, *, stopped: bool = False) -> dict[str, Any] | None:
        """Return a Celery message for the shard that Redis chose.

        Args:
            question: the choice.
            answer: Redis's answer to its command, or Redis's error.
            stopped: whether nothing may run any more; then a shard that was chosen is released.

        Returns:
            ``None`` if no shard can run now.
        """
        if isinstance(answer, RedisError):
            logger.warning("could not choose a shard: %s", answer)
            self._without_token = 0
            return None
        found = read_choice(question.owner, answer)
        if isinstance(found, Picked) and (stopped or self._draining or self._stops()):
            self._release(found)
            return None
        return self._taken(found)

    def _release(self, picked: Picked) -> None:
        try:
            self._store.release(picked.job_id, picked.index, picked.owner)
        except RedisError as exc:
            logger.warning(
                "could not release shard %s of job %s; it will be missed: %s", picked.index, picked.job_id, exc
            )

    def bind(self, key: str, raw: bytes) -> dict[str, Any] | None:
        """Return a Celery message for the shard that runs next.

        Args:
            key: the key of a list.
            raw: the entry that was taken off it.

        Returns:
            ``None`` if no shard can run now.

        Raises:
            MessageError: the entry names no shard.
        """
        self._awaited = None
        if self._draining or self._stops():
            # It came after the last wait had begun; a shard that was chosen now might have to be handed back.
            self.put_back(key, raw)
            return None
        if key == self._wake:
            return None
        try:
            if key != _QUEUE:
                return self._choose(_TIER_OF[key])
            job_id, index = named_shard(raw)
            if self._store.is_named(job_id, index):
                return shard_message(job_id, index, "", 0, "", self._share_bytes, 0, "", tenant="", charged=0.0)
            return self._choose(None)
        except RedisError as exc:
            # A shard that was chosen nevertheless is found by the search for lost ones.
            logger.warning("could not choose a shard: %s", exc)
            self._close(0)
            return None

    def _choose(self, tier: int | None) -> dict[str, Any] | None:
        owed, self._owed = self._owed, defaultdict(float)
        slow = self._engine() == SLOWER_ENGINE
        self._without_token = TOKEN_EVERY - 1
        return self._taken(self._store.pick(tier, self.free_bytes(), self.pool_bytes(), slow=slow, corrections=owed))

    def _taken(self, found: Picked | Later | None) -> dict[str, Any] | None:
        if isinstance(found, Picked):
            self._without_token *= found.others_wait
            return self._message(found)
        self._without_token = 0
        if found is not None:
            self._close(found.tier)
        return None

    def _message(self, picked: Picked) -> dict[str, Any]:
        running = len(list(self._held()))
        if shard_of(task_id(picked.job_id, picked.index)) is None:
            raise MessageError(f"{picked.job_id!r} is not the id of a job")
        grant = max(picked.need, self._least_grant)
        given = (picked.owner, picked.attempt, picked.cause, grant, self._threads(picked.need, running))
        work = base64.b64encode(picked.work).decode()
        return shard_message(
            picked.job_id, picked.index, *given, work, picked.circuits, tenant=picked.tenant, charged=picked.seconds
        )

    def _threads(self, need: int, running: int) -> int:
        """Return the number of threads that a shard may use.

        It is the shard's part of the cores by memory, or more if few shards run.
        """
        if need > self._pool_bytes / 2:
            return self._cores
        return max(1, round(self._cores_of(need)), self._cores // (running + 1))

    def _cores_of(self, grant: int) -> float:
        """Return the cores that a shard keeps from others, by its memory."""
        return max(1.0, self._cores * grant / self._pool_bytes)

    def drain(self, draining: bool) -> None:
        """Take no more shards, or take some again."""
        if draining is not self._draining:
            logger.warning("takes %s shards", "no more" if draining else "new")
        self._draining = draining

    def report(self) -> dict[str, float]:
        """Return the worker's memory and the pace of its last shards."""
        pace = round(self._took / self._predicted, 3) if self._predicted else 0.0
        return {"memory_bytes": self.pool_bytes(), "pace": pace}

    def put_back(self, key: str, raw: bytes) -> None:
        """Put an entry back on its list."""
        if key == self._wake:
            return
        try:
            self._store.push(key, raw)
        except RedisError as exc:
            logger.warning("could not put an entry back on %s; it will be missed: %s", key, exc)

    def ended(self, shard: Held) -> None:
        """Count what a shard took, and listen for what fits now."""
        if shard.charged > 0 and shard.seconds > 0:
            self._took = _FADING * self._took + shard.seconds
            self._predicted = _FADING * self._predicted + shard.charged
        if shard.tenant:
            self._owed[shard.tenant] += shard.seconds * self._cores_of(shard.grant) - shard.charged
        self._closed_until = 0.0
        if shard.ran_short:
            self._give_less(shard.grant + self._granted())
        if self._awaited is None or self._awaited.issuperset(self._lists()):
            return
        self._awaited = None
        try:
            self._store.push(self._wake, expires=_WAKE_SECONDS)
        except RedisError as exc:
            logger.warning("could not end the wait for smaller shards early: %s", exc)

    def _give_less(self, granted: int) -> None:
        """Give shards at most half of the memory that ran out."""
        self._short_bytes = max(self._least_bytes, min(granted // 2, self.pool_bytes()))
        self._short_until = monotonic() + SHORT_SECONDS
        logger.warning(
            "the machine ran out of memory when shards had %.2f GiB: they get no more than %.2f GiB for %.0f s",
            granted / 2**30,
            self._short_bytes / 2**30,
            SHORT_SECONDS,
        )

    def _close(self, tier: int) -> None:
        self._closed_tier = tier
        self._closed_until = monotonic() + PAUSE_SECONDS
