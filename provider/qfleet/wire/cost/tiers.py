# SPDX-License-Identifier: Apache-2.0
"""Tiers: ranges of memory, by which a job's shards are ordered.

A worker waits only for shards of the tiers that may fit into the memory it has free.
"""

from __future__ import annotations

from typing import Final, NamedTuple

#: Shards that need at most this are in tier 0; each further tier ends at twice the bytes of the one before it.
LOWEST_TIER_BYTES: Final = 128 * 2**20
TIERS: Final = 12


class Tier(NamedTuple):
    """The shards of a job that belong to one tier."""

    number: int
    #: the tier's shards are those from the first up to the end, without the end
    first: int
    end: int
    #: bytes that each of them may need, on the faster engine and on the slower one
    need: int
    slow: int
    #: predicted core seconds of one of them
    seconds: float
    #: qubits of their widest circuit, for the user
    num_qubits: int = 0
    #: predicted core seconds of the longest of them; less than those of one if that isn't known
    longest: float = 0.0


def tier_of(need_bytes: int) -> int:
    """Return the number of the tier of a shard.

    Args:
        need_bytes: bytes that the shard needs on the faster engine.
    """
    tier = (max(need_bytes, 1) - 1) // LOWEST_TIER_BYTES
    return min(tier.bit_length(), TIERS - 1)


def floor_of(tier: int) -> int:
    """Return the bytes that every shard of a tier needs more than."""
    return LOWEST_TIER_BYTES << (tier - 1) if tier else 0
