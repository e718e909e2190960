# SPDX-License-Identifier: Apache-2.0
"""Masks of names, narrow and wide."""

from __future__ import annotations

import random

import pytest

from qfleet_worker.engines.bits import from_bits, mask_of, places, to_bits


@pytest.mark.parametrize("width", [1, 8, 64, 65, 1024, 5000])
def test_masks(width: int) -> None:
    rng = random.Random(width)
    names = set(rng.sample(range(width), rng.randrange(1, width + 1)))
    mask = sum(1 << name for name in names)
    assert mask_of(names, width) == mask
    assert places(mask) == tuple(sorted(names))
    assert from_bits(to_bits(mask, width)) == mask
    assert to_bits(mask, width + 5).tolist() == [int(at in names) for at in range(width + 5)]
    assert places(0) == ()
