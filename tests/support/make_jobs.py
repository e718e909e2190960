# SPDX-License-Identifier: Apache-2.0
"""Jobs, shards and results as they are stored, made without circuits.

Each maker fills in the fields that a test doesn't name. Tests construct none of these messages themselves, so a new
field of a message changes only its maker.
"""

from __future__ import annotations

import json
import time
import uuid
from typing import Any

import msgspec
import numpy as np
import redis
from picker import Picker

from qfleet.ledger import CircuitRecord, JobRecord, NewJob, PubRecord
from qfleet.ledger.record import encode_record
from qfleet.wire.codec.shards import decode_work, encode_shard
from qfleet.wire.messages.presence import Presence
from qfleet.wire.messages.request import Output, Precision, Request
from qfleet.wire.messages.result import CircuitResult, ShardResult
from qfleet.wire.messages.work import CircuitWork, ShardWork
from qfleet.wire.redis import keys
from qfleet.wire.redis.fields import JobField
from qfleet_worker.picked import ClaimedShard, Picked
from qfleet_worker.store import Store


def make_circuit_record(**changed: Any) -> CircuitRecord:
    """Return the record of a circuit of one qubit and one clbit."""
    fields: dict[str, Any] = {
        "name": "c",
        "num_qubits": 1,
        "num_clbits": 1,
        "qregs": (),
        "cregs": (),
        "global_phase": 0.0,
        "metadata": {},
        "measured": True,
        "shots": 10,
        "seed": 1,
        "required_bytes": 1,
    }
    return CircuitRecord(**fields | changed)


def make_job_record(
    *circuits: CircuitRecord,
    output: Output = "counts",
    precision: Precision = "double",
    memory: bool = False,
    pubs: tuple[PubRecord, ...] = (),
    **changed: Any,
) -> JobRecord:
    """Return the record of a job of circuits."""
    fields: dict[str, Any] = {
        "backend": "automatic",
        "created": 100.0,
        "method": "automatic",
        "tags": (),
        "metadata": {},
    }
    return JobRecord(
        output=output, precision=precision, memory=memory, circuits=circuits, pubs=pubs, **fields | changed
    )


def make_circuit_work(index: int = 0, **changed: Any) -> CircuitWork:
    """Return the work of running the program named "p"."""
    return CircuitWork(**{"index": index, "program": "p", "shots": 10, "seed": 1} | changed)


def make_shard_work(
    *circuits: CircuitWork,
    output: Output = "counts",
    precision: Precision = "double",
    memory: bool = False,
    threads: int = 1,
) -> ShardWork:
    """Return the work of a shard with one request for all circuits."""
    return ShardWork(circuits, (Request(Output(output), "automatic", precision, memory),), threads)


def make_circuit_result(index: int = 0, **changed: Any) -> CircuitResult:
    """Return the result of a circuit, without data."""
    fields: dict[str, Any] = {"index": index, "first_shot": 0, "shots": 10, "seconds": 0.5, "engine": "numpy"}
    return CircuitResult(**fields | changed)


def make_presence(name: str = "unit@test", **changed: Any) -> Presence:
    """Return a worker's presence."""
    return Presence(**{"name": name, "version": "1.0", "concurrency": 1, "memory_bytes": 1, "seen": 0.0} | changed)


