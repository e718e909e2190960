# SPDX-License-Identifier: Apache-2.0
"""Jobs that need more memory than any worker has.

They wait, with the reason, until a worker comes that can hold them; or fail, if the fleet is told so.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

from qfleet.wire.cost.cost import MOST_STATE_BYTES
from qfleet.wire.cost.tiers import LOWEST_TIER_BYTES, TIERS
from qfleet.wire.lua import MOST_AT_ONCE, Scripts
from qfleet.wire.messages.presence import SLOWER_ENGINE
from qfleet.wire.redis import keys
from qfleet.wire.redis.fields import JobField, SchedField, TierField

logger = logging.getLogger(__name__)

#: Tenants of a tier, jobs of each, and jobs held so far, that a look reads at most; held jobs in turn.
_TENANTS: Final = 10
_JOBS: Final = 10
_HELD: Final = 100
#: The slower engine needs up to this many times the memory of the faster one.
_SLOWER: Final = 4


class Capacity(NamedTuple):
    """The memory of a worker."""

    memory_bytes: int
    #: the engine that runs circuits there
    engine: str


class _Need(NamedTuple):
    """The memory that the shards of a job's tier need."""

    #: bytes on the faster engine, and on the slower one
    need: int
    slow: int
    #: of the tier's widest circuit
    num_qubits: int

    def fits(self, workers: Sequence[Capacity]) -> bool:
        """Tell whether a worker can hold the shards."""
        return any(each.memory_bytes >= self._on(each) for each in workers)

    def _on(self, worker: Capacity) -> int:
        return self.slow if worker.engine == SLOWER_ENGINE else self.need

    def reason(self, workers: Sequence[Capacity]) -> str:
        """Return why no worker can hold the shards."""
        largest = max(workers, key=lambda each: each.memory_bytes)
        needed, has = self._on(largest), largest.memory_bytes / 2**30
        way = "start a worker with more memory" if needed <= MOST_STATE_BYTES else "no machine has enough"
        return (
            f"its {self.num_qubits} qubits need {needed / 2**30:.2f} GiB of memory, and the largest worker has "
            f"{has:.2f} GiB; {way}"
        )


class Unplaceable:
    """The jobs that no worker can hold.

    Args:
        client: the Redis that holds the ledger.
        scripts: the scripts there.
        seconds: seconds that a job waits for a worker before it fails; ``None`` for ever.
    """

    def __init__(self, client: Any, scripts: Scripts, seconds: float | None) -> None:
        self._redis = client
        self._scripts = scripts
        self._seconds = seconds
        #: the place among the held jobs where the next look goes on
        self._cursor = 0

    def look(self, workers: Sequence[Capacity]) -> None:
        """Hold jobs that no worker can run, and let others go."""
        if not workers:
            return
        for job_id in self._waiting(max(each.memory_bytes for each in workers)):
            unmet = self._unmet(job_id, workers)
            if unmet is not None:
                logger.warning("job %s waits: %s", job_id, unmet)
                self._scripts.call("hold", job_id, unmet)
        seconds, microseconds = self._redis.time()
        now = seconds + microseconds * 1e-6
        some = self._redis.zrange(keys.UNPLACEABLE, self._cursor, self._cursor + _HELD - 1, withscores=True)
        kept = 0
        for raw, since in some:
            job_id = raw.decode("ascii", "replace")
            unmet = self._unmet(job_id, workers)
            if unmet is None:
                # This takes it off the list.
                self._scripts.call("let_go", job_id, "")
                continue
            kept += 1
            if self._seconds is not None and now - since >= self._seconds:
                refuse(self._scripts, job_id, unmet)
        self._cursor = self._cursor + kept if len(some) == _HELD else 0

    def _waiting(self, largest: int) -> Iterator[str]:
        """Yield waiting jobs that may be too large for every worker."""
        sched = self._redis.hmget(keys.SCHED, [SchedField.waiting(tier) for tier in range(TIERS)])
        for tier, waiting in enumerate(sched):
            if int(waiting or 0) < 1 or (LOWEST_TIER_BYTES << tier) * _SLOWER <= largest:
                continue
            for tenant in self._redis.zrange(keys.ready(tier), 0, _TENANTS - 1):
                for job_id in self._redis.zrange(keys.ready(tier, tenant.decode("ascii", "replace")), 0, _JOBS - 1):
                    yield job_id.decode("ascii", "replace")

    def _needs(self, job_id: str) -> list[_Need]:
        """Return the tiers of a job with shards that nobody has chosen."""
        raw = self._redis.hget(keys.job(job_id), JobField.TIERS) or b""
        tiers = [int(each) for each in raw.split() if each.isdigit()][:TIERS]
        names = (TierField.NEED, TierField.SLOW, TierField.QUBITS, TierField.NEXT, TierField.END, TierField.AGAIN)
        found = []
        for tier in tiers:
            need, slow, qubits, at, end, again = self._redis.hmget(
                keys.job(job_id), [JobField.of_tier(tier, name) for name in names]
            )
            if int(end or 0) - int(at or 0) + int(again or 0) > 0:
                found.append(_Need(int(need or 0), int(slow or 0), int(qubits or 0)))
        return found

    def _unmet(self, job_id: str, workers: Sequence[Capacity]) -> str | None:
        """Return the reason why nothing of a job can run.

        Returns:
            ``None`` if some of it can run, or nothing is left.
        """
        needs = self._needs(job_id)
        if not needs or any(need.fits(workers) for need in needs):
            return None
        return needs[0].reason(workers)


def refuse(scripts: Scripts, job_id: str, why: str | bytes) -> None:
    """Let the waiting shards of a held job fail.

    Args:
        scripts: the scripts of the ledger.
        job_id: the job.
        why: the reason.
    """
    first = 0
    while first >= 0:
        first = scripts.call("refuse", job_id, first, MOST_AT_ONCE, why)
