# SPDX-License-Identifier: Apache-2.0
"""Memory for the tableaus and frames of a program's states."""

from __future__ import annotations

from qfleet_worker.engines.stabilizer.tableau import Tableau, words_for


class Room:
    """Memory for the tableaus and frames of one program.

    Args:
        num_qubits: those of the program.
        budget: bytes for all tableaus but one, and for the frames.
        most: the number of states at most.
    """

    def __init__(self, num_qubits: int, budget: int, most: int) -> None:
        self.num_qubits = num_qubits
        self._frame_bytes = 8 * words_for(num_qubits)
        self._tableau_bytes = 4 * num_qubits * self._frame_bytes
        self._budget = budget
        self._most = most
        self._further = 0
        self._states = 0
        #: the number of a front's tableaus from which on those with equal states are looked for; ``None`` for never
        self.compared_from: int | None = None

    def begin(self) -> None:
        """Count one state alone."""
        self._further, self._states = 0, 1

    def states(self) -> int:
        """Return the number of further states that there is room for."""
        left = self._budget - self._further * self._tableau_bytes - self._states * self._frame_bytes
        return max(0, min(left // self._frame_bytes, self._most - self._states))

    def count(self, states: int) -> None:
        """Count new states, or with a negative number dropped ones."""
        self._states += states

    def take(self) -> bool:
        """Count a further tableau, if there is room for it."""
        held = (self._further + 1) * self._tableau_bytes + self._states * self._frame_bytes
        if held > self._budget:
            return False
        self._further += 1
        return True

    def give_back(self, tableau: Tableau) -> None:
        """Count that a group of states holds a tableau no longer."""
        tableau.holders -= 1
        self._further -= tableau.holders == 0
