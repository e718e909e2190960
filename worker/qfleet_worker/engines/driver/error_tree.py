# SPDX-License-Identifier: Apache-2.0
"""The tree of the states that shots with errors go through.

A node is a state: it begins as a copy of its parent's with errors that its parent hasn't, and goes on to the program's
end, or until the last of its children has begun. Shots with the same errors share all of their nodes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qfleet_worker.engines.driver.moves import StretchErrors


class Births(NamedTuple):
    """The nodes that begin at a stretch, sorted by their parents."""

    #: the number of the first one
    first: int
    parents: NDArray[np.int64]
    #: the number of each one's errors
    numbers: NDArray[np.int64]
    errors: StretchErrors


class ErrorTree:
    """The nodes of some shots; number 0 is without errors.

    Args:
        stretches: the errors in each stretch.
        shots: in ascending order.
        total: the number of all shots, among them others.
    """

    def __init__(self, stretches: Sequence[StretchErrors | None], shots: NDArray[np.int64], total: int) -> None:
        node_of = np.full(total, -1)
        node_of[shots] = 0
        #: by stretch
        self.births: list[Births | None] = []
        self.size = 1
        for errors in stretches:
            self.births.append(None if errors is None else self._births(errors, node_of))
        self._order = shots[np.argsort(node_of[shots], kind="stable")]
        self._starts = np.searchsorted(node_of[self._order], np.arange(self.size + 1))
        #: by node: the stretch at which the last of its children begins; their number if its own shots come to the end
        self.ends = np.full(self.size, -1)
        for stretch, births in enumerate(self.births):
            if births is not None:
                self.ends[births.parents] = stretch
        self.ends[self._starts[1:] > self._starts[:-1]] = len(self.births)

    def _births(self, errors: StretchErrors, node_of: NDArray[np.int64]) -> Births | None:
        """Give shots with errors nodes of their own."""
        own = np.flatnonzero(node_of[errors.shots] >= 0)
        if not len(own):
            return None
        shots, kinds = errors.shots[own], len(errors.inside)
        keys, which = np.unique(node_of[shots] * kinds + errors.numbers[own], return_inverse=True)
        first, self.size = self.size, self.size + len(keys)
        node_of[shots] = first + which.reshape(-1)
        parents, numbers = np.divmod(keys, kinds)
        return Births(first, parents, numbers, errors)

    def leaves(self) -> NDArray[np.int64]:
        """Return how many nodes below each node come to the end.

        The node itself counts too.
        """
        leaves: NDArray[np.int64] = (self.ends == len(self.births)).astype(np.int64)
        for births in reversed(self.births):
            if births is not None:
                own = slice(births.first, births.first + len(births.parents))
                np.add.at(leaves, births.parents, leaves[own])
        return leaves

    def shots(self, nodes: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the shots that end in some nodes, in ascending order.

        Returns:
            The shots, and the place of each one's node among `nodes`.
        """
        starts = self._starts[nodes]
        counts = self._starts[nodes + 1] - starts
        places = np.arange(int(counts.sum())) + np.repeat(starts - np.cumsum(counts) + counts, counts)
        shots = self._order[places]
        order = np.argsort(shots)
        return shots[order], np.repeat(np.arange(len(nodes)), counts)[order]
