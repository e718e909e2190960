# SPDX-License-Identifier: Apache-2.0
"""Tableaus that give the same states, though their circuits differed."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from qfleet_worker.engines.stabilizer.answers import IMAGES, clifford_images, expectation_values, wide_masks
from qfleet_worker.engines.stabilizer.tableau import Tableau

_FIRST: Final = np.zeros(1, np.int64)
#: Stabilizers that are looked at first: those of other states differ soon.
_FEW: Final = 4


class Stabilizers:
    """The stabilizers of the states that have a tableau."""

    def __init__(self, tableau: Tableau) -> None:
        self._size = len(tableau.places) // 2
        parts = [wide_masks(clifford_images(tableau, first)[1]) for first in range(0, self._size, IMAGES)]
        self._x, self._z = (np.concatenate(masks) for masks in zip(*parts, strict=True))
        self._words = tableau.rows.shape[1] // 2
        #: their values in the state whose frame is 0
        self._values = self._in(tableau, np.zeros((1, self._words), np.uint64), _FIRST, self._size)

    def frames(
        self, tableau: Tableau, frames: NDArray[np.uint64], states: NDArray[np.int64]
    ) -> NDArray[np.uint64] | None:
        """Return the frames that states of another tableau have with this one.

        They are ``None`` if the stabilizers differ in more than their signs.

        Args:
            tableau: the other tableau.
            frames: shape (any, words).
            states: the places in `frames`.
        """
        for terms in (_FEW, self._size):
            if not self._in(tableau, frames, states[:1], terms).all():
                return None
        bits = np.zeros((len(states), 64 * self._words), np.bool_)
        bits[:, : self._size] = self._in(tableau, frames, states, self._size) != self._values
        return np.packbits(bits, axis=1, bitorder="little").view("<u8").astype(np.uint64)

    def _in(
        self, tableau: Tableau, frames: NDArray[np.uint64], states: NDArray[np.int64], terms: int
    ) -> NDArray[np.float64]:
        """Return the expectation values of the first stabilizers in some states."""
        return expectation_values(tableau, frames, states, range(self._size), self._x[:terms], self._z[:terms])
