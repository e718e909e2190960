# SPDX-License-Identifier: Apache-2.0
"""The work of a shard.

A shard is the unit that the queue carries: some circuits of one job, run by one worker as one Celery task. Shards are
blobs in Redis (`qfleet.wire.redis.keys`); the Celery message holds the job id and the shard's index only.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct
from msgspec.structs import replace

from qfleet.wire.limits import Count, Name, Positive, Seed
from qfleet.wire.messages.request import Output, Precision

#: The Celery task that runs a shard; its arguments are ``(job_id, shard_index)``.
RUN_SHARD = "qfleet.run_shard"

#: Circuit k of a job is seeded with the job's seed and this times k: Aer's rule.
SEED_STEP = 2113


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
