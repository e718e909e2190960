# SPDX-License-Identifier: Apache-2.0
"""The time until a job ends, estimated: an interval."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from qfleet.ledger.place import Place, WaitingTier
from qfleet.wire.messages.presence import SLOWER_ENGINE, Presence

#: A shard may take this many times longer or shorter than predicted, beyond the pace of the workers.
_ERROR: Final = 4.0
#: The pace of a worker with the slower engine that has ended no shard yet.
_SLOWER: Final = 30.0
#: Seconds that a job may take beyond its simulation.
_ON_THE_WAY: Final = 1.0


class QueuePosition(NamedTuple):
    """The place of a job among those that wait."""

    #: jobs of the same tenant of which a part waits that comes before every part of this one; beyond 50, at least so
    #: many
    jobs: int
    #: other tenants with circuits that wait; they and this job's tenant take turns
    tenants: int


class Estimate(NamedTuple):
    """The seconds until a job ends, if no others come."""

    low: float
    high: float


def estimate(place: Place, workers: Sequence[Presence]) -> Estimate | None:
    """Return the time that a job takes from now on.

    Args:
        place: its place among all that waits.
        workers: the workers that are up.

    Returns:
        ``None`` if no worker takes shards, or none can hold some of the job.
    """
    takers = [worker for worker in workers if not worker.draining]
    if not takers:
        return None
    slots = sum(worker.concurrency for worker in takers)
    low = work = 0.0
    for tier in place.tiers:
        if not tier.left:
            continue
        holders = [worker for worker in takers if _slots(worker, tier)]
        if not holders:
            return None
        # At best the job has the whole fleet, with all its cores.
        low = max(low, tier.left * tier.seconds / sum(worker.cores or worker.concurrency for worker in holders))
        work += tier.left * tier.seconds
        slots = min(slots, sum(_slots(worker, tier) for worker in holders))
    # At worst its tenant's other jobs come first, and then its last shard starts last.
    high = (work + place.before) / (slots * place.share) + place.others_first / slots
    high += max((tier.seconds for tier in place.tiers), default=0.0)
    if place.left and place.running >= slots:
        high += place.longest
    paces = [_pace(worker) for worker in takers]
    return Estimate(low * min(1.0, *paces) / _ERROR, high * max(1.0, *paces) * _ERROR + _ON_THE_WAY)


def _pace(worker: Presence) -> float:
    """Return a shard's seconds on a worker, by those predicted."""
    return worker.pace or (_SLOWER if worker.engine == SLOWER_ENGINE else 1.0)


def _slots(worker: Presence, tier: WaitingTier) -> int:
    """Return how many shards of a tier a worker runs at once."""
    need = tier.slow if worker.engine == SLOWER_ENGINE else tier.need
    return min(worker.concurrency, worker.memory_bytes // need) if need > 0 else worker.concurrency
