# SPDX-License-Identifier: Apache-2.0
"""Sampling of basis states.

The cumulative distribution is inverted in two levels: sums over rows of amplitudes are kept, and the amplitudes of a
row are summed up only when a shot falls into it. Marginal distributions are never formed: the bits of wires that
weren't measured are drawn along and ignored.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from qfleet.wire.program.matrices import ComplexArray

#: Amplitudes per row.
ROW = 1 << 10
#: Amplitudes whose probabilities are summed up at a time.
PART = 1 << 17


class Sampler:
    """A sampler of a statevector's basis states.

    Args:
        amplitudes: shape (2**wires,), kept as a view.
        row: amplitudes per row, a power of 2.
        part: amplitudes whose probabilities are summed up at a time.
    """

    #: it doesn't count shots
    counted_at_once: Final = 0

    def __init__(self, amplitudes: ComplexArray, row: int = ROW, part: int = PART) -> None:
        self._part = part
        self._rows = amplitudes.reshape(-1, min(row, len(amplitudes)))
        floats = self._rows.view(amplitudes.real.dtype)
        self._ends = np.cumsum(np.vecdot(floats, floats), dtype=np.float64)
        #: the squared norm of the state
        self.total = float(self._ends[-1])

    def find(self, numbers: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return indices into the amplitudes for numbers uniform in [0, 1).

        Each index has the probability of its amplitude. The indices have the shape (shots,), in the order of the
        numbers; a number's index doesn't depend on the others.
        """
        points = numbers * self.total
        if len(self._rows) == 1:
            return self._find(np.zeros(1, np.intp), points)
        # The sorted points of a row are neighbours, so that only some rows are in memory at a time.
        by_size = np.argsort(points)
        points = np.minimum(points[by_size], np.nextafter(self.total, 0))
        hit, first = np.unique(np.searchsorted(self._ends, points, side="right"), return_index=True)
        first = np.append(first, len(numbers))
        found = np.empty(len(numbers), np.int64)
        step = self._part // self._rows.shape[1]
        for at in range(0, len(hit), step):
            rows = hit[at : at + step]
            inside = slice(first[at], first[min(at + step, len(hit))])
            found[by_size[inside]] = self._find(rows, points[inside])
        return found

    def _find(self, rows: NDArray[np.intp], points: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return the index where the cumulative distribution passes each point.

        Each point lies in one of the rows.
        """
        part = self._rows[rows]
        sums = np.square(part.real, dtype=np.float64)
        sums += np.square(part.imag, dtype=np.float64)
        np.cumsum(sums, axis=1, out=sums)
        # Each row is scaled to fill the gap between its neighbours, so that the whole ascends.
        ends = self._ends[rows]
        starts = np.where(rows > 0, self._ends[rows - 1], 0.0)
        sums *= ((ends - starts) / sums[:, -1])[:, None]
        sums += starts[:, None]
        np.minimum(sums, ends[:, None], out=sums)
        # A point in the rounding error between its row's last sum and the row's end belongs to this row.
        lasts = np.nextafter(sums[:, -1], 0)
        points = np.minimum(points, lasts[np.searchsorted(ends[:-1], points, side="right")])
        row, column = np.divmod(np.searchsorted(sums.reshape(-1), points, side="right"), sums.shape[1])
        found: NDArray[np.int64] = rows[row] * sums.shape[1] + column
        return found
