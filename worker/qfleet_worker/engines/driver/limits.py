# SPDX-License-Identifier: Apache-2.0
"""Limits of the memory and the time that shots take."""

from __future__ import annotations

from typing import Final, NamedTuple

from qfleet.wire.cost.cost import OVERHEAD_BYTES
from qfleet.wire.messages.request import Output, Request
from qfleet_worker.engines.states.store import MOST_ASIDE


class DriverLimits(NamedTuple):
    """Limits of a driver's memory and passes.

    Apart from `passes`, they change the time that a circuit takes, and no shot.
    """

    #: bytes of the states that wait beside the present one; `None` for those that a circuit's cost has for them
    waiting_bytes: int | None = None
    #: states that wait
    waiting_states: int = MOST_ASIDE
    #: numbers of 8 bytes that are held for shots; a circuit with more runs for fewer shots at a time
    numbers: int = 1 << 21
    #: pairs of a state and a way that it may go at an error, held at a time
    ways: int = 1 << 20
    #: how often a shot may go back to an earlier operation
    passes: int = 100_000
    #: bytes of the variables and of the live clbits of all states
    classical_bytes: int = 1 << 24
    #: bytes of the masks of live names for all blocks, and for all steps
    mask_bytes: int = 16 * 1024 * 1024
    #: times that a mask of live names may be computed, on average: more than loops within loops take
    mask_visits: int = 32

    def state_budget(self, request: Request, state_bytes: int) -> int:
        """Return the bytes for states that wait.

        They are a part of the overhead that `qfleet.wire.cost` counts and, unless amplitudes come back, the bytes of a
        copy of the state.

        Args:
            request: what is asked of the circuit.
            state_bytes: the bytes of one state.
        """
        if self.waiting_bytes is not None:
            return self.waiting_bytes
        return OVERHEAD_BYTES // 4 + (0 if request.output == Output.STATEVECTOR else state_bytes)


DEFAULT_LIMITS: Final = DriverLimits()
