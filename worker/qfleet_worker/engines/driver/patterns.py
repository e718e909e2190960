# SPDX-License-Identifier: Apache-2.0
"""Patterns of errors in a stretch, which some of its shots share."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qfleet_worker.engines.driver.noise import Errors


class Patterns(NamedTuple):
    """The shots with errors in a stretch, and their patterns."""

    #: int64, ascending
    shots: NDArray[np.int64]
    #: int64, the number of each shot's pattern
    numbers: NDArray[np.int64]
    #: int64, shape (patterns,): a place in `shots` that has each
    examples: NDArray[np.int64]
    #: int64, shape (shots + 1,): where the errors of each shot begin
    starts: NDArray[np.int64]
    #: int64: the sites and the branches of the errors, shot by shot
    sites: NDArray[np.int64]
    branches: NDArray[np.int64]

    def errors(self, pattern: int) -> list[tuple[int, int]]:
        """Return the sites of a pattern's errors, in order, and their branches."""
        place = int(self.examples[pattern])
        own = slice(int(self.starts[place]), int(self.starts[place + 1]))
        return list(zip(self.sites[own].tolist(), self.branches[own].tolist(), strict=True))

    def hits(self, chosen: NDArray[np.int64]) -> list[tuple[int, list[tuple[int, int]]]]:
        """Return the sites at which states have errors, in order.

        `chosen` is the pattern of each state. Each site has pairs of a state and a branch.
        """
        hits: dict[int, list[tuple[int, int]]] = {}
        for state, pattern in enumerate(chosen.tolist()):
            for site, branch in self.errors(pattern):
                hits.setdefault(site, []).append((state, branch))
        return sorted(hits.items())


def patterns_of(errors: Errors, first_site: int, end_site: int) -> Patterns | None:
    """Return the patterns of errors at some sites; ``None`` without errors.

    The sites are `first_site` to ``end_site - 1``.
    """
    begin, end = int(errors.starts[first_site]), int(errors.starts[end_site])
    if begin == end:
        return None
    counts = np.diff(errors.starts[first_site : end_site + 1])
    order = np.argsort(errors.shots[begin:end], kind="stable")
    sites = np.repeat(np.arange(first_site, end_site), counts)[order]
    branches, shots = errors.branches[begin:end][order], errors.shots[begin:end][order]
    firsts = np.flatnonzero(np.concatenate([[True], shots[1:] != shots[:-1]]))
    starts = np.append(firsts, len(shots))
    _, codes = np.unique(sites * (1 + int(branches.max())) + branches, return_inverse=True)
    codes = codes.reshape(-1) + 1
    # One error after the other: patterns are the same if they were so far, and if the next error is.
    _, numbers = np.unique(codes[firsts], return_inverse=True)
    lengths = np.diff(starts)
    for place in range(1, int(lengths.max())):
        following = np.zeros(len(firsts), np.int64)
        longer = lengths > place
        following[longer] = codes[firsts[longer] + place]
        _, numbers = np.unique(numbers * (len(codes) + 1) + following, return_inverse=True)
    _, examples = np.unique(numbers, return_index=True)
    return Patterns(shots[firsts], numbers.reshape(-1), examples, starts, sites, branches)


def numbered(*columns: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Give each distinct row of some columns a number.

    Returns:
        The number of each row, and a place that has each number.
    """
    numbers = np.zeros(len(columns[0]), np.int64)
    for column in columns:
        values, places = np.unique(column, return_inverse=True)
        _, numbers = np.unique(numbers * len(values) + places.reshape(-1), return_inverse=True)
    _, examples = np.unique(numbers, return_index=True)
    return numbers.reshape(-1), examples
