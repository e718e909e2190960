# SPDX-License-Identifier: Apache-2.0
"""Bits of measured values, moved to the bytes of outcomes."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray


def by_bytes(readout: Iterable[tuple[int, int]]) -> list[tuple[int, int, int]]:
    """Return which bits of a value go to which byte.

    Args:
        readout: pairs of a bit of the value and the clbit that it is written to.

    Returns:
        A byte, by how much to shift to the right, and the bits of the value, for bits that stay together.
    """
    together: dict[tuple[int, int], int] = {}
    for bit, clbit in readout:
        place = clbit >> 3, bit - (clbit & 7)
        together[place] = together.get(place, 0) | 1 << bit
    return [(byte, shift, bits) for (byte, shift), bits in together.items()]


def moved(values: NDArray[np.int64], bits: int, shift: int) -> NDArray[np.uint8]:
    """Return some bits of values, shifted to the right (or left)."""
    chosen = values & bits
    return (chosen >> shift if shift >= 0 else chosen << -shift).astype(np.uint8)
