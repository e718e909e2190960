# SPDX-License-Identifier: Apache-2.0
"""The messages between client and worker: the work of a shard, and its result.

A shard is the unit that the queue carries: some circuits of one job, run by one worker as one Celery task. Shards and
results are blobs in Redis (`qfleet.wire.keys`); the Celery message holds the job id and the shard's index only.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from qfleet.wire.formulas import MAX_PARAMETERS
from qfleet.wire.saves import MAX_SAVES, Saved

#: The Celery task that runs a shard; its arguments are ``(job_id, shard_index)``.
RUN_SHARD = "qfleet.run_shard"

Output = Literal["counts", "statevector", "unitary"]
Precision = Literal["double", "single"]

Count = Annotated[int, Meta(ge=0, lt=2**31)]
Positive = Annotated[int, Meta(ge=1, lt=2**31)]
Seed = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Name = Annotated[str, Meta(min_length=1, max_length=128)]
Text = Annotated[str, Meta(max_length=4096)]


class CircuitWork(Struct, frozen=True, forbid_unknown_fields=True):
    """One circuit to run, or a block of its shots."""

    #: position of the circuit in the job, from 0
    index: Count
    #: content hash that names the program's blob
    program: Name
    shots: Positive
    #: seeds the circuit's own randomness, whatever shard it travels in
    seed: Seed
    #: the block is the circuit's shots ``first_shot .. first_shot + shots - 1``
    first_shot: Count = 0
    #: how many blocks the circuit's shots are cut into
    blocks: Positive = 1
    #: float64, little-endian, shape (num_parameters,): what the program's parameters are, in radians
    values: Annotated[bytes, Meta(max_length=8 * MAX_PARAMETERS)] = b""


class ShardWork(Struct, frozen=True, forbid_unknown_fields=True):
    """What one task has to do. The options hold for each of its circuits."""

    circuits: Annotated[tuple[CircuitWork, ...], Meta(min_length=1, max_length=100_000)]
    #: what comes back: counts; counts and the final state; or the unitary of the whole circuit
    output: Output
    precision: Precision
    #: also return each shot's outcome, in order
    memory: bool
    #: threads for matrix multiplication; 0 = all cores of the worker's machine
    threads: Annotated[int, Meta(ge=0, le=1024)]


class CircuitResult(Struct, frozen=True, forbid_unknown_fields=True):
    """The outcome of one `CircuitWork`: its data, or the error that stopped it."""

    index: Count
    first_shot: Count
    shots: Positive
    #: seconds of simulation, queueing and transport excluded
    seconds: Annotated[float, Meta(ge=0)]
    #: the engine that ran it, for the result's metadata
    engine: Annotated[str, Meta(max_length=128)]
    #: why this engine, for the result's metadata
    engine_reason: Text = ""
    #: empty if the circuit ran; else what went wrong, for the user
    error: Text = ""
    #: uint8, shape (distinct, ceil(num_clbits / 8)): each distinct outcome, clbit 0 in the lowest bit of the first byte
    outcomes: bytes = b""
    #: int64, shape (distinct,): how often each outcome was seen
    counts: bytes = b""
    #: uint32, shape (shots,): each shot's row in ``outcomes``; empty unless asked for
    memory: bytes = b""
    #: complex128 or complex64 by precision: shape (2**num_qubits,) or (2**num_qubits, 2**num_qubits); empty for counts
    amplitudes: bytes = b""
    #: what each of the program's saves gave, in their order
    saved: Annotated[tuple[Saved, ...], Meta(max_length=MAX_SAVES)] = ()


class ShardResult(Struct, frozen=True, forbid_unknown_fields=True):
    """The outcomes of a shard's circuits, in the order of its work."""

    circuits: Annotated[tuple[CircuitResult, ...], Meta(min_length=1, max_length=100_000)]
