# SPDX-License-Identifier: Apache-2.0
"""Work on parts of a state, in machine code.

In a part, some wires have given values. A part is given by a mask of wires that take all values, ``free``; the indices
of a part ascend. All other bits are 0, or those of ``fixed``. Arrays are of complex numbers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from qfleet_worker.engines.machine_code.registry import compiled_for, inner_code, machine_code
from qfleet_worker.engines.statevector.kernels.bits import spread


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


@machine_code
def _run_of(free: int) -> int:
    """Return the length of a part's contiguous runs."""
    run = 1
    while free & run:
        run <<= 1
    return run


@inner_code
def _sum_of_squares(state: NDArray[Any], begin: int, end: int) -> float:
    """Return the sum of squares of neighbours."""
    # Several sums, which don't wait for each other.
    a = b = c = d = 0.0
    at = begin
    while at + 3 < end:
        first, second, third, fourth = state[at], state[at + 1], state[at + 2], state[at + 3]
        a += np.float64(first.real) * first.real + np.float64(first.imag) * first.imag
        b += np.float64(second.real) * second.real + np.float64(second.imag) * second.imag
        c += np.float64(third.real) * third.real + np.float64(third.imag) * third.imag
        d += np.float64(fourth.real) * fourth.real + np.float64(fourth.imag) * fourth.imag
        at += 4
    while at < end:
        a += np.float64(state[at].real) * state[at].real + np.float64(state[at].imag) * state[at].imag
        at += 1
    return (a + b) + (c + d)


@compiled_for("{complex}[::1]", "int64")
def norm_squared(state: NDArray[Any], free: int) -> float:
    """Return the sum of squares over a part."""
    run = _run_of(free)
    total = 0.0
    outer, index = free & -run, 0
    while True:
        total += _sum_of_squares(state, index, index + run)
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


@compiled_for("{complex}[::1]", "int64", "int64", "int64[::1]", "{complex}[:, ::1]", "int64", "int64")
def multiply_matrix(
    state: NDArray[Any], free: int, fixed: int, at: NDArray[Any], matrix: NDArray[Any], begin: int, end: int
) -> None:
    """Multiply groups of amplitudes by a small matrix.

    A group has the amplitudes ``state[x | fixed | at[i]]`` for all i. The groups are those of the runs numbered `begin`
    to ``end - 1``: `_run_of` groups each.
    """
    run = _run_of(free)
    is_diagonal = True
    for i in range(len(at)):
        for j in range(len(at)):
            is_diagonal &= i == j or matrix[i, j] == 0
    if is_diagonal or len(at) == 2:
        outer = free & -run
        index = spread(begin, outer)
        for _ in range(begin, end):
            if is_diagonal:
                _scale_run(state, index | fixed, run, at, matrix)
            else:
                _multiply_run(state, index | fixed, run, at, matrix)
            index = (index - outer) & outer
    elif len(at) == 4:
        _multiply_four(state, free, fixed, at, matrix, begin * run, end * run)
    else:
        _multiply_several(state, free, fixed, at, matrix, begin * run, end * run)


@inner_code
def _scale_run(state: NDArray[Any], base: int, run: int, at: NDArray[Any], matrix: NDArray[Any]) -> None:
    """Multiply a run of groups by a diagonal matrix."""
    for i in range(len(at)):
        factor, first = matrix[i, i], base | at[i]
        if factor != 1:
            for place in range(first, first + run):
                state[place] *= factor


@inner_code
def _multiply_run(state: NDArray[Any], base: int, run: int, at: NDArray[Any], matrix: NDArray[Any]) -> None:
    """Multiply a run of groups of two."""
    a, b, c, d = matrix[0, 0], matrix[0, 1], matrix[1, 0], matrix[1, 1]
    low, high = base | at[0], base | at[1]
    for offset in range(run):
        x, y = state[low + offset], state[high + offset]
        state[low + offset] = a * x + b * y
        state[high + offset] = c * x + d * y


