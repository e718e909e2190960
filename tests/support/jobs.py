# SPDX-License-Identifier: Apache-2.0
"""Jobs as the ledger stores them, made without circuits."""

from __future__ import annotations

import time
import uuid
from typing import Any

import msgspec
import numpy as np
import redis

from qfleet.ledger import CircuitRecord, JobRecord, NewJob
from qfleet.wire.codec.shards import decode_work, encode_shard
from qfleet.wire.messages.result import CircuitResult, ShardResult
from qfleet.wire.messages.work import CircuitWork, ShardWork
from qfleet_worker.store import Store


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


def run_shard(client: redis.Redis, job_id: str, index: int, error: str = "") -> bool:
    """Do a worker's part without one: each circuit of the shard gives 0 in all its shots, or fails.

    Returns whether the result was stored.
    """
    store = Store(client, "unit@test")
    taken = store.take(job_id, index)
    assert taken is not None
    circuits = decode_work(taken.work).circuits
    results = [
        CircuitResult(index=circuit.index, first_shot=circuit.first_shot, shots=circuit.shots, seconds=0.1, engine="e")
        for circuit in circuits
    ]
    if error:
        results = [msgspec.structs.replace(result, error=error) for result in results]
    else:
        results = [
            msgspec.structs.replace(result, outcomes=b"\0", counts=np.array([result.shots], "<i8").tobytes())
            for result in results
        ]
    return store.finish(
        taken,
        encode_shard(ShardResult(circuits=tuple(results))),
        whole=0 if error else sum(circuit.blocks == 1 for circuit in circuits),
        blocks=[] if error else [(circuit.index, circuit.blocks) for circuit in circuits if circuit.blocks > 1],
        error=error,
    )
