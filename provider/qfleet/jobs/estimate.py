# SPDX-License-Identifier: Apache-2.0
"""The time until a job ends, estimated: an interval."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from qfleet.ledger.place import Place, WaitingTier
from qfleet.wire.lua import RESERVE_AFTER_SECONDS
from qfleet.wire.messages.presence import SLOWER_ENGINE, Presence

#: A shard may take this many times longer or shorter than was predicted, or than its worker's last shards did.
_ERROR: Final = 4.0
#: The same for a worker that has ended no shard yet: nobody knows how fast its machine is.
_UNMEASURED: Final = 8.0
#: The pace of a worker with the slower engine that has ended no shard yet.
_SLOWER: Final = 30.0
#: No worker writes such a pace.
_MOST_PACE: Final = 1e6
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
        ``None`` if no worker takes shards, none can hold some of the job, or nothing was predicted of it.
    """
    takers = [worker for worker in workers if not worker.draining and worker.concurrency > 0]
    if not takers or not all(tier.seconds > 0 for tier in place.tiers):
        return None
    slots = sum(worker.concurrency for worker in takers)
    is_large = False
    low = work = 0.0
    for tier in place.tiers:
        if not tier.left:
            continue
        holders = [worker for worker in takers if _slots(worker, tier)]
        if not holders:
            return None
        # At best the job has the whole fleet, with all its cores.
        low = max(low, tier.left * tier.seconds / sum(max(worker.cores, worker.concurrency) for worker in holders))
        work += tier.left * tier.seconds
        fitting = sum(_slots(worker, tier) for worker in holders)
        is_large = is_large or fitting < slots
        slots = min(slots, fitting)
    # At worst its tenant's other jobs come first, and then its last shard starts last.
    high = (work + place.before) / (slots * place.share) + place.others_first / slots
    high += max((tier.longest for tier in place.tiers), default=0.0)
    if place.left and (place.running >= slots or (is_large and place.running)):
        high += place.longest
    paces = [_paces(worker) for worker in takers]
    on_the_way = _ON_THE_WAY + (RESERVE_AFTER_SECONDS if is_large else 0.0)
    return Estimate(low * min(pace.low for pace in paces), high * max(pace.high for pace in paces) + on_the_way)


def _paces(worker: Presence) -> Estimate:
    """Return the least and the most seconds for each predicted one."""
    if not 0 < worker.pace < _MOST_PACE:
        # Slots without a core of their own take turns.
        crowd = max(1.0, worker.concurrency / worker.cores) if worker.cores > 0 else 1.0
        return Estimate(1 / _UNMEASURED, crowd * _UNMEASURED * (_SLOWER if worker.engine == SLOWER_ENGINE else 1.0))
    # Its last shards may have been of another kind.
    return Estimate(min(1.0, worker.pace) / _ERROR, max(1.0, worker.pace) * _ERROR)


def _slots(worker: Presence, tier: WaitingTier) -> int:
    """Return how many shards of a tier a worker runs at once."""
    need = tier.slow if worker.engine == SLOWER_ENGINE else tier.need
    return min(worker.concurrency, max(0, worker.memory_bytes) // need) if need > 0 else worker.concurrency
