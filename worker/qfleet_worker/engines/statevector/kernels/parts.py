# SPDX-License-Identifier: Apache-2.0
"""Work on parts of a state, in machine code.

In a part, some wires have given values. A part is given by a mask of wires that take all values, ``free``; the indices
of a part ascend. All other bits are 0, or those of ``fixed``. Arrays are of complex numbers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from qfleet_worker.engines.statevector.kernels.bits import spread
from qfleet_worker.engines.statevector.machine_code.registry import compiled_for


@compiled_for("{complex}[::1]", "int64", "int64")
def weights(state: NDArray[Any], free: int, wire: int) -> tuple[float, float]:
    """Return the sums of squares for both values of a wire.

    The first is over the indices where the bit `wire` is 0, the second over those where it is 1.
    """
    zero = one = 0.0
    index = 0
    while True:
        # Sums over 64 at a time, so that little precision is lost.
        a = b = 0.0
        for _ in range(64):
            value = state[index]
            a += np.float64(value.real) * value.real + np.float64(value.imag) * value.imag
            value = state[index | wire]
            b += np.float64(value.real) * value.real + np.float64(value.imag) * value.imag
            index = (index - free) & free
            if index == 0:
                break
        zero += a
        one += b
        if index == 0:
            return zero, one


@compiled_for("{complex}[::1]", "int64")
def norm_squared(state: NDArray[Any], free: int) -> float:
    """Return the sum of squares over a part."""
    run = 1
    while free & run:
        run <<= 1
    total = 0.0
    outer, index = free & -run, 0
    while True:
        # Several sums, which don't wait for each other.
        a = b = c = d = 0.0
        at = index
        while at + 3 < index + run:
            first, second, third, fourth = state[at], state[at + 1], state[at + 2], state[at + 3]
            a += np.float64(first.real) * first.real + np.float64(first.imag) * first.imag
            b += np.float64(second.real) * second.real + np.float64(second.imag) * second.imag
            c += np.float64(third.real) * third.real + np.float64(third.imag) * third.imag
            d += np.float64(fourth.real) * fourth.real + np.float64(fourth.imag) * fourth.imag
            at += 4
        while at < index + run:
            a += np.float64(state[at].real) * state[at].real + np.float64(state[at].imag) * state[at].imag
            at += 1
        total += (a + b) + (c + d)
        index = (index - outer) & outer
        if index == 0:
            return total


@compiled_for("{complex}[::1]", "int64", "int64", "float64")
def move(state: NDArray[Any], free: int, fixed: int, factor: float) -> None:
    """Set ``state[x] = factor * state[x | fixed]``."""
    index = 0
    while True:
        state[index] = state[index | fixed] * factor
        index = (index - free) & free
        if index == 0:
            return


@compiled_for("{complex}[::1]", "{complex}[::1]", "int64", "int64", "float64")
def gather(state: NDArray[Any], out: NDArray[Any], free: int, fixed: int, factor: float) -> None:
    """Write ``factor * state[x | fixed]`` to `out`, without gaps."""
    index = 0
    for at in range(len(out)):
        out[at] = state[index | fixed] * factor
        index = (index - free) & free


@compiled_for("{complex}[::1]", "{complex}[::1]", "int64")
def scatter(state: NDArray[Any], values: NDArray[Any], free: int) -> None:
    """Put back what `gather` took without ``fixed``."""
    index = 0
    for at in range(len(values)):
        state[index] = values[at]
        index = (index - free) & free


@compiled_for("{complex}[::1]", "int64", "int64", "int64")
def enter(state: NDArray[Any], free: int, wire: int, value: int) -> None:
    """Write both halves of a wire that has a value.

    So far there is only the half where its bit is 0.
    """
    index = 0
    while True:
        if value:
            state[index | wire] = state[index]
            state[index] = 0
        else:
            state[index | wire] = 0
        index = (index - free) & free
        if index == 0:
            return


@compiled_for("{complex}[::1]", "int64", "int64[::1]", "int64[::1]", "Array(complex128, 1, 'C', True)")
def spread_out(state: NDArray[Any], free: int, low: NDArray[Any], high: NDArray[Any], table: NDArray[Any]) -> None:
    """Write the products of a part of a state and a table.

    It sets ``state[x | high[i] | low[j]] = table[i * len(low) + j] * state[x]``.
    """
    index = 0
    while True:
        value = state[index]
        for i in range(len(high)):
            for j in range(len(low)):
                state[index | high[i] | low[j]] = value * table[i * len(low) + j]
        index = (index - free) & free
        if index == 0:
            return


@compiled_for("{complex}[::1]", "int64", "int64", "int64[::1]", "int64[::1]", "Array(complex128, 1, 'C', True)")
def multiply(
    state: NDArray[Any], free: int, fixed: int, low: NDArray[Any], high: NDArray[Any], table: NDArray[Any]
) -> None:
    """Multiply a part of a state by a table.

    It does ``state[x | fixed | high[i] | low[j]] *= table[i * len(low) + j]``.
    """
    index = 0
    while True:
        for i in range(len(high)):
            for j in range(len(low)):
                state[index | fixed | high[i] | low[j]] *= table[i * len(low) + j]
        index = (index - free) & free
        if index == 0:
            return


@compiled_for("int64", "int64", "int64", "int64[::1]")
def places(free: int, fixed: int, begin: int, out: NDArray[Any]) -> None:
    """Write the indices of a part from the one numbered `begin` on."""
    index = spread(begin, free)
    for at in range(len(out)):
        out[at] = index | fixed
        index = (index - free) & free
