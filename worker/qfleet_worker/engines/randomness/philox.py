# SPDX-License-Identifier: Apache-2.0
"""Random words that are found by their number.

Philox 4x64-10: J. K. Salmon, M. A. Moraes, R. O. Dror, D. E. Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC11.
The words are those of numpy's generator of that name.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

#: Words of a block.
WORDS: Final = 4
_ROUNDS: Final = 10
_FACTORS: Final = (np.uint64(0xD2E7470EE14C6C93), np.uint64(0xCA5A826395121157))
_WEYL: Final = (0x9E3779B97F4A7C15, 0xBB67AE8584CAA73B)
_HALF, _LOW_HALF = np.uint64(32), np.uint64((1 << 32) - 1)

_Words = NDArray[np.uint64]


def blocks(key: tuple[int, int], counters: tuple[_Words, _Words]) -> _Words:
    """Return a block of random words for each counter.

    Args:
        key: two words.
        counters: the two lower words of each counter; the others are 0. They have the same shape.

    Returns:
        uint64, shape (*counters, 4).
    """
    first, second = counters
    third, fourth = np.zeros_like(first), np.zeros_like(first)
    for turn in range(_ROUNDS):
        keys = [np.uint64((word + turn * step) & 0xFFFFFFFFFFFFFFFF) for word, step in zip(key, _WEYL, strict=True)]
        high, other_high = _high(first, _FACTORS[0]), _high(third, _FACTORS[1])
        first, second, third, fourth = (
            other_high ^ second ^ keys[0],
            third * _FACTORS[1],
            high ^ fourth ^ keys[1],
            first * _FACTORS[0],
        )
    return np.stack([first, second, third, fourth], axis=-1)


def _high(words: _Words, factor: np.uint64) -> _Words:
    """Return the upper halves of products of 128 bits."""
    high, low = words >> _HALF, words & _LOW_HALF
    factor_high, factor_low = factor >> _HALF, factor & _LOW_HALF
    middle = high * factor_low + (low * factor_low >> _HALF)
    other = low * factor_high + (middle & _LOW_HALF)
    upper: _Words = high * factor_high + (middle >> _HALF) + (other >> _HALF)
    return upper
