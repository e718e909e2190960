# SPDX-License-Identifier: Apache-2.0
"""Ways of states at a random event.

They number the states that the ways lead to.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

_NONE: Final = np.zeros(0, np.int64)


class Ways(NamedTuple):
    """The ways that states take, from a table of shape (states, ways)."""

    #: the way of each state in place
    first: NDArray[np.int64]
    #: the state and the way of each further one, in the order of the states and then of the ways
    states: NDArray[np.int64]
    ways: NDArray[np.int64]

    @classmethod
    def of(cls, taken: NDArray[np.bool_]) -> Ways:
        """Return the ways of a table.

        Each row of the table has at least one.
        """
        first = taken.argmax(axis=1)
        if np.count_nonzero(taken) == len(taken):
            return cls(first, _NONE, _NONE)
        further = taken.copy()
        further[np.arange(len(taken)), first] = False
        states, ways = np.nonzero(further)
        return cls(first, states, ways)

    def further(self) -> dict[int, list[int]]:
        """Return the further ways of each state that has any."""
        found: dict[int, list[int]] = {}
        for state, way in zip(self.states.tolist(), self.ways.tolist(), strict=True):
            found.setdefault(state, []).append(way)
        return found

    def limited(self, most: int) -> Ways:
        """Return the ways with at most `most` further ones."""
        return self if len(self.states) <= most else Ways(self.first, self.states[:most], self.ways[:most])

    def numbers(self, ways: int) -> NDArray[np.int64]:
        """Return the number of each way's state, shape (states, ways).

        It is -1 for ways that aren't taken.
        """
        count = len(self.first)
        every = np.arange(count + len(self.states))
        numbers = np.full((count, ways), -1)
        numbers[every[:count], self.first] = every[:count]
        if len(self.states):
            numbers[self.states, self.ways] = every[count:]
        return numbers
