# SPDX-License-Identifier: Apache-2.0
"""Several states of one program, of which a simulator holds one at a time.

One state lies in the simulator, the others beside it as long as they fit into a budget. A state that doesn't fit is
given up: its shots are run again from the start.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from qfleet_worker.engines.gates.matrices import ComplexArray

#: States beside the simulator's: each takes a kilobyte beside its amplitudes.
MOST_ASIDE: Final = 1 << 14


class Held:
    __slots__ = ("aside", "gone", "print")

    def __init__(self, aside: Any = None) -> None:
        #: ``None`` for the one in the simulator
        self.aside = aside
        self.gone = False
        #: the number that equal states share, once it is known
        self.print: float | None = None


class StateStore:
    """A simulator, and what lies beside it."""

    def __init__(
        self,
        state: Any,
        budget: int,
        settle: Callable[[Any], None],
        statevector: Callable[[Any, complex], ComplexArray],
    ) -> None:
        """`budget`: bytes for states beside the simulator's; `settle` makes the simulator ready to be sampled at the
        end of a plan, `statevector` takes its amplitudes out."""
        self.state = state
        self.settle = settle
        self.statevector = statevector
        self._budget = budget
        self._held = 0
        self._aside = 0
        self._present: Held | None = None

    def begin(self) -> Held:
        """Drop all states, and return a new one in |0...0>."""
        self.state.clear()
        self._present = Held()
        return self._present

    def take(self, member: Held) -> Any:
        """The simulator, with a member's state."""
        if self._present is not member:
            self._clear_away(member.aside.amplitudes.nbytes)
            self._count(member.aside, -1)
            self.state.restore(member.aside)
            member.aside = None
            self._present = member
        return self.state

    def _clear_away(self, wanted: int) -> None:
        """Put the present state aside, or give it up, for one of `wanted` bytes to come."""
        present = self._present
        if present is not None:
            exchanged = wanted if self.state.EXCHANGES else 0
            if self._held - exchanged + self.state.aside_bytes() <= self._budget:
                present.aside = self.state.put_aside()
                self._count(present.aside, 1)
            else:
                present.gone = True
            self._present = None

    def projected(self, wire: int, weight: float) -> Held | None:
        """The part of the simulator's state with 1 on a wire, if there is room for it."""
        if self._held + self.state.projected_bytes() > self._budget or self._aside >= MOST_ASIDE:
            return None
        aside = self.state.projected(wire, 1, weight)
        self._count(aside, 1)
        return Held(aside)

    def drop(self, member: Held) -> None:
        """Forget a member."""
        if member is self._present:
            self._present = None
        elif member.aside is not None:
            self._count(member.aside, -1)
            member.aside = None

    def _count(self, aside: Any, sign: int) -> None:
        """Count a state that is put aside, or taken back."""
        self._held += sign * int(aside.amplitudes.nbytes)
        self._aside += sign
