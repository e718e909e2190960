# SPDX-License-Identifier: Apache-2.0
"""The cumulative distribution of a state's basis states, in machine code.

It is worked on row by row.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from qfleet_worker.engines.machine_code.registry import compiled_for, inner_code
from qfleet_worker.engines.statevector.kernels.dots import SQUARED, square_row


@inner_code
def _square(floats: NDArray[Any], index: int) -> float:
    """Return the squared absolute value of an amplitude."""
    real, imaginary = np.float64(floats[2 * index]), np.float64(floats[2 * index + 1])
    return real * real + imaginary * imaginary


@compiled_for("{real}[::1]", "int64", "float64[::1]", "int64", "int64")
def sum_rows(floats: NDArray[Any], size: int, sums: NDArray[Any], begin: int, end: int) -> None:
    """Write the squared norms of the rows ``begin`` to ``end - 1``.

    Each row has `size` amplitudes.
    """
    for row in range(begin, end):
        if 2 * size >= SQUARED:
            sums[row] = square_row(floats, 2 * row * size, 2 * size)
        else:
            total = 0.0
            for index in range(row * size, (row + 1) * size):
                total += _square(floats, index)
            sums[row] = total


@inner_code
def _row_of(ends: NDArray[Any], row: int, point: float) -> int:
    """Return the row of a point, `row` or a later one."""
    last = len(ends) - 1
    near = min(row + 8, last)
    while row < near and ends[row] <= point:
        row += 1
    if ends[row] <= point:
        low, high = row, last
        while low < high:
            middle = (low + high) >> 1
            if ends[middle] > point:
                high = middle
            else:
                low = middle + 1
        row = low
    # Rounding may put a point behind the last row that has any probability.
    while row > 0 and ends[row] <= ends[row - 1]:
        row -= 1
    return row


@inner_code
def _accumulate(floats: NDArray[Any], first: int, sums: NDArray[Any]) -> None:
    """Write the cumulative distribution of a row from its first amplitude."""
    total = 0.0
    for column in range(len(sums)):
        total += _square(floats, first + column)
        sums[column] = total


@inner_code
def _column_of(sums: NDArray[Any], point: float) -> int:
    """Return the column at which a row's distribution passes a point."""
    # Vector instructions take less time than the branches of a binary search.
    column = 0
    for place in range(len(sums)):
        column += sums[place] <= point
    column = min(column, len(sums) - 1)
    # Rounding may put a point behind the last column that has any probability.
    while column > 0 and sums[column] <= sums[column - 1]:
        column -= 1
    return column


@compiled_for("{real}[::1]", "float64[::1]", "float64[::1]", "int64[::1]")
def find_sorted(floats: NDArray[Any], ends: NDArray[Any], points: NDArray[Any], found: NDArray[Any]) -> None:
    """Find where the cumulative distribution passes some points.

    Args:
        floats: the amplitudes' real and imaginary parts.
        ends: float64, shape (rows,): the cumulative distribution at the end of each row.
        points: float64: ascending, unless there is one row only.
        found: int64, as many: gets the index of each point's amplitude.
    """
    # Of amplitudes, a power of 2.
    size = len(floats) // (2 * len(ends))
    sums = np.empty(size)
    row = at = 0
    while at < len(points):
        row = _row_of(ends, row, points[at])
        _accumulate(floats, row * size, sums)
        start = ends[row - 1] if row else 0.0
        # The row fills the gap between its neighbours, so that the whole ascends.
        scale = sums[size - 1] / (ends[row] - start)
        while True:
            found[at] = row * size + _column_of(sums, (points[at] - start) * scale)
            at += 1
            if at == len(points) or points[at] >= ends[row]:
                break


@compiled_for("int64[::1]", "int64[::1]")
def count_equal(found: NDArray[Any], counts: NDArray[Any]) -> int:
    """Count equal neighbours, and return the number of distinct ones.

    Args:
        found: int64: ascending; its beginning gets the distinct numbers.
        counts: int64, as many: its beginning gets how often each is there.
    """
    distinct = -1
    last = -1
    for number in found:
        if number != last:
            distinct += 1
            found[distinct] = last = number
            counts[distinct] = 0
        counts[distinct] += 1
    return distinct + 1
