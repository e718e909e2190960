# SPDX-License-Identifier: Apache-2.0
"""Counts of outcomes, and each shot's outcome.

While shots are collected, only the bytes of a row that something was written to are kept: a program may have millions
of clbits and measure a few.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from qfleet_worker.engines.bits import places as places_of
from qfleet_worker.engines.results.readouts import by_bytes, moved

#: Outcomes below this, or below the number of shots, are counted in an array with a place for each.
MOST_COUNTED: Final = 1 << 14
#: Places of an array to which counts are added, for each shot so far, at most.
_PLACES_OF_A_SHOT: Final = 2
#: Bytes of rows that are kept before equal ones are merged.
MERGE_BYTES: Final = 8 * 1024 * 1024
#: Bytes that each row takes beside its own, in counts and while rows are merged.
_BESIDE: Final = 24

#: Bytes of a row that is one number.
_KEY_BYTES: Final = 8
_NONE: Final = np.zeros(0, np.int64)


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
        #: shots in `add_counts`
        self._shots_counted = 0
        #: counts that were added to an array with a place for each value, and what else makes an outcome of a value
        self._added = _NONE
        self._added_to: tuple[int, list[tuple[int, int]]] = (0, [])

    def add_same(self, clbits: int, shots: NDArray[np.int64]) -> None:
        """Add shots that all have the same outcome.

        `clbits` has a bit for each clbit.
        """
        self._append(self._row(places_of(clbits)), np.array([len(shots)]), shots, np.zeros(1, np.int64))

    @property
    def keeps_shots(self) -> bool:
        """Tell whether each shot's outcome is kept."""
        return self._places is not None

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
        distinct, counts, places = _merged(found & _mask(readout), None, placed=self.keeps_shots)
        self._append_values(clbits, distinct, counts, shots, places, readout)

    def add_counts(
        self, clbits: int, found: NDArray[np.int64], counts: NDArray[np.int64], readout: list[tuple[int, int]]
    ) -> None:
        """Add counts of shots that differ in their final measurement alone.

        Args:
            clbits: as in `add`.
            found: the final measurement's values, distinct and in ascending order.
            counts: how many shots have each.
            readout: as in `add`.
        """
        mask = _mask(readout)
        self._shots_counted += int(counts.sum())
        if self._shots_counted >= MOST_COUNTED and mask < _PLACES_OF_A_SHOT * self._shots_counted:
            if self._added_to != (clbits, readout):
                self._append_added()
                self._added, self._added_to = np.zeros(mask + 1, np.int64), (clbits, readout)
            np.add.at(self._added, found & mask, counts)
            return
        values = found & mask
        if (values != found).any():
            values, counts, _ = _merged(values, counts, placed=False)
        self._append_values(clbits, values, counts, _NONE, _NONE, readout)

    def _append_added(self) -> None:
        """Append the outcomes that `add_counts` added to an array."""
        (clbits, readout), added = self._added_to, self._added
        self._added, self._added_to = _NONE, (0, [])
        distinct = np.flatnonzero(added)
        if len(distinct):
            self._append_values(clbits, distinct, added[distinct], _NONE, _NONE, readout)

    def _append_values(
        self,
        clbits: int,
        distinct: NDArray[np.int64],
        counts: NDArray[np.int64],
        shots: NDArray[np.int64],
        places: NDArray[np.integer],
        readout: list[tuple[int, int]],
    ) -> None:
        """Append outcomes, whose final measurements have distinct values in ascending order."""
        self._keep([clbit >> 3 for _, clbit in readout])
        rows = np.repeat(self._row(places_of(clbits)), len(distinct), axis=0)
        for byte, shift, bits in by_bytes(readout):
            rows[:, self._columns[byte]] |= moved(distinct, bits, shift)
        clbits_in_order = [clbit for _, clbit in sorted(readout)]
        ascending = all([one < other for one, other in pairwise(clbits_in_order)])
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
        distinct, counts, places = _merged_rows(rows, None, placed=self.keeps_shots)
        self._append(distinct, counts, shots, places)

    def add_distinct(
        self, rows: NDArray[np.uint8], counts: NDArray[np.int64], shots: NDArray[np.int64], places: NDArray[np.integer]
    ) -> None:
        """Add shots whose distinct rows are known.

        Args:
            rows: as in `add_rows`, each once.
            counts: how many shots have each.
            shots: the numbers of the shots, shape (shots,).
            places: the row of each shot, shape (shots,), if each shot's outcome is kept.
        """
        self._append(rows, counts, shots, places)

    def result(self) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.uint32] | None]:
        """Return the outcomes, their counts, and each shot's outcome.

        The outcomes are distinct and in ascending order; a shot's outcome is the index of its row.
        """
        if not self.width:
            return np.zeros((0, 0), np.uint8), np.zeros(0, np.int64), self._places
        self._append_added()
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
        places: NDArray[np.integer],
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
        rows, self._rows = np.concatenate(self._rows), []
        rows, counts, place = _merged_rows(rows, np.concatenate(self._counts), placed=self.keeps_shots)
        self._rows, self._counts, self._held, self._ascending = [rows], [counts], len(rows), True
        if self._places is not None:
            self._places = place.astype(np.uint32)[self._places]


