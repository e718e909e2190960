# SPDX-License-Identifier: Apache-2.0
"""Transfer matrices on density matrices, shared by threads."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from qfleet_worker.engines.density.transfer import Transfer
from qfleet_worker.engines.statevector.kernels.superoperators import LANES, apply_matrix
from qfleet_worker.engines.threads import ThreadTeam

#: Fewest numbers of a density matrix that several threads share.
_SHARED = 1 << 14
_NUMBERS = np.arange(4)


class MachineKernels:
    """The work on a density matrix, in machine code; see `qfleet_worker.engines.density.kernels.Kernels`."""

    def __init__(self, team: ThreadTeam) -> None:
        self._team = team
        #: for a number of wires and those of a matrix: offsets, lanes, and the mask of the other bits
        self._layouts: dict[tuple[int, tuple[int, ...]], tuple[NDArray[np.int64], NDArray[np.int64], int]] = {}

    def apply(self, paulis: NDArray[np.float64], wires: Sequence[int], matrix: Transfer) -> None:
        """See `Kernels.apply`."""
        count, own = (len(paulis).bit_length() - 1) // 2, tuple(wires)
        if (count, own) not in self._layouts:
            self._layouts[count, own] = _layout(count, own)
        offsets, lanes, free = self._layouts[count, own]
        groups = len(paulis) // (LANES * len(offsets))
        flat = np.ascontiguousarray(matrix).reshape(-1)

        def work(begin: int, end: int) -> None:
            room = self._team.room(2 * LANES * len(offsets), paulis.dtype)
            apply_matrix(paulis, flat, offsets, lanes, free, room, begin, end)

        if len(paulis) < _SHARED:
            work(0, groups)
        else:
            self._team.share(groups, work)


def _layout(count: int, wires: tuple[int, ...]) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
    """Return the offsets, the lanes and the free bits of a matrix.

    They are those of `apply_matrix`.
    """
    offsets = np.zeros(1, np.int64)
    for wire in wires:
        offsets = (offsets + (_NUMBERS << 2 * wire)[:, None]).reshape(-1)
    rest = [wire for wire in range(count) if wire not in wires]
    lanes = ((_NUMBERS << 2 * rest[0]) + (_NUMBERS << 2 * rest[1])[:, None]).reshape(-1)
    return offsets, lanes, sum([3 << 2 * wire for wire in rest[2:]])
