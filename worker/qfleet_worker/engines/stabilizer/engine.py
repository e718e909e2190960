# SPDX-License-Identifier: Apache-2.0
"""The engine of Clifford circuits, whose kernels are machine code."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from qfleet.wire.cost.cost import Cost, cost
from qfleet.wire.cost.methods import method_refusal
from qfleet.wire.messages.request import Method, Request
from qfleet.wire.program.program import Program
from qfleet_worker.engines.contract import Simulator


class StabilizerEngine:
    """Tableaus and frames; see `qfleet_worker.engines.contract.Engine`.

    Args:
        available: returns why machine code can't be used now; empty if it is loaded.
    """

    name: Final = "stabilizer"
    methods: Final[frozenset[Method]] = frozenset({"stabilizer"})
    reason: Final = "it has the tableaus of Clifford circuits"

    def __init__(self, available: Callable[[], str]) -> None:
        self._available = available

    def available(self) -> str:
        """See `Engine.available`."""
        return self._available()

    def supports(self, program: Program, request: Request) -> str:
        """See `Engine.supports`."""
        return method_refusal(program, request)

    def cost(
        self, program: Program, request: Request, *, shots: int, points: int = 1, num_observables: int = 0
    ) -> Cost:
        """See `Engine.cost`."""
        return cost(program, request, shots=shots, points=points, num_observables=num_observables, engine=self.name)

    def open(self) -> Simulator:
        """See `Engine.open`."""
        from qfleet_worker.engines.stabilizer.simulator import StabilizerSimulator

        return StabilizerSimulator()
