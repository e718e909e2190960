# SPDX-License-Identifier: Apache-2.0
"""The tier of a shard is the least one that holds what the shard needs."""

from __future__ import annotations

import pytest

from qfleet.wire.cost.tiers import LOWEST_TIER_BYTES, TIERS, floor_of, tier_of


@pytest.mark.parametrize("tier", range(TIERS - 1))
def test_a_tier_ends_at_twice_the_bytes_of_the_one_before(tier: int) -> None:
    most = LOWEST_TIER_BYTES * 2**tier
    assert (tier_of(most), tier_of(most + 1)) == (tier, tier + 1)
    assert floor_of(tier + 1) == most


@pytest.mark.parametrize(("need", "tier"), [(0, 0), (1, 0), (LOWEST_TIER_BYTES * 2 ** (TIERS + 3), TIERS - 1)])
def test_needs_beyond_all_tiers_are_in_the_nearest(need: int, tier: int) -> None:
    assert tier_of(need) == tier
    assert floor_of(0) == 0
