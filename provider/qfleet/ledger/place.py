# SPDX-License-Identifier: Apache-2.0
"""The place of a job among those that wait."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

_FIELDS_OF_TIER: Final = 5


class WaitingTier(NamedTuple):
    """The shards of a job that belong to one tier."""

    #: shards that no worker has chosen
    left: int
    #: bytes that each of them needs, on the faster engine and on the slower one
    need: int
    slow: int
    #: predicted core seconds of one of them
    seconds: float
    #: predicted core seconds of the longest of all that the tier had
    longest: float


class Place(NamedTuple):
    """The place of a job among all that waits."""

    #: jobs of the same tenant that come before it
    jobs: int
    #: other tenants with shards that wait
    tenants: int
    #: the part of the fleet that its tenant gets while all of them have shards that wait
    share: float
    #: core seconds that other tenants get before its tenant gets any
    others_first: float
    #: predicted core seconds of the shards of its tenant that come before its last one
    before: float
    #: shards that run in the whole fleet, and the most core seconds predicted of one of them
    running: int
    longest: float
    tiers: tuple[WaitingTier, ...]

    @property
    def left(self) -> int:
        """Return the number of the job's shards that no worker has chosen."""
        return sum(tier.left for tier in self.tiers)


def place_of(answer: Sequence[bytes]) -> Place | None:
    """Return the place of a job.

    Args:
        answer: the answer of the script ``place``.

    Returns:
        ``None`` for a job that is held, comes from a client of version 0.1, or isn't there.
    """
    if not answer:
        return None
    numbers = [float(text) for text in answer]
    (jobs, tenants, share, others_first, before, running, longest), rest = numbers[:7], numbers[7:]
    rows = [rest[at : at + _FIELDS_OF_TIER] for at in range(0, len(rest), _FIELDS_OF_TIER)]
    tiers = tuple([WaitingTier(int(left), int(need), int(slow), *seconds) for left, need, slow, *seconds in rows])
    return Place(int(jobs), int(tenants), share, others_first, before, int(running), longest, tiers)
