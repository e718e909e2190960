# SPDX-License-Identifier: Apache-2.0
"""Jobs as the ledger stores them, made without circuits."""

from __future__ import annotations

import time
import uuid
from typing import Any

from qfleet.queue import CircuitRecord, JobRecord, NewJob
from qfleet.wire.shard import CircuitWork, ShardWork


def new_job(shards: int = 2, *, circuits: int | None = None, blocks: int = 1, **changed: Any) -> NewJob:
    """A job of ``shards`` shards.

    One circuit for each; or, with ``blocks``, one circuit for each ``blocks`` shards, a block of its shots in each.
    """
    number = circuits if circuits is not None else -(-shards // blocks)
    record = JobRecord(
        backend="automatic",
        created=changed.pop("created", time.time()),
        output="counts",
        precision="double",
        memory=False,
        method="automatic",
        tags=changed.pop("tags", ()),
        metadata=changed.pop("metadata", {}),
        circuits=tuple(
            CircuitRecord(
                name=f"circuit-{index}",
                num_qubits=1,
                num_clbits=1,
                qregs=(("q", 1),),
                cregs=(("c", 1),),
                global_phase=0.0,
                metadata={},
                measured=True,
                shots=10 * blocks,
                seed=index,
                required_bytes=1,
            )
            for index in range(number)
        ),
    )
    work = [
        ShardWork(
            circuits=(
                CircuitWork(
                    index=shard // blocks,
                    program="p",
                    shots=10,
                    seed=1,
                    first_shot=10 * (shard % blocks),
                    blocks=blocks,
                ),
            ),
            output="counts",
            precision="double",
            memory=False,
            threads=1,
        )
        for shard in range(shards)
    ]
    fields: dict[str, Any] = {
        "job_id": str(uuid.uuid4()),
        "record": record,
        "retention": 1000,
        "shards": work,
        "programs": {"p": b"program"},
    }
    return NewJob(**fields | changed)
