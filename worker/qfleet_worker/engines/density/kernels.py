# SPDX-License-Identifier: Apache-2.0
"""Products of transfer matrices and density matrices, which engines compute differently.

A density matrix is a flat array of 4**n real numbers, the expectation values of all Paulis: see `transfer`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from qfleet_worker.engines.density.transfer import Transfer


class Kernels(Protocol):
    """The work on a density matrix."""

    def apply(self, paulis: NDArray[np.float64], wires: Sequence[int], matrix: Transfer) -> None:
        """Multiply by a transfer matrix, in place.

        Args:
            paulis: shape (4**n,); there are two wires at least beside those of the matrix.
            wires: the wires of the matrix, the first of its lowest digit.
            matrix: shape (4**wires, 4**wires).
        """
        ...


class NumpyKernels:
    """The work on a density matrix, by numpy."""

    def apply(self, paulis: NDArray[np.float64], wires: Sequence[int], matrix: Transfer) -> None:
        """See `Kernels.apply`."""
        moved = to_front(paulis, wires)
        # In four parts, so that the copies are small.
        for part in np.moveaxis(moved, len(wires), 0):
            part[...] = (matrix @ part.reshape(len(matrix), -1)).reshape(part.shape)


def to_front(paulis: NDArray[np.float64], wires: Sequence[int]) -> NDArray[np.float64]:
    """Return a view of a density matrix that begins with some wires.

    It has an axis of 4 for each wire, those of `wires` first, and the last of these first of all.
    """
    count = (len(paulis).bit_length() - 1) // 2
    axes = [count - 1 - wire for wire in reversed(wires)]
    return paulis.reshape((4,) * count).transpose([*axes, *[axis for axis in range(count) if axis not in axes]])
