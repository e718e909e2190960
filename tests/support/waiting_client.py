# SPDX-License-Identifier: Apache-2.0
"""A separate process that waits for its job.

It waits in a thread, in a coroutine, and circuit by circuit. It prints the job's id, and then the counts, as JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from circuits import bell, wide
from qiskit import QuantumCircuit

from qfleet import FleetBackend, FleetJob, FleetProvider

SHOTS = 500


def circuits() -> list[QuantumCircuit]:
    """Return a circuit that runs for about a second, and small ones."""
    return [wide(20, "steady", layers=160), *(bell(f"bell-{number}") for number in range(8))]


def submit(backend: FleetBackend) -> FleetJob:
    """Return the job, whose counts are the same each time."""
    return backend.run(circuits(), shots=SHOTS, seed_simulator=7, max_job_size=1)


def counts(job: FleetJob) -> list[Mapping[str, int]]:
    """Return the counts of each circuit."""
    return [part.data.counts for part in job.result().results]


def main(url: str) -> None:
    """Submit the job, and wait for it."""

    async def awaited() -> None:
        await job

    def each() -> list[Mapping[str, int]]:
        found = {index: part.data.counts for index, part in job.as_completed()}
        return [found[index] for index in sorted(found)]

    with FleetProvider(url) as provider, ThreadPoolExecutor(3) as pool:
        job = submit(provider.get_backend("automatic"))
        print(json.dumps(job.job_id()), flush=True)
        by_thread = pool.submit(counts, job)
        by_coroutine = pool.submit(asyncio.run, awaited())
        by_circuit = pool.submit(each)
        by_coroutine.result()
        print(json.dumps([by_thread.result(), by_circuit.result()]), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