def _mask(readout: list[tuple[int, int]]) -> int:
    """Return the mask of the bits that are read."""
    mask = 0
    for bit, _ in readout:
        mask |= 1 << bit
    return mask


def _merged(
    keys: NDArray[Any], counts: NDArray[np.int64] | None, *, placed: bool
) -> tuple[NDArray[Any], NDArray[np.int64], NDArray[np.integer]]:
    """Merge equal keys.

    Args:
        keys: numbers that aren't negative, shape (keys,).
        counts: of each; by default 1.
        placed: whether their places are wanted.

    Returns:
        The distinct keys in ascending order, their counts, and each key's place among them.
    """
    if len(keys) and int(keys.max()) < max(MOST_COUNTED, len(keys)):
        # Few enough to count each without sorting.
        numbers = keys.astype(np.int64, copy=False)
        if counts is None:
            every = np.bincount(numbers)
        else:
            every = np.zeros(int(keys.max()) + 1, np.int64)
            np.add.at(every, numbers, counts)
        distinct = np.flatnonzero(every)
        places = np.cumsum(every > 0, dtype=np.int32)[numbers] - 1 if placed else _NONE
        return distinct, every[distinct], places
    if counts is None and not placed:
        return *np.unique(keys, return_counts=True), _NONE
    order = np.argsort(keys)
    keys = keys[order]
    new = np.ones(len(keys), np.bool_)
    np.not_equal(keys[1:], keys[:-1], out=new[1:])
    firsts = np.flatnonzero(new)
    counts = np.diff(firsts, append=len(keys)) if counts is None else np.add.reduceat(counts[order], firsts)
    distinct = keys[firsts]
    places = _NONE
    if placed:
        places = np.empty(len(keys), np.int32)
        places[order] = np.cumsum(new, dtype=np.int32) - 1
    return distinct, counts, places


def _merged_rows(
    rows: NDArray[np.uint8], counts: NDArray[np.int64] | None, *, placed: bool
) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.integer]]:
    """Merge equal rows; see `_merged`."""
    width = rows.shape[1]
    if width <= _KEY_BYTES:
        distinct, counts, places = _merged(_keys(rows), counts, placed=placed)
        return _rows(distinct, width), counts, places
    heads = _keys(rows[:, width - _KEY_BYTES :])
    # Numbers are sorted in a tenth of the time that strings take, and mostly they decide.
    order = np.argsort(heads)
    heads = heads[order]
    same = np.flatnonzero(heads[1:] == heads[:-1])
    new = np.ones(len(rows), np.bool_)
    if len(same):
        tied = np.unique(np.concatenate([same, same + 1]))
        strings = _strings(rows[order[tied]])
        own = np.argsort(strings)
        order[tied] = order[tied][own]
        strings = strings[own]
        # Neighbours with different heads differ in their strings too.
        new[tied[1:]] = strings[1:] != strings[:-1]
    firsts = np.flatnonzero(new)
    counts = np.diff(firsts, append=len(rows)) if counts is None else np.add.reduceat(counts[order], firsts)
    places = _NONE
    if placed:
        places = np.empty(len(rows), np.int32)
        places[order] = np.cumsum(new, dtype=np.int32) - 1
    return np.take(rows, order[firsts], axis=0), counts, places


def _strings(rows: NDArray[np.uint8]) -> NDArray[np.bytes_]:
    """Return rows as strings, whose order is that of the rows."""
    # numpy strips equal zeros from their end.
    return np.ascontiguousarray(rows[:, ::-1]).view(f"S{rows.shape[1]}")[:, 0]


def _keys(rows: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Return one sortable key for each row of at most 8 bytes.

    The last byte of a row is the most significant.
    """
    padded = np.zeros((len(rows), _KEY_BYTES), np.uint8)
    padded[:, : rows.shape[1]] = rows
    return padded.view("<u8")[:, 0]


def _rows(keys: NDArray[Any], width: int) -> NDArray[np.uint8]:
    """Return the rows that have these keys, shape (keys, width)."""
    return keys.astype("<u8").view(np.uint8).reshape(-1, _KEY_BYTES)[:, :width]
