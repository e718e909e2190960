# SPDX-License-Identifier: Apache-2.0
"""The engine of matrix product states."""

from __future__ import annotations

from typing import Final

from qfleet.wire.cost.cost import Cost, cost
from qfleet.wire.cost.methods import method_refusal
from qfleet.wire.messages.request import Method, Request
from qfleet.wire.program.program import Program
from qfleet_worker.engines.contract import Simulator
from qfleet_worker.engines.mps.simulator import ChainSimulator


class ChainEngine:
    """Matrix product states by numpy; see `qfleet_worker.engines.contract.Engine`."""

    name: Final = "mps"
    methods: Final[frozenset[Method]] = frozenset({"matrix_product_state"})
    reason: Final = "it has the method"

    def available(self) -> str:
        """See `Engine.available`."""
        return ""

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
        return ChainSimulator()
