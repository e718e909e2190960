# SPDX-License-Identifier: Apache-2.0
"""Each shot's outcome in a row of its own.

Nothing is counted or sorted: the bits of each shot are wanted.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from qfleet_worker.engines.bits import places
from qfleet_worker.engines.results.readouts import by_bytes, moved

_NO_COUNTS: Final = np.zeros(0, np.int64)


class ShotRows:
    """A collection of the outcomes of all shots.

    Args:
        num_clbits: the clbits of an outcome.
        shots: how many there will be.
    """

    keeps_shots: Final = True

    def __init__(self, num_clbits: int, shots: int) -> None:
        self._rows = np.zeros((shots, -(-num_clbits // 8)), np.uint8)
        self._columns: dict[int, int] = {}

    def add_same(self, clbits: int, shots: NDArray[np.int64]) -> None:
        """See `Tally.add_same`."""
        if self._rows.shape[1]:
            where = _where(shots)
            for clbit in places(clbits):
                self._rows[where, clbit >> 3] |= np.uint8(1 << (clbit & 7))

    def add(
        self, clbits: int, shots: NDArray[np.int64], found: NDArray[np.int64], readout: list[tuple[int, int]]
    ) -> None:
        """See `Tally.add`."""
        self.add_same(clbits, shots)
        where = _where(shots)
        for byte, shift, bits in by_bytes(readout):
            self._rows[where, byte] |= moved(found, bits, shift)

    def columns(self, clbits: Iterable[int]) -> dict[int, int]:
        """See `Tally.columns`."""
        every = sorted({*self._columns, *[clbit >> 3 for clbit in clbits]})
        self._columns = {byte: column for column, byte in enumerate(every)}
        return self._columns

    def add_rows(self, rows: NDArray[np.uint8], shots: NDArray[np.int64]) -> None:
        """See `Tally.add_rows`."""
        where = _where(shots)
        if len(self._columns) == self._rows.shape[1]:
            self._rows[where] = rows
            return
        for byte, column in self._columns.items():
            self._rows[where, byte] = rows[:, column]

    def result(self) -> tuple[NDArray[np.uint8], NDArray[np.int64], None]:
        """Return each shot's outcome, and no counts."""
        return self._rows, _NO_COUNTS, None


def _where(shots: NDArray[np.int64]) -> NDArray[np.int64] | slice:
    """Return an index of shots: a slice if they follow each other."""
    if len(shots) and shots[-1] - shots[0] == len(shots) - 1 and (shots[1:] > shots[:-1]).all():
        return slice(int(shots[0]), int(shots[-1]) + 1)
    return shots
