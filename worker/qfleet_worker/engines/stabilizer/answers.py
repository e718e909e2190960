# SPDX-License-Identifier: Apache-2.0
"""Answers of stabilizer states."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from qfleet.wire.program.matrices import ComplexArray
from qfleet_worker.engines.contract import EngineError
from qfleet_worker.engines.density.transfer import to_density_matrix
from qfleet_worker.engines.stabilizer.kernels import outcomes
from qfleet_worker.engines.stabilizer.outcome_space import basis_space
from qfleet_worker.engines.stabilizer.tableau import Tableau, words_for

NO_AMPLITUDES: Final = "a stabilizer state has no amplitudes; save the density matrix of some qubits, or probabilities"


_FIRST: Final = np.zeros(1, np.int64)
#: Qubits whose images are made at a time: a multiple of 64.
IMAGES: Final = 512


class StabilizerAnswers(NamedTuple):
    """One state; see `qfleet_worker.engines.states.contract.Answers`."""

    tableau_of: Tableau
    #: shape (1, words)
    frame: NDArray[np.uint64]

    def probabilities(self, wires: Sequence[int]) -> NDArray[np.float64]:
        """See `Answers.probabilities`."""
        origin, directions = self._space(wires)
        found = np.array([origin])
        for direction in directions:
            found = np.concatenate([found, found ^ direction])
        probabilities = np.zeros(1 << len(wires))
        probabilities[found] = 0.5 ** len(directions)
        return probabilities

    def probabilities_at(self, wires: Sequence[int], basis_states: NDArray[np.int64]) -> NDArray[np.float64]:
        """See `Answers.probabilities_at`."""
        origin, directions = self._space(wires)
        left: NDArray[np.int64] = basis_states ^ origin
        # A direction's first bit, in the order of the measurements, is a bit of no later direction.
        for direction in directions:
            left = np.where(left & (direction & -direction), left ^ direction, left)
        return np.where(left == 0, 0.5 ** len(directions), np.float64(0))

    def _space(self, wires: Sequence[int]) -> tuple[int, NDArray[np.int64]]:
        """Return one value of some wires, and the directions to all others."""
        space = basis_space(self.tableau_of, self.frame, np.array(wires, np.int64))
        rows = np.zeros((1 + len(space.directions), 8), np.uint8)
        rows[:, : len(space.columns)] = np.concatenate([space.origins, space.directions])
        numbers = rows.view("<i8")[:, 0].astype(np.int64)
        return int(numbers[0]), numbers[1:]

    def expectation_values(
        self, wires: Sequence[int], x_masks: NDArray[np.integer], z_masks: NDArray[np.integer]
    ) -> NDArray[np.float64]:
        """See `Answers.expectation_values`."""
        values: NDArray[np.float64] = expectation_values(self.tableau_of, self.frame, _FIRST, wires, x_masks, z_masks)[
            0
        ]
        return values

    def density_matrix(self, wires: Sequence[int]) -> NDArray[np.complex128]:
        """See `Answers.density_matrix`."""
        digits = np.arange(4 ** len(wires))
        return to_density_matrix(self.expectation_values(wires, *pauli_masks(digits, len(wires))), len(wires))

    def tableau(self) -> NDArray[np.uint8]:
        """See `qfleet_worker.engines.results.saved.TableauAnswers`."""
        size = len(self.tableau_of.places) // 2
        # The images of X have signs where those of Z are X before the Clifford.
        turned, none = self.tableau_of.turned(), np.zeros_like(self.frame)
        found = np.empty((2 * size, -(-(2 * size + 1) // 8)), np.uint8)
        for first in range(0, size, IMAGES):
            of_x, of_z = clifford_images(self.tableau_of, first)
            for begin, images, tableau, frame in ((0, of_x, turned, none), (size, of_z, self.tableau_of, self.frame)):
                signs = expectation_values(tableau, frame, _FIRST, range(size), *wide_masks(images))[0]
                rows = np.column_stack([images, signs < 0])
                found[begin + first : begin + first + len(rows)] = np.packbits(rows, axis=1, bitorder="little")
        return found

    def amplitudes(self, wires: Sequence[int], factor: complex) -> ComplexArray:  # noqa: ARG002 - the contract's
        """Raise an error; see `Answers.amplitudes`."""
        raise EngineError(NO_AMPLITUDES)

    def amplitudes_at(self, wires: Sequence[int], basis_states: NDArray[np.int64]) -> ComplexArray:  # noqa: ARG002
        """Raise an error; see `Answers.amplitudes_at`."""
        raise EngineError(NO_AMPLITUDES)


def clifford_images(tableau: Tableau, first: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return what a Clifford makes of X and Z on some qubits.

    Args:
        tableau: that of the Clifford.
        first: the first qubit, a multiple of 64; there are at most `IMAGES`.

    Returns:
        For X and for Z, each of shape (some, 2 * qubits): the bits of X and then of Z on all qubits.
    """
    size = len(tableau.places) // 2
    end = min(first + IMAGES, size)
    words, width = slice(first // 64, -(-end // 64)), tableau.rows.shape[1] // 2
    x, z = (
        np.unpackbits(part[:, words][tableau.places].view(np.uint8), axis=1, bitorder="little", count=end - first)
        for part in (tableau.rows[:, :width], tableau.rows[:, width:])
    )
    # Two Paulis commute if their images do.
    of_x, of_z = (np.concatenate([part[size:].T, part[:size].T], axis=1).astype(np.bool_) for part in (z, x))
    return of_x, of_z


def wide_masks(bits: NDArray[np.bool_]) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """Return the wide masks of Paulis.

    `bits` has a row for each: the bits of X, then those of Z.
    """
    size = bits.shape[1] // 2
    padded = np.zeros((2, len(bits), 64 * words_for(size)), np.bool_)
    padded[0, :, :size], padded[1, :, :size] = bits[:, :size], bits[:, size:]
    x, z = np.packbits(padded, axis=2, bitorder="little").view("<u8").astype(np.uint64)
    return x, z


def pauli_masks(numbers: NDArray[np.int64], width: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the masks of Paulis that are numbered by digits.

    A digit of base 4 for each qubit is I, X, Z or Y.
    """
    x_masks, z_masks = np.zeros_like(numbers), np.zeros_like(numbers)
    for bit in range(width):
        x_masks |= (numbers >> 2 * bit & 1) << bit
        z_masks |= (numbers >> 2 * bit + 1 & 1) << bit
    return x_masks, z_masks


def expectation_values(
    tableau: Tableau,
    frames: NDArray[np.uint64],
    states: NDArray[np.int64],
    wires: Sequence[int],
    x_masks: NDArray[np.integer],
    z_masks: NDArray[np.integer],
) -> NDArray[np.float64]:
    """Return expectation values of Paulis, shape (states, terms).

    Args:
        tableau: that of the states.
        frames: shape (any, words).
        states: their places in `frames`.
        wires: bit i of a mask belongs to ``wires[i]``.
        x_masks: shape (terms,), or (terms, words) with the lowest 64 bits first.
        z_masks: the same for Z.
    """
    x, z = (
        np.ascontiguousarray((masks if masks.ndim == 2 else masks[:, None]).astype(np.uint64))
        for masks in (x_masks, z_masks)
    )
    found = np.empty((len(states), len(x)), np.int8)
    outcomes.expectations(*tableau.arrays, frames, states, np.array(wires, np.int64), x, z, found)
    return found.astype(np.float64)