@inner_code
def _multiply_four(
    state: NDArray[Any], free: int, fixed: int, at: NDArray[Any], matrix: NDArray[Any], begin: int, end: int
) -> None:
    """Multiply groups of four."""
    first, second, third, fourth = fixed | at[0], fixed | at[1], fixed | at[2], fixed | at[3]
    a, b, c, d = matrix[0, 0], matrix[0, 1], matrix[0, 2], matrix[0, 3]
    e, f, g, h = matrix[1, 0], matrix[1, 1], matrix[1, 2], matrix[1, 3]
    i, j, k, l = matrix[2, 0], matrix[2, 1], matrix[2, 2], matrix[2, 3]  # noqa: E741 - in the order of the alphabet
    m, n, o, p = matrix[3, 0], matrix[3, 1], matrix[3, 2], matrix[3, 3]
    index = spread(begin, free)
    for _ in range(begin, end):
        w, x, y, z = state[index | first], state[index | second], state[index | third], state[index | fourth]
        state[index | first] = a * w + b * x + c * y + d * z
        state[index | second] = e * w + f * x + g * y + h * z
        state[index | third] = i * w + j * x + k * y + l * z
        state[index | fourth] = m * w + n * x + o * y + p * z
        index = (index - free) & free


@machine_code
def _multiply_several(
    state: NDArray[Any], free: int, fixed: int, at: NDArray[Any], matrix: NDArray[Any], begin: int, end: int
) -> None:
    """Multiply groups of any number."""
    side = len(at)
    before = np.empty(side, state.dtype)
    index = spread(begin, free)
    for _ in range(begin, end):
        for i in range(side):
            before[i] = state[index | fixed | at[i]]
        for i in range(side):
            total = matrix[i, 0] * before[0]
            for j in range(1, side):
                total += matrix[i, j] * before[j]
            state[index | fixed | at[i]] = total
        index = (index - free) & free


@compiled_for("{complex}[::1]", "int64", "int64[::1]", "float64[::1]")
def add_populations(state: NDArray[Any], free: int, at: NDArray[Any], sums: NDArray[Any]) -> None:
    """Add the squares of ``state[x | at[i]]`` to ``sums[i]``."""
    run = _run_of(free)
    outer, index = free & -run, 0
    while True:
        for i in range(len(at)):
            first = index | at[i]
            sums[i] += _sum_of_squares(state, first, first + run)
        index = (index - outer) & outer
        if index == 0:
            return


@compiled_for("{complex}[::1]", "int64", "int64[::1]", "complex128[:, ::1]")
def add_density(state: NDArray[Any], free: int, at: NDArray[Any], sums: NDArray[Any]) -> None:
    """Add ``state[x | at[i]] * conj(state[x | at[j]])`` to ``sums[i, j]``."""
    run = _run_of(free)
    outer, index = free & -run, 0
    while True:
        for i in range(len(at)):
            first = index | at[i]
            sums[i, i] += _sum_of_squares(state, first, first + run)
            for j in range(i):
                shift = (index | at[j]) - first
                real = imag = other_real = other_imag = 0.0
                for place in range(first, first + run):
                    a, b = np.complex128(state[place]), np.complex128(state[place + shift])
                    real += a.real * b.real
                    other_real += a.imag * b.imag
                    imag += a.imag * b.real
                    other_imag += a.real * b.imag
                sums[i, j] += complex(real + other_real, imag - other_imag)
                sums[j, i] += complex(real + other_real, other_imag - imag)
        index = (index - outer) & outer
        if index == 0:
            return


@compiled_for("int64", "int64", "int64", "int64[::1]")
def places(free: int, fixed: int, begin: int, out: NDArray[Any]) -> None:
    """Write the indices of a part from the one numbered `begin` on."""
    index = spread(begin, free)
    for at in range(len(out)):
        out[at] = index | fixed
        index = (index - free) & free
