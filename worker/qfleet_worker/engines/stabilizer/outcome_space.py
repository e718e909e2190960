# SPDX-License-Identifier: Apache-2.0
"""Outcomes of the measurements at a circuit's end, as affine spaces."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qfleet_worker.engines.stabilizer.kernels import outcomes
from qfleet_worker.engines.stabilizer.plan import Plan
from qfleet_worker.engines.stabilizer.tableau import Tableau, words_for


class OutcomeSpace(NamedTuple):
    """The outcomes of states that share a tableau.

    Those of a state are one outcome, with any of the directions added. All are equally likely.
    """

    #: the byte of clbits of each column, in ascending order
    columns: tuple[int, ...]
    #: uint8, shape (states, columns)
    origins: NDArray[np.uint8]
    #: uint8, shape (directions, columns)
    directions: NDArray[np.uint8]

    @property
    def num_bytes(self) -> int:
        """Return its bytes."""
        return self.origins.nbytes + self.directions.nbytes

    @property
    def words(self) -> int:
        """Return the random words that select an outcome."""
        return -(-len(self.directions) // 64)

    def draw(self, states: NDArray[np.int64], words: NDArray[np.uint64]) -> NDArray[np.uint8]:
        """Return an outcome for each shot, shape (shots, columns).

        Args:
            states: that of each shot.
            words: random bits, shape (shots, words).
        """
        out = np.empty((len(states), len(self.columns)), np.uint8)
        outcomes.draw(self.origins, states, self.directions, np.ascontiguousarray(words), out)
        return out


def outcome_space(tableau: Tableau, frames: NDArray[np.uint64], plan: Plan) -> OutcomeSpace:
    """Return the outcomes of all that a plan measures at its end.

    Args:
        tableau: is left as it is.
        frames: those of the states, shape (states, words).
        plan: the plan.
    """
    columns = sorted({clbit >> 3 for _, clbit in plan.readout})
    place = {byte: column for column, byte in enumerate(columns)}
    values = [(wire, place[clbit >> 3], clbit & 7) for wire, clbit in plan.readout]
    return _space(tableau, frames, np.array(plan.measured, np.int64), values, tuple(columns))


def basis_space(tableau: Tableau, frame: NDArray[np.uint64], wires: NDArray[np.int64]) -> OutcomeSpace:
    """Return the values of some wires in one state.

    Bit i of a value belongs to ``wires[i]``; columns are bytes of it.
    """
    values = [(wire, bit >> 3, bit & 7) for bit, wire in enumerate(wires.tolist())]
    return _space(tableau, frame, wires, values, tuple(range(-(-len(wires) // 8))))


def _space(
    tableau: Tableau,
    frames: NDArray[np.uint64],
    measured: NDArray[np.int64],
    values: list[tuple[int, int, int]],
    columns: tuple[int, ...],
) -> OutcomeSpace:
    scratch, after = tableau.copy(), frames.copy()
    directions = np.zeros((len(measured), words_for(len(tableau.places) // 2)), np.uint64)
    count = outcomes.measure_all(*scratch.arrays, after, measured, directions)
    wires, places, bits = np.array(values, np.int64).reshape(-1, 3).T.copy()
    found = [np.zeros((len(each), len(columns)), np.uint8) for each in (after, directions[:count])]
    outcomes.write_bits(*scratch.arrays, after, wires, places, bits, True, found[0])
    outcomes.write_bits(*scratch.arrays, directions[:count], wires, places, bits, False, found[1])
    return OutcomeSpace(columns, found[0], found[1])
