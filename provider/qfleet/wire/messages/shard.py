# SPDX-License-Identifier: Apache-2.0
"""The messages between client and worker: the work of a shard, and its result.

A shard is the unit that the queue carries: some circuits of one job, run by one worker as one Celery task. Shards and
results are blobs in Redis (`qfleet.wire.redis.keys`); the Celery message holds the job id and the shard's index only.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

from msgspec import Meta, Struct
from msgspec.structs import replace

from qfleet.wire.program.saves import MAX_SAVES, Saved

#: The Celery task that runs a shard; its arguments are ``(job_id, shard_index)``.
RUN_SHARD = "qfleet.run_shard"

#: What comes back of a circuit: counts; counts and the final state; the unitary of the whole circuit; each shot's bits;
#: or the means of observables, which its program saves at its end.
Output = Literal["counts", "statevector", "unitary", "bits", "means"]
Precision = Literal["double", "single"]
#: Those that Qiskit's primitives ask for.
PRIMITIVE_OUTPUTS: Final = frozenset({"bits", "means"})

#: Shards of a job at most: scripts loop over them, and Redis does nothing else meanwhile.
MAX_SHARDS = 1_000_000

#: Circuit k of a job is seeded with the job's seed and this times k: Aer's rule.
SEED_STEP = 2113

#: What is counted is below this.
MAX_COUNT: Final = 2**31
MAX_SEED: Final = 2**63 - 1

Count = Annotated[int, Meta(ge=0, lt=MAX_COUNT)]
Positive = Annotated[int, Meta(ge=1, lt=MAX_COUNT)]
Seed = Annotated[int, Meta(ge=0, le=MAX_SEED)]
Name = Annotated[str, Meta(min_length=1, max_length=128)]
Text = Annotated[str, Meta(max_length=4096)]


class CircuitWork(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A circuit to run at one or more points, each a circuit of the job; or a block of its shots at one point."""

    #: position of the first point in the job, from 0
    index: Count
    #: content hash that names the program's blob
    program: Name
    shots: Positive
    #: seeds the first point's own randomness, whatever shard it travels in; the others' follow by `SEED_STEP`
    seed: Seed
    #: the block is the circuit's shots ``first_shot .. first_shot + shots - 1``
    first_shot: Count = 0
    #: how many blocks the circuit's shots are cut into
    blocks: Positive = 1
    points: Positive = 1
    #: float64, little-endian, shape (points, num_parameters): what the program's parameters are, in radians
    values: bytes = b""
    #: int32, shape (1 or points, columns): which of the observables' means are wanted at all points, or at each; empty
    #: for all of them. Points that are wanted the same of are faster.
    wanted: bytes = b""
    #: how many means are wanted at a point, where ``wanted`` says which
    columns: Count = 0


def cut(work: CircuitWork, first: int, points: int) -> CircuitWork:
    """Some of a circuit's points, ``first`` being the number of the first."""
    if points == work.points:
        return work
    width = len(work.values) // work.points
    row = 4 * work.columns if len(work.wanted) == 4 * work.columns * work.points else 0
    return replace(
        work,
        index=work.index + first,
        seed=work.seed + SEED_STEP * first,
        points=points,
        values=work.values[first * width : (first + points) * width],
        wanted=work.wanted[first * row : (first + points) * row] if row else work.wanted,
    )


class ShardWork(Struct, frozen=True, forbid_unknown_fields=True):
    """What one task has to do. The options hold for each of its circuits."""

    circuits: Annotated[tuple[CircuitWork, ...], Meta(min_length=1, max_length=100_000)]
    output: Output
    precision: Precision
    #: also return each shot's outcome, in order
    memory: bool
    #: threads for matrix multiplication; 0 = all cores of the worker's machine
    threads: Annotated[int, Meta(ge=0, le=1024)]


class CircuitResult(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The outcome of points of a `CircuitWork`: their data, one after the other, or the error that stopped them."""

    #: of the first point
    index: Count
    first_shot: Count
    #: of each point
    shots: Positive
    #: seconds of simulation of all points, queueing and transport excluded
    seconds: Annotated[float, Meta(ge=0)]
    #: the engine that ran it, for the result's metadata
    engine: Annotated[str, Meta(max_length=128)]
    #: why this engine, for the result's metadata
    engine_reason: Text = ""
    #: empty if the circuit ran; else what went wrong, for the user
    error: Text = ""
    points: Positive = 1
    #: int64, shape (points,): how many distinct outcomes each point has; empty for one point
    distinct: bytes = b""
    #: uint8, shape (distinct, ceil(num_clbits / 8)): each distinct outcome, clbit 0 in the lowest bit of the first byte
    outcomes: bytes = b""
    #: int64, shape (distinct,): how often each outcome was seen
    counts: bytes = b""
    #: uint32, shape (shots,): each shot's row in ``outcomes``; empty unless asked for
    memory: bytes = b""
    #: complex128 or complex64 by precision: shape (2**num_qubits,) or (2**num_qubits, 2**num_qubits); empty for counts
    amplitudes: bytes = b""
    #: uint8, shape (points, shots, ceil(num_clbits / 8)): each shot's outcome, as in ``outcomes``
    bits: bytes = b""
    #: float64, shape (points, columns): means over the shots; with squares, shape (points, 2, columns)
    means: bytes = b""
    #: what each of the program's saves gave, in their order; of one point only
    saved: Annotated[tuple[Saved, ...], Meta(max_length=MAX_SAVES)] = ()


class ShardResult(Struct, frozen=True, forbid_unknown_fields=True):
    """The outcomes of a shard's circuits, in the order of its work."""

    circuits: Annotated[tuple[CircuitResult, ...], Meta(min_length=1, max_length=100_000)]
