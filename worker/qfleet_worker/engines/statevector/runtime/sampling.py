# SPDX-License-Identifier: Apache-2.0
"""Basis states that shots find.

As in `qfleet_worker.engines.numpy.sampling`, the cumulative distribution is inverted in two levels. Shots are sorted by
their place in it, and a row of amplitudes is summed up only if a shot falls into it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

import numpy as np
from numpy.typing import NDArray

from qfleet.wire.program.matrices import ComplexArray
from qfleet_worker.engines.statevector.kernels.samples import count_equal, find_sorted, sum_rows
from qfleet_worker.engines.statevector.kernels.stage import NO_SUMS
from qfleet_worker.engines.threads import ThreadTeam

#: Amplitudes per row, and the most rows: larger states have longer ones.
ROW: Final = 1 << 7
MOST_ROWS: Final = 1 << 20
#: Amplitudes from which on the last stage sums up rows.
FEWEST_IN_STAGE: Final = 1 << 14
#: Shots from which on threads share them.
SHARED: Final = 1 << 14


def row_of(amplitudes: int) -> int:
    """Return the amplitudes in a row of a state."""
    return min(max(ROW, amplitudes // MOST_ROWS), amplitudes)


def sums_in_stage(amplitudes: int, local: int) -> NDArray[np.float64]:
    """Return room for the sums of rows that a stage writes.

    Args:
        amplitudes: of the state.
        local: the stage's local wires, as a mask.

    Returns:
        Zeros for all rows; `NO_SUMS` if the state is small, or the stage's chunks don't have whole rows.
    """
    row = row_of(amplitudes)
    return NO_SUMS if amplitudes < FEWEST_IN_STAGE or ~local & (row - 1) else np.zeros(amplitudes // row)


class Sampler:
    """A sampler of a statevector's basis states."""

    #: shots that are counted at a time
    counted_at_once: Final = 1 << 19

    def __init__(self, amplitudes: ComplexArray, team: ThreadTeam, sums: NDArray[np.float64] | None = None) -> None:
        """Take amplitudes, and threads that share the work.

        Args:
            amplitudes: shape (2**wires,), kept as a view.
            team: the threads.
            sums: the squared norms of all rows, if they are known.
        """
        self._team = team
        self._floats = amplitudes.view(amplitudes.real.dtype)
        if sums is None:
            row = row_of(len(amplitudes))
            sums = np.empty(len(amplitudes) // row)
            team.share(len(sums), partial(sum_rows, self._floats, row, sums))
        self._ends = np.cumsum(sums)
        #: the squared norm of the state
        self.total = float(self._ends[-1])

    def find(self, numbers: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return indices into the amplitudes for numbers uniform in [0, 1).

        Each index has the probability of its amplitude. The indices have the shape (shots,), in the order of the
        numbers; a number's index doesn't depend on the others.
        """
        points = numbers * self.total
        found = np.empty(len(points), np.int64)

        def find(begin: int, end: int) -> None:
            own, indices = points[begin:end], found[begin:end]
            if len(self._ends) == 1:
                find_sorted(self._floats, self._ends, own, indices)
                return
            order = np.argsort(own)
            ascending = np.empty(len(own), np.int64)
            find_sorted(self._floats, self._ends, own[order], ascending)
            indices[order] = ascending

        self._share(len(points), find)
        return found

    def count(self, numbers: NDArray[np.float64]) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """Count what `find` returns, in some parts.

        Args:
            numbers: uniform in [0, 1); they are overwritten.

        Returns:
            The distinct indices of each part in ascending order, and their counts.
        """
        parts = []

        def count(begin: int, end: int) -> None:
            points = numbers[begin:end]
            points *= self.total
            points.sort()
            found, counts = np.empty((2, len(points)), np.int64)
            find_sorted(self._floats, self._ends, points, found)
            distinct = count_equal(found, counts)
            parts.append((found[:distinct], counts[:distinct]))

        self._share(len(numbers), count)
        return parts

    def _share(self, shots: int, work: Callable[[int, int], None]) -> None:
        """Let each thread take a part of the shots."""
        parts = max(1, min(self._team.threads, shots // SHARED))

        def run(begin: int, end: int) -> None:
            for part in range(begin, end):
                work(shots * part // parts, shots * (part + 1) // parts)

        self._team.share(parts, run)
