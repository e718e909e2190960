# SPDX-License-Identifier: Apache-2.0
"""Basis states that shots find.

As in `qfleet_worker.engines.numpy.sampling`, the cumulative distribution is inverted in two levels. Shots are sorted by
the row of amplitudes that they fall into, and a row is summed up only if a shot falls into it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qfleet_worker.engines.gates.matrices import ComplexArray
from qfleet_worker.engines.statevector.kernels.samples import find_in_rows, find_rows, sort_by_row, sum_rows
from qfleet_worker.engines.statevector.runtime.threads import ThreadTeam

#: Amplitudes per row.
ROW = 1 << 10


class Sampler:
    """A sampler of a statevector's basis states."""

    def __init__(self, amplitudes: ComplexArray, team: ThreadTeam) -> None:
        """Take amplitudes, and threads that share the work.

        Args:
            amplitudes: shape (2**wires,), kept as a view.
            team: the threads.
        """
        self._team = team
        self._floats = amplitudes.view(amplitudes.real.dtype)
        self._row = min(ROW, len(amplitudes))
        sums = np.empty(len(amplitudes) // self._row)
        team.share(len(sums), lambda begin, end: sum_rows(self._floats, 2 * self._row, sums, begin, end))
        self._ends = np.cumsum(sums)
        #: the squared norm of the state
        self.total = float(self._ends[-1])

    def find(self, numbers: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return indices into the amplitudes for numbers uniform in [0, 1).

        Each index has the probability of its amplitude. The indices have the shape (shots,), in the order of the
        numbers; a number's index doesn't depend on the others.
        """
        points = numbers * self.total
        rows = np.empty(len(points), np.int64)
        indices = np.empty(len(points), np.int64)
        self._team.share(len(points), lambda begin, end: find_rows(points, self._ends, rows, begin, end))
        wanted = sort_by_row(points, rows, len(self._ends))
        self._team.share(
            len(self._ends),
            lambda begin, end: find_in_rows(self._floats, wanted, self._ends, indices, begin, end),
        )
        return indices