def make_job(shards: int = 2, *, circuits: int | None = None, blocks: int = 1, **changed: Any) -> NewJob:
    """Return a new job of some shards.

    Args:
        shards: how many shards the job has.
        circuits: how many circuits the job has; by default one for each shard.
        blocks: into how many shards each circuit's shots are cut.
        changed: fields of the record (created, tags, metadata) or of the job that are set to something else.
    """
    number = circuits if circuits is not None else -(-shards // blocks)
    record = make_job_record(
        *(
            make_circuit_record(
                name=f"circuit-{index}", qregs=(("q", 1),), cregs=(("c", 1),), shots=10 * blocks, seed=index
            )
            for index in range(number)
        ),
        created=changed.pop("created", time.time()),
        tags=changed.pop("tags", ()),
        metadata=changed.pop("metadata", {}),
    )
    work = [
        make_shard_work(make_circuit_work(shard // blocks, first_shot=10 * (shard % blocks), blocks=blocks))
        for shard in range(shards)
    ]
    fields: dict[str, Any] = {
        "job_id": str(uuid.uuid4()),
        "record": record,
        "retention": 1000,
        "shards": work,
        "programs": {"p": b"program"},
        "tenant": "alice",
    }
    return NewJob(**fields | changed)


def store_as_0_1(client: redis.Redis, job: NewJob) -> None:
    """Store a job as a client of version 0.1 did.

    Messages name its shards, and it says when it was made.
    """
    key, shards, work, programs, _ = keys.of_job(job.job_id)
    record, number = job.record, len(job.shards)
    ledger = {
        JobField.BACKEND: record.backend,
        JobField.OUTPUT: record.output,
        JobField.CREATED: repr(record.created),
        JobField.RETENTION: job.retention,
        JobField.CIRCUITS: record.num_circuits,
        JobField.CIRCUITS_DONE: 0,
        JobField.SHARDS: number,
        JobField.TAGS: json.dumps(record.tags),
        JobField.RECORD: encode_record(record),
        JobField.count("PENDING"): number,
    }
    client.hset(key, mapping=ledger)
    client.hset(shards, mapping={f"{index}:state": "PENDING" for index in range(number)})
    client.hset(work, mapping={str(index): encode_shard(shard) for index, shard in enumerate(job.shards)})
    client.hset(programs, mapping=dict(job.programs))
    for listed in (keys.ACTIVE, keys.jobs("")):
        client.zadd(listed, {job.job_id: record.created})
    client.zadd(keys.ids(""), {job.job_id: 0})


def claim_shard(client: redis.Redis, job_id: str, index: int, worker: str = "unit@test") -> ClaimedShard:
    """Claim a certain shard that waits, of a job of any version.

    Args:
        client: the Redis that has the job.
        job_id: the job.
        index: the shard's place in the job.
        worker: the name of the worker that gets it.
    """
    if not client.hexists(keys.job(job_id), JobField.TIERS):
        taken = Store(client, worker).take(job_id, index)
        assert taken is not None
        return taken
    # Those that are chosen before it are handed back.
    picker, others = Picker(client, worker), list[Picked]()
    while (choice := picker.choose(None)) and (choice.job_id, choice.index) != (job_id, index):
        others.append(choice)
    for other in others:
        picker.scripts.call("release", other.job_id, other.index, other.owner)
    return ClaimedShard(job_id, index, choice.owner, choice.attempt, choice.work, choice.cause)


def run_shard(client: redis.Redis, job_id: str, index: int, error: str = "") -> bool:
    """Do a worker's part for one shard without a worker.

    Each circuit of the shard gives 0 in all its shots, or fails.

    Args:
        client: the Redis that has the job.
        job_id: the job.
        index: the shard's place in the job.
        error: the text of each circuit's error; empty if the circuits run.

    Returns:
        True if the result was stored.
    """
    taken = claim_shard(client, job_id, index)
    circuits = decode_work(taken.work).circuits
    results = [
        make_circuit_result(circuit.index, first_shot=circuit.first_shot, shots=circuit.shots) for circuit in circuits
    ]
    if error:
        results = [msgspec.structs.replace(result, error=error) for result in results]
    else:
        results = [
            msgspec.structs.replace(result, outcomes=b"\0", counts=np.array([result.shots], "<i8").tobytes())
            for result in results
        ]
    return Store(client, "unit@test").finish(
        taken,
        encode_shard(ShardResult(circuits=tuple(results))),
        whole=0 if error else sum(circuit.blocks == 1 for circuit in circuits),
        blocks=[] if error else [(circuit.index, circuit.blocks) for circuit in circuits if circuit.blocks > 1],
        error=error,
    )
