# SPDX-License-Identifier: Apache-2.0
"""Distinct outcomes among those of shots."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from qfleet_worker.engines.machine_code.registry import compiled_for, inner_code

_FACTOR: Final = np.uint64(0x9E3779B97F4A7C15)


@inner_code
def _hash(rows: NDArray[Any], row: int) -> np.uint64:
    """Return a number that equal rows have in common."""
    number = _FACTOR
    for word in range(rows.shape[1]):
        number = (number ^ rows[row, word]) * _FACTOR
        number ^= number >> np.uint64(29)
    return number * _FACTOR >> np.uint64(20)


@inner_code
def _are_equal(rows: NDArray[Any], one: int, other: int) -> bool:
    """Tell whether two rows are equal."""
    differences = np.uint64(0)
    for word in range(rows.shape[1]):
        differences |= rows[one, word] ^ rows[other, word]
    return bool(differences == 0)


@compiled_for("uint64[:,::1]", "int32[::1]", "int32[::1]", "int64[::1]", "int32[::1]")
def find_distinct(
    rows: NDArray[Any], table: NDArray[Any], firsts: NDArray[Any], counts: NDArray[Any], places: NDArray[Any]
) -> int:
    """Find the distinct rows, and return their number.

    Args:
        rows: uint64, shape (rows, words).
        table: a power of two places, more than there are rows, all -1.
        firsts: takes the first row of each distinct one.
        counts: takes how often each is there.
        places: takes the number of each row among the distinct ones, unless it is empty.
    """
    found, mask = 0, np.uint64(len(table) - 1)
    for row in range(rows.shape[0]):
        at: Any = np.int64(_hash(rows, row) & mask)
        while table[at] >= 0 and not _are_equal(rows, int(firsts[table[at]]), row):
            at = (at + 1) & (len(table) - 1)
        if table[at] < 0:
            table[at] = found
            firsts[found], counts[found] = row, 0
            found += 1
        counts[table[at]] += 1
        if len(places):
            places[row] = table[at]
    return found
