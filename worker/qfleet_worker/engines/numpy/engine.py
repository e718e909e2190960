# SPDX-License-Identifier: Apache-2.0
"""The engine that needs numpy alone."""

from __future__ import annotations

from typing import Final

from qfleet.wire.cost.cost import Cost, cost
from qfleet.wire.messages.request import Method, Request
from qfleet.wire.program.program import Program
from qfleet_worker.engines.contract import Simulator
from qfleet_worker.engines.driver.unitary import unitary_refusal
from qfleet_worker.engines.numpy.simulator import NumpySimulator


class NumpyEngine:
    """States, density matrices and unitaries by numpy; see `qfleet_worker.engines.contract.Engine`."""

    name: Final = "numpy"
    methods: Final[frozenset[Method]] = frozenset({"statevector", "density_matrix", "superop", "unitary"})
    reason: Final = "it needs no machine code"

    def available(self) -> str:
        """See `Engine.available`."""
        return ""

    def supports(self, program: Program, request: Request) -> str:
        """See `Engine.supports`."""
        return unitary_refusal(program) if request.method == "unitary" else ""

    def cost(
        self, program: Program, request: Request, *, shots: int, points: int = 1, num_observables: int = 0
    ) -> Cost:
        """See `Engine.cost`."""
        return cost(program, request, shots=shots, points=points, num_observables=num_observables, engine=self.name)

    def open(self) -> Simulator:
        """See `Engine.open`."""
        return NumpySimulator()
