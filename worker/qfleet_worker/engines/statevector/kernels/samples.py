# SPDX-License-Identifier: Apache-2.0
"""The cumulative distribution of a state's basis states, in machine code.

It is worked on row by row.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from qfleet_worker.engines.statevector.machine_code.registry import compiled_for, structure


@compiled_for("{real}[::1]", "int64", "float64[::1]", "int64", "int64")
def sum_rows(floats: NDArray[Any], size: int, sums: NDArray[Any], begin: int, end: int) -> None:
    """Write the squared norms of the rows ``begin`` to ``end - 1``.

    Each row has `size` floats.
    """
    for row in range(begin, end):
        # Four sums that don't wait for each other.
        a = b = c = d = 0.0
        for at in range(row * size, (row + 1) * size - 3, 4):
            a += np.float64(floats[at]) * floats[at]
            b += np.float64(floats[at + 1]) * floats[at + 1]
            c += np.float64(floats[at + 2]) * floats[at + 2]
            d += np.float64(floats[at + 3]) * floats[at + 3]
        if size < 4:
            a = np.float64(floats[0]) * floats[0] + np.float64(floats[1]) * floats[1]
        sums[row] = (a + b) + (c + d)


@compiled_for("float64[::1]", "float64[::1]", "int64[::1]", "int64", "int64")
def find_rows(points: NDArray[Any], ends: NDArray[Any], rows: NDArray[Any], begin: int, end: int) -> None:
    """Find the row that each of some points falls into.

    The points are those from ``begin`` to ``end - 1``. A point falls into the first row whose end lies beyond it.
    """
    for at in range(begin, end):
        low, high = 0, len(ends) - 1
        while low < high:
            middle = (low + high) >> 1
            if ends[middle] > points[at]:
                high = middle
            else:
                low = middle + 1
        # Rounding may put a point behind the last row that has any probability.
        while low > 0 and ends[low] <= ends[low - 1]:
            low -= 1
        rows[at] = low


@structure(numbers="float64[::1]", order="int64[::1]", firsts="int64[::1]")
class Sorted(NamedTuple):
    """Numbers to look for, sorted by the row that they lie in."""

    #: float64, shape (shots,): in [0, squared norm)
    numbers: NDArray[np.float64]
    #: int64, shape (shots,): the shots, row by row
    order: NDArray[np.int64]
    #: int64, shape (rows + 1,): where each row begins in `order`
    firsts: NDArray[np.int64]


@compiled_for("float64[::1]", "int64[::1]", "int64")
def sort_by_row(numbers: NDArray[Any], rows: NDArray[Any], num_rows: int) -> Sorted:
    """Sort numbers by their rows, of which there are `num_rows`."""
    firsts = np.zeros(num_rows + 1, np.int64)
    for row in rows:
        firsts[row + 1] += 1
    for row in range(num_rows):
        firsts[row + 1] += firsts[row]
    places = firsts[:-1].copy()
    order = np.empty(len(rows), np.int64)
    for at in range(len(rows)):
        order[places[rows[at]]] = at
        places[rows[at]] += 1
    return Sorted(numbers, order, firsts)


@compiled_for("{real}[::1]", "Sorted", "float64[::1]", "int64[::1]", "int64", "int64")
def find_in_rows(
    floats: NDArray[Any], wanted: Sorted, ends: NDArray[Any], indices: NDArray[Any], begin: int, end: int
) -> None:
    """Find where the cumulative distribution passes the numbers of some rows.

    Args:
        floats: the amplitudes' real and imaginary parts.
        wanted: the numbers.
        ends: float64, shape (rows,): the cumulative distribution at the end of each row.
        indices: int64, shape (shots,): gets the index of the amplitude of each shot.
        begin: the first row.
        end: the one after the last.
    """
    size = len(floats) // (2 * len(ends))
    points, order, firsts = wanted
    sums = np.empty(size)
    for row in range(begin, end):
        if firsts[row] == firsts[row + 1]:
            continue
        total = 0.0
        for column in range(size):
            at = 2 * (row * size + column)
            total += np.float64(floats[at]) * floats[at] + np.float64(floats[at + 1]) * floats[at + 1]
            sums[column] = total
        start = ends[row - 1] if row else 0.0
        # The row fills the gap between its neighbours, so that the whole ascends.
        scale = total / (ends[row] - start)
        for place in range(firsts[row], firsts[row + 1]):
            point = (points[order[place]] - start) * scale
            low, high = 0, size - 1
            while low < high:
                middle = (low + high) >> 1
                if sums[middle] > point:
                    high = middle
                else:
                    low = middle + 1
            while low > 0 and sums[low] <= sums[low - 1]:
                low -= 1
            indices[order[place]] = row * size + low
