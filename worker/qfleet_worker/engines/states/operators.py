# SPDX-License-Identifier: Apache-2.0
"""Operators on a few wires, of which each state gets one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

#: Matrices of the Paulis, by their bits in the masks of X and Z.
PAULIS: Final = {
    (1, 0): np.array([[0, 1], [1, 0]], np.complex128),
    (1, 1): np.array([[0, -1j], [1j, 0]]),
    (0, 1): np.diag([1, -1]).astype(np.complex128),
}


class Factor(NamedTuple):
    """A matrix on some wires; the first is its lowest bit."""

    wires: tuple[int, ...]
    #: complex128, shape (2**wires, 2**wires)
    matrix: NDArray[np.complex128]


class Paulis(NamedTuple):
    """A Pauli for each of some states."""

    #: the wires of the masks: bit i belongs to ``wires[i]``
    wires: Sequence[int]
    #: int64, shape (states,): the wires that get X or Y, and those that get Z or Y
    x_masks: NDArray[np.int64]
    z_masks: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class OperatorStep:
    """Multiply each state by one of several operators.

    As with an event, a number for each shot selects the way, but the caller draws it.
    """

    #: the factors of each way's operator; nothing is done in a way without any
    operators: tuple[tuple[Factor, ...], ...]

    @property
    def ways(self) -> int:
        """Return the number of ways."""
        return len(self.operators)
