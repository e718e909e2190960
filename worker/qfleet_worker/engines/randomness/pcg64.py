# SPDX-License-Identifier: Apache-2.0
"""Single numbers of a PCG64 stream, without those between them.

A step of PCG64 is ``state * MULTIPLIER + increment`` modulo 2^128, so that n steps are ``state * a[n] + b[n] *
increment`` with constants: M. E. O'Neill, "PCG: A Family of Simple Fast Space-Efficient Statistically Good Algorithms
for Random Number Generation", HMC-CS-2014-0905, section 4.3.1. Here n is a number of whole blocks and of steps in one.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

#: Of numpy's PCG64.
MULTIPLIER = 0x2360ED051FC65DA44385DF649FCCF645
#: Steps of a block, and blocks at most.
BLOCK = 1 << 9
BLOCKS = 1 << 13
#: Places of a stream that can be read.
REACH = BLOCK * BLOCKS - 1

_Words = NDArray[np.uint64]
_HALF, _LOW_HALF = np.uint64(32), np.uint64((1 << 32) - 1)


class _Wide(NamedTuple):
    """Unsigned numbers of 128 bits."""

    high: _Words
    low: _Words

    def at(self, places: NDArray[np.int64] | slice) -> _Wide:
        return _Wide(self.high[places], self.low[places])

    def plus(self, other: _Wide) -> _Wide:
        low = self.low + other.low
        return _Wide(self.high + other.high + (low < self.low), low)

    def times(self, other: _Wide) -> _Wide:
        a, b = self.low, other.low
        a_high, a_low, b_high, b_low = a >> _HALF, a & _LOW_HALF, b >> _HALF, b & _LOW_HALF
        middle = a_high * b_low + (a_low * b_low >> _HALF)
        other_middle = a_low * b_high + (middle & _LOW_HALF)
        carried = a_high * b_high + (middle >> _HALF) + (other_middle >> _HALF)
        return _Wide(carried + self.high * b + a * other.high, a * b)


def _wide(numbers: list[int]) -> _Wide:
    words = np.frombuffer(b"".join([number.to_bytes(16, "little") for number in numbers]), "<u8").reshape(-1, 2)
    return _Wide(np.ascontiguousarray(words[:, 1]), np.ascontiguousarray(words[:, 0]))


@cache
def _constants(step: int, count: int) -> tuple[_Wide, _Wide]:
    """Return the constants a and b of multiples of `step`.

    They belong to 0, `step`, ``2 * step``, ... steps of the generator: a is the factor of the state, b that of the
    increment.
    """
    mask = (1 << 128) - 1
    one_a, one_b = 1, 0
    for _ in range(step):
        one_a, one_b = one_a * MULTIPLIER & mask, (one_b * MULTIPLIER + 1) & mask
    a, b = [1], [0]
    for _ in range(count - 1):
        a.append(a[-1] * one_a & mask)
        b.append((b[-1] * one_a + one_b) & mask)
    return _wide(a), _wide(b)


def numbers_at(stream: np.random.PCG64, places: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return ``Generator(stream).random(...)[places]``.

    The stream stays where it is.

    Args:
        stream: numpy's generator.
        places: int64, below `REACH`, in ascending order; at least one.
    """
    whole = stream.state["state"]
    state, increment = _wide([whole["state"]]), _wide([whole["inc"]])
    # A state is stepped before it gives a number.
    blocks, within = np.divmod(places + 1, BLOCK)
    used = slice(int(blocks[-1]) + 1)
    a, b = _constants(BLOCK, BLOCKS)
    starts = a.at(used).times(state).plus(b.at(used).times(increment))
    a, b = _constants(1, BLOCK)
    drawn = a.at(within).times(starts.at(blocks)).plus(b.times(increment).at(within))
    # The output function XSL-RR, then 53 bits as a fraction, as numpy takes them.
    turn, word = drawn.high >> np.uint64(58), drawn.high ^ drawn.low
    turned: _Words = np.bitwise_or(word >> turn, word << (np.uint64(64) - turn & np.uint64(63)))
    return (turned >> np.uint64(11)).astype(np.float64) * 2.0**-53
