# SPDX-License-Identifier: Apache-2.0
"""Masks: numbers that have a bit for each place."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

#: Bits from which on numpy takes a mask apart.
WIDE = 64
#: Bits of the longest masks whose places are remembered.
REMEMBERED = 1024


def mask_of(names: Iterable[int], width: int) -> int:
    """Return the mask with a bit set for each name.

    All names are below `width`.
    """
    if width <= WIDE:
        mask = 0
        for name in names:
            mask |= 1 << name
        return mask
    bits = np.zeros(width, np.bool_)
    bits[np.fromiter(names, np.int64)] = True
    return from_bits(bits)


def places(mask: int) -> tuple[int, ...]:
    """Return the places of the bits that are set."""
    return _remembered_places(mask) if mask.bit_length() <= REMEMBERED else _places(mask)


def _places(mask: int) -> tuple[int, ...]:
    return tuple(np.flatnonzero(to_bits(mask, mask.bit_length())).tolist())


_remembered_places = lru_cache(maxsize=1024)(_places)


def to_bits(number: int, width: int) -> NDArray[np.uint8]:
    """Return the lowest bits of a number, the lowest first; shape (width,)."""
    raw = number.to_bytes(-(-max(number.bit_length(), width) // 8), "little")
    return np.unpackbits(np.frombuffer(raw, np.uint8), bitorder="little")[:width]


def from_bits(bits: NDArray[np.bool_] | NDArray[np.uint8]) -> int:
    """Return the number with these bits, the lowest first."""
    return int.from_bytes(np.packbits(bits, bitorder="little").tobytes(), "little")
