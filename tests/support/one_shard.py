# SPDX-License-Identifier: Apache-2.0
"""Jobs whose circuits travel together, whatever they are predicted to cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from qiskit import QuantumCircuit

from qfleet import FleetBackend, FleetJob
from qfleet.options import RunOptions
from qfleet.submission.prepare import prepare
from qfleet.wire.messages.request import Output
from qfleet.wire.messages.work import ShardWork


def run_in_one_shard(
    backend: FleetBackend, circuits: Sequence[QuantumCircuit], *, shots: int, seed: int | None = None
) -> FleetJob:
    """Run circuits as `FleetBackend.run` does, as one shard, which planning might cut."""
    options = RunOptions(shots=shots, seed_simulator=seed)
    new = prepare(
        circuits,
        options,
        backend_name=backend.name,
        output=Output.COUNTS,
        tags=(),
        metadata={},
        retention=3600,
    )
    (requests,) = {shard.requests for shard in new.shards}
    work = [circuit for shard in new.shards for circuit in shard.circuits]
    whole = ShardWork(tuple(work), requests, options.max_parallel_threads)
    job = FleetJob(backend, new.job_id, new=replace(new, shards=[whole], tiers=()))
    job.submit()
    return job
