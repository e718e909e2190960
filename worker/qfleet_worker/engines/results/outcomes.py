# SPDX-License-Identifier: Apache-2.0
"""Counts of outcomes, and each shot's outcome.

While shots are collected, only the bytes of a row that something was written to are kept: a program may have millions
of clbits and measure a few.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from qfleet_worker.engines.bits import places as places_of

#: Outcomes below this are counted in an array with a place for each.
MOST_COUNTED: Final = 1 << 14
#: Bytes of rows that are kept before equal ones are merged.
MERGE_BYTES: Final = 8 * 1024 * 1024
#: Bytes that each row takes beside its own, in counts and while rows are merged.
_BESIDE: Final = 24


class Tally:
    """A collection of outcomes, equal ones once.

    Args:
        num_clbits: the clbits of an outcome.
        shots: how many there will be, to keep each shot's outcome; ``None`` keeps the counts only.
        merge_bytes: bytes of rows that are kept before equal ones are merged.
    """

    def __init__(self, num_clbits: int, shots: int | None, merge_bytes: int = MERGE_BYTES) -> None:
        self._merge_bytes = merge_bytes
        self.width = -(-num_clbits // 8)
        #: the bytes that are kept, in ascending order, and the column of each
        self._bytes: list[int] = []
        self._columns: dict[int, int] = {}
        #: uint8, each of shape (outcomes, bytes kept)
        self._rows: list[NDArray[np.uint8]] = []
        self._counts: list[NDArray[np.int64]] = []
        self._held = 0
        #: rows that are kept before the next merging: more where many are distinct, so that they are merged rarely
        self._most = 0
        #: whether the rows held are in order, and each is there once
        self._ascending = False
        #: each shot's row in the rows held, once it is known
        self._places = None if shots is None else np.zeros(shots if num_clbits else 0, np.uint32)

    def add_same(self, clbits: int, shots: NDArray[np.int64]) -> None:
        """Add shots that all have the same outcome.

        `clbits` has a bit for each clbit.
        """
        self._append(self._row(places_of(clbits)), np.array([len(shots)]), shots, np.zeros(1, np.int64))

    def add(
        self, clbits: int, shots: NDArray[np.int64], found: NDArray[np.int64], readout: list[tuple[int, int]]
    ) -> None:
        """Add shots that differ in their final measurement alone.

        Args:
            clbits: the outcome without the final measurement, a number with one bit for each clbit.
            shots: the numbers of the shots, shape (shots,).
            found: the final measurement's value in each shot, shape (shots,).
            readout: pairs of a bit of `found` and the clbit that it is written to.
        """
        mask = 0
        for bit, _ in readout:
            mask |= 1 << bit
        if mask < MOST_COUNTED:
            # Few enough outcomes to count each without sorting.
            every = np.bincount(found & mask)
            distinct = np.flatnonzero(every)
            counts = every[distinct]
            places = shots[:0] if self._places is None else (np.cumsum(every > 0) - 1)[found & mask]
        else:
            distinct, places, counts = np.unique(found & mask, return_inverse=True, return_counts=True)
        self._keep([clbit >> 3 for _, clbit in readout])
        rows = np.repeat(self._row(places_of(clbits)), len(distinct), axis=0)
        ascending = True
        last = -1
        for bit, clbit in sorted(readout):
            rows[:, self._columns[clbit >> 3]] |= ((distinct >> bit & 1) << (clbit & 7)).astype(np.uint8)
            ascending &= clbit > last
            last = clbit
        self._append(rows, counts, shots, places)
        self._ascending = ascending and len(self._rows) == 1

    def columns(self, clbits: Iterable[int]) -> dict[int, int]:
        """Return the columns of rows for `add_rows`, by byte of clbits.

        These clbits may be written from now on.
        """
        self._keep([clbit >> 3 for clbit in clbits])
        return self._columns

    def add_rows(self, rows: NDArray[np.uint8], shots: NDArray[np.int64]) -> None:
        """Add shots with a row of clbits each.

        Args:
            rows: shape (shots, columns).
            shots: the numbers of the shots, shape (shots,).
        """
        keys, width = _keys(rows), rows.shape[1]
        if width <= 2:
            # Few enough outcomes to count each without sorting.
            numbers = keys.astype(np.int64)
            every = np.bincount(numbers)
            counts = every[every > 0]
            distinct = np.flatnonzero(every).astype("<u8").view(np.uint8).reshape(-1, 8)[:, :width]
            places = shots[:0] if self._places is None else (np.cumsum(every > 0) - 1)[numbers]
        elif width <= 8 and self._places is None:
            values, counts = np.unique(keys, return_counts=True)
            distinct, places = values.view(np.uint8).reshape(-1, 8)[:, :width], shots[:0]
        else:
            _, first, places, counts = np.unique(keys, return_index=True, return_inverse=True, return_counts=True)
            distinct = rows[first]
        self._append(distinct, counts, shots, places)

    def result(self) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.uint32] | None]:
        """Return the outcomes, their counts, and each shot's outcome.

        The outcomes are distinct and in ascending order; a shot's outcome is the index of its row.
        """
        if not self.width:
            return np.zeros((0, 0), np.uint8), np.zeros(0, np.int64), self._places
        self._merge()
        (rows,), (counts,) = self._rows, self._counts
        if rows.shape[1] < self.width:
            whole = np.zeros((len(rows), self.width), np.uint8)
            whole[:, self._bytes] = rows
            rows = whole
        return rows, counts, self._places

    def _keep(self, places: list[int]) -> None:
        """Keep these bytes of rows from now on.

        So far they are 0.
        """
        if self._columns.keys() >= set(places):
            return
        before = self._bytes
        self._bytes = sorted({*before, *places})
        self._columns = {place: column for column, place in enumerate(self._bytes)}
        for at, rows in enumerate(self._rows):
            self._rows[at] = np.zeros((len(rows), len(self._bytes)), np.uint8)
            self._rows[at][:, [self._columns[place] for place in before]] = rows

    def _row(self, ones: Sequence[int]) -> NDArray[np.uint8]:
        """Return the row where these clbits are 1, shape (1, columns)."""
        self._keep([clbit >> 3 for clbit in ones])
        row = np.zeros((1, len(self._bytes)), np.uint8)
        for clbit in ones:
            row[0, self._columns[clbit >> 3]] |= 1 << (clbit & 7)
        return row

    def _append(
        self,
        rows: NDArray[np.uint8],
        counts: NDArray[np.int64],
        shots: NDArray[np.int64],
        places: NDArray[np.int64],
    ) -> None:
        if not self.width:
            return
        if self._places is not None:
            self._places[shots] = places + self._held
        self._ascending = False
        self._rows.append(rows)
        self._counts.append(counts)
        self._held += len(rows)
        if self._held > max(self._most, self._merge_bytes // (rows.shape[1] + _BESIDE)):
            self._merge()
            self._most = 2 * self._held

    def _merge(self) -> None:
        if self._ascending:
            return
        rows = np.concatenate(self._rows)
        _, first, place = np.unique(_keys(rows), return_index=True, return_inverse=True)
        counts = np.zeros(len(first), np.int64)
        np.add.at(counts, place, np.concatenate(self._counts))
        self._rows, self._counts, self._held = [rows[first]], [counts], len(first)
        if self._places is not None:
            self._places = place.astype(np.uint32)[self._places]


def _keys(rows: NDArray[np.uint8]) -> NDArray[np.generic]:
    """Return one sortable key for each row.

    The last byte of a row is the most significant.
    """
    width = rows.shape[1]
    if width <= 8:
        padded = np.zeros((len(rows), 8), np.uint8)
        padded[:, :width] = rows
        return padded.view("<u8")[:, 0]
    # Byte strings compare like numbers with the highest byte first; what numpy strips from their end are equal zeros.
    return np.ascontiguousarray(rows[:, ::-1]).view(f"S{width}")[:, 0]
