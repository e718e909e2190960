# SPDX-License-Identifier: Apache-2.0
"""Functions that tests run in processes of other libraries.

The libraries import them by name.
"""

from __future__ import annotations

import asyncio
from typing import Any

from qiskit import QuantumCircuit

from qfleet import FleetBackend


def excited() -> QuantumCircuit:
    """Return a circuit with a qubit that is measured as 1."""
    circuit = QuantumCircuit(1)
    circuit.x(0)
    circuit.measure_all()
    return circuit


def counts(backend: FleetBackend, shots: int) -> dict[str, int]:
    """Run a circuit, and wait in a coroutine and in a thread."""
    job = backend.run(excited(), shots=shots)

    async def awaited() -> Any:
        return await job

    found: dict[str, int] = asyncio.run(awaited()).get_counts()
    assert job.result(timeout=60).success
    return found
