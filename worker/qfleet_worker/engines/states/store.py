# SPDX-License-Identifier: Apache-2.0
"""A store of several states, for a simulator of one state.

One state lies in the simulator, the others beside it as long as they fit into a budget. A state that doesn't fit is
given up: its shots are run again from the start.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from qfleet.wire.program.matrices import ComplexArray

#: States beside the simulator's: each takes a kilobyte beside its amplitudes.
MOST_ASIDE: Final = 1 << 14


class StoredState:
    """A state, in the simulator or beside it."""

    __slots__ = ("aside", "fingerprint", "lost")

    def __init__(self, aside: Any = None) -> None:
        #: ``None`` for the state in the simulator
        self.aside = aside
        self.lost = False
        #: the number that equal states share, once it is known
        self.fingerprint: float | None = None


class StateStore:
    """A simulator, and the states beside it.

    Args:
        simulator: holds one state, such as `qfleet_worker.engines.numpy.state.State`.
        budget: bytes for states beside the simulator's.
        settle: makes the simulator ready to be sampled at the end of a plan.
        statevector: takes the amplitudes times a factor out of the simulator, at the end of a plan.
        most_aside: states beside the simulator's.
    """

    def __init__(
        self,
        simulator: Any,
        budget: int,
        settle: Callable[[Any], None],
        statevector: Callable[[Any, complex], ComplexArray],
        most_aside: int = MOST_ASIDE,
    ) -> None:
        self._most_aside = most_aside
        self.simulator = simulator
        self.settle = settle
        self.statevector = statevector
        self._budget = budget
        self._held = 0
        self._aside = 0
        self._present: StoredState | None = None

    def begin(self) -> StoredState:
        """Drop all states, and return a new one in |0...0>."""
        self.simulator.clear()
        self._present = StoredState()
        return self._present

    def load(self, state: StoredState) -> Any:
        """Put a state into the simulator, and return the simulator."""
        if self._present is not state:
            self._clear_away(state.aside.amplitudes.nbytes)
            self._count(state.aside, -1)
            self.simulator.restore(state.aside)
            state.aside = None
            self._present = state
        return self.simulator

    def _clear_away(self, wanted: int) -> None:
        """Put the present state aside, or give it up.

        A state of `wanted` bytes takes its place.
        """
        present = self._present
        if present is not None:
            exchanged = wanted if self.simulator.EXCHANGES else 0
            if self._held - exchanged + self.simulator.aside_bytes() <= self._budget:
                present.aside = self.simulator.put_aside()
                self._count(present.aside, 1)
            else:
                present.lost = True
            self._present = None

    def project(self, wire: int, value: int, weight: float) -> StoredState | None:
        """Return the part of the state with a value on a wire.

        It is ``None`` if there is no room for it.
        """
        if self._held + self.simulator.projected_bytes() > self._budget or self._aside >= self._most_aside:
            return None
        aside = self.simulator.projected(wire, value, weight)
        self._count(aside, 1)
        return StoredState(aside)

    def copy(self) -> StoredState | None:
        """Return a copy of the state in the simulator.

        It is ``None`` if there is no room for it.
        """
        if self._held + self.simulator.copied_bytes() > self._budget or self._aside >= self._most_aside:
            return None
        aside = self.simulator.copied()
        self._count(aside, 1)
        return StoredState(aside)

    def room(self) -> int:
        """Return how many copies of a whole state have room."""
        room: int = (self._budget - self._held) // self.simulator.capacity_bytes
        return min(room, self._most_aside - self._aside)

    def drop(self, state: StoredState) -> None:
        """Forget a state."""
        if state is self._present:
            self._present = None
        elif state.aside is not None:
            self._count(state.aside, -1)
            state.aside = None

    def _count(self, aside: Any, sign: int) -> None:
        """Count a state that is put aside, or taken back."""
        self._held += sign * int(aside.amplitudes.nbytes)
        self._aside += sign
