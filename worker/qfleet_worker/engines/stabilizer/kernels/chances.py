# SPDX-License-Identifier: Apache-2.0
"""Random numbers of a block of shots, and distances between errors.

A block has 16 streams side by side. Their numbers depend on the seed and the block alone. Everything is computed by
integers and by sums, products and quotients of doubles, which no machine rounds otherwise; a logarithm of libm's may
differ in its last bit.
"""

from __future__ import annotations

from decimal import Decimal, localcontext
from functools import lru_cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from qfleet_worker.engines.machine_code.registry import inner_code
from qfleet_worker.engines.stabilizer.kernels.rows import WORDS, draw_row, leading_zeros

#: Places between errors at most: an error that is this far away doesn't happen.
FARTHEST: Final = 1 << 60
#: A smaller chance makes no difference: no error is as near as that.
_LEAST: Final = 1e-30
#: Digits that are exact enough to round the logarithms of a table.
_DIGITS: Final = 60
#: Intervals of a mantissa that have a logarithm in a table.
_INTERVALS: Final = 128


def _rounded(numbers: list[Decimal]) -> NDArray[np.float64]:
    return np.array([float(number) for number in numbers])


def _tables() -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Return numbers from which logarithms are computed.

    Returns:
        Reciprocals of numbers between 1 and 2, the logarithms of those numbers, and that of 2.
    """
    with localcontext(prec=_DIGITS):
        middles = [1 + (number + Decimal("0.5")) / _INTERVALS for number in range(_INTERVALS)]
        reciprocals = _rounded([1 / middle for middle in middles])
        logarithms = _rounded([-Decimal(reciprocal).ln() for reciprocal in reciprocals.tolist()])
        return reciprocals, logarithms, float(Decimal(2).ln())


_RECIPROCALS, _LOGARITHMS, _LOGARITHM_OF_2 = _tables()


@lru_cache(maxsize=1 << 12)
def places_per_log(chance: float) -> float:
    """Return the places before an error for each unit of a logarithm.

    It is negative, since logarithms of random numbers are.

    Args:
        chance: that of an error at a place, above 0.
    """
    if chance >= 1:
        return -0.0
    with localcontext(prec=_DIGITS):
        return float(1 / (1 - Decimal(max(chance, _LEAST))).ln())


@inner_code
def mixed(word: np.uint64) -> np.uint64:
    """Return a word whose bits depend on all bits of another."""
    word = (word ^ (word >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    word = (word ^ (word >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return word ^ (word >> np.uint64(31))


@inner_code
def start_streams(streams: NDArray[Any], seed: int, block: int) -> None:
    """Start the streams of a block: SplitMix64 fills their state.

    `streams` has their state, four rows; then a row of numbers that were drawn, and how many of them are used.
    """
    word = mixed(mixed(np.uint64(seed) ^ np.uint64(0x71F1C5F00D5EED01)) + np.uint64(block))
    for place in range(4 * WORDS):
        word += np.uint64(0x9E3779B97F4A7C15)
        streams[place] = mixed(word)
    streams[5 * WORDS] = WORDS


@inner_code
def next_word(streams: NDArray[Any]) -> Any:
    """Return the next random word of a block."""
    used: Any = np.int64(streams[5 * WORDS])
    if used == WORDS:
        draw_row(streams, streams, 4 * WORDS)
        used = 0
    streams[5 * WORDS] = used + 1
    return streams[4 * WORDS + used]


@inner_code
def logarithm(word: Any) -> Any:
    """Return the logarithm of a random number between 0 and 1.

    It is odd multiples of 2**-53: that of the highest 52 bits of `word`, times 2, and 1.
    """
    odd = (word >> np.uint64(11)) | np.uint64(1)
    zeros = leading_zeros(odd)
    whole = odd << np.uint64(zeros)
    interval = np.int64(whole >> np.uint64(56)) & (_INTERVALS - 1)
    # Between 1 and 2, exactly.
    mantissa = np.float64(whole >> np.uint64(11)) * 2.220446049250313e-16
    rest = mantissa * _RECIPROCALS[interval] - 1.0
    series = rest * (1 / 5 - rest * (1 / 6 - rest * (1 / 7)))
    series = rest * (1 / 2 - rest * (1 / 3 - rest * (1 / 4 - series)))
    return _LOGARITHMS[interval] + rest * (1.0 - series) - np.float64(zeros - 10) * _LOGARITHM_OF_2


@inner_code
def places_before_error(streams: NDArray[Any], per_log: float) -> int:
    """Return a random number of places without an error.

    Args:
        streams: those of the block.
        per_log: by `places_per_log`.
    """
    places = logarithm(next_word(streams)) * per_log
    return int(places) if places < FARTHEST else FARTHEST
