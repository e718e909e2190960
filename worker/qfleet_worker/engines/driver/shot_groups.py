# SPDX-License-Identifier: Apache-2.0
"""Groups of shots that share a state.

There may be many shots and few states, and shots often part and meet again while nothing happens to them. So groups
that were divided share their arrays with the other part, and mark their own entries.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

#: Shots are sorted where there is fewer than one among this number.
SPARSE = 8
#: Shots at the end among which each state has one, mostly.
TAIL = 1 << 10


class ShotGroups:
    """Shots, and the number of each one's state.

    Args:
        shots: in ascending order; all are of state 0.
    """

    def __init__(self, shots: NDArray[np.int64]) -> None:
        self._set(shots, np.broadcast_to(np.int64(0), shots.shape), 1, shots[-1:])

    def _set(
        self, shots: NDArray[np.int64], entries: NDArray[np.int64], states: int, last: NDArray[np.int64] | None = None
    ) -> None:
        self._shots = shots
        #: for each shot a place in `_numbers`
        self._entries = entries
        #: the number of a state, -1 where the shots belong to other groups
        self._numbers = np.arange(states)
        #: the last shot of each entry, once it is known
        self._last = last
        self._plain = True

    def divide(self, out: NDArray[np.bool_], numbers: NDArray[np.int64]) -> ShotGroups:
        """Take the shots of some states out, and return them.

        Args:
            out: the states whose shots are taken out, shape (states,).
            numbers: the new number of each state, here or in the other part, shape (states,).
        """
        self._last_of_entries()
        own = self._numbers >= 0
        leaving = own & out[self._numbers]
        new = numbers[self._numbers]
        other = ShotGroups.__new__(ShotGroups)
        other._shots, other._entries, other._last, other._plain = self._shots, self._entries, self._last, False
        other._numbers = np.where(leaving, new, -1)
        self._numbers = np.where(own & ~leaving, new, -1)
        self._plain = False
        return other

    def join(self, others: Sequence[ShotGroups], states: Sequence[int]) -> None:
        """Take in the shots of other groups.

        Their states get numbers behind those here.

        Args:
            others: may share arrays with these.
            states: the number of states here, and in each of the others.
        """
        begins = np.cumsum(states).tolist()
        if all(other._entries is self._entries for other in others):
            for other, begin in zip(others, begins, strict=False):
                theirs = np.where(other._numbers >= 0, other._numbers + begin, -1)
                self._numbers = np.where(self._numbers >= 0, self._numbers, theirs)
            return
        parts = [groups.settle() for groups in (self, *others)]
        numbered = [(shots, own + begin) for (shots, own), begin in zip(parts, [0, *begins[:-1]], strict=True)]
        shots, numbers = _merged([part for part in numbered if len(part[0])] or numbered[:1])
        self._set(shots, numbers, begins[-1])

    def renumber(self, numbers: NDArray[np.int64]) -> None:
        """Give state i the number ``numbers[i]``, which several states may share."""
        self._numbers = np.where(self._numbers >= 0, numbers[self._numbers], -1)
        self._plain = False

    def replace(self, shots: NDArray[np.int64], numbers: NDArray[np.int64], states: int) -> None:
        """Replace all shots by others, which have this number of states."""
        self._set(shots, numbers, states)

    def settle(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the shots in ascending order, and each one's state.

        Both have the shape (shots,).
        """
        if not self._plain:
            states = 1 + int(self._numbers.max())
            own = self._numbers >= 0
            numbers = self._numbers[self._entries]
            shots = self._shots
            if not own.all():
                mine = np.flatnonzero(numbers >= 0)
                shots, numbers = shots[mine], numbers[mine]
            self._set(shots, numbers, states)
        return self._shots, self._entries

    def last_shots(self) -> NDArray[np.int64]:
        """Return the last shot of each state."""
        last = self._last_of_entries()
        if self._plain:
            return last
        own = self._numbers >= 0
        last_of_states = np.full(1 + int(self._numbers.max()), -1)
        np.maximum.at(last_of_states, self._numbers[own], last[own])
        return last_of_states

    def _last_of_entries(self) -> NDArray[np.int64]:
        if self._last is None:
            last = self._last_among(TAIL)
            self._last = last if (last >= 0).all() else self._last_among(len(self._shots))
        return self._last

    def _last_among(self, shots: int) -> NDArray[np.int64]:
        """Return each entry's last shot among the last `shots`.

        It is -1 for an entry without a shot there.
        """
        last = np.full(len(self._numbers), -1)
        # The shots ascend: of an entry's shots the last one stays.
        last[self._entries[-shots:]] = self._shots[-shots:]
        return last


def _merged(
    parts: Sequence[tuple[NDArray[np.int64], NDArray[np.int64]]],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return all shots in ascending order, with their numbers.

    Each part ascends; a single part may be empty.
    """
    if len(parts) == 1:
        return parts[0]
    first, last = min([int(shots[0]) for shots, _ in parts]), max([int(shots[-1]) for shots, _ in parts])
    together, span = sum([len(shots) for shots, _ in parts]), last + 1 - first
    if together * SPARSE < span:
        shots = np.concatenate([shots for shots, _ in parts])
        order = np.argsort(shots, kind="stable")
        return shots[order], np.concatenate([numbers for _, numbers in parts])[order]
    # Many shots are put into their places faster than they are sorted.
    whole = np.empty(span, np.int64) if together == span else np.full(span, -1)
    for shots, numbers in parts:
        whole[shots - first if first else shots] = numbers
    if together == span:
        return np.arange(first, last + 1), whole
    places = np.flatnonzero(whole >= 0)
    return places + first, whole[places]
