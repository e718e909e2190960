# SPDX-License-Identifier: Apache-2.0
"""The work of a shard.

A shard is the unit that the queue carries: some circuits of one job, run by one worker as one Celery task. Shards are
blobs in Redis (`qfleet.wire.redis.keys`); the Celery message holds the job id and the shard's index only.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct, field
from msgspec.structs import replace

from qfleet.wire.limits import MAX_POINTS, MAX_REQUESTS, Count, Name, Positive, Seed
from qfleet.wire.messages.request import Request

#: The Celery task that runs a shard; its arguments are ``(job_id, shard_index)``.
RUN_SHARD = "qfleet.run_shard"

#: Circuit k of a job is seeded with the job's seed and this times k: Aer's rule.
SEED_STEP = 2113

Threads = Annotated[int, Meta(ge=0, le=1024)]


class CircuitWork(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A circuit to run at one or more points.

    Each point is a circuit of the job. At one point, the work may be a block of the circuit's shots.
    """

    #: position of the first point in the job, from 0
    index: Count
    #: content hash that names the program's blob
    program: Name
    shots: Positive
    #: the seed of the first point, in any shard; those of the other points follow by `SEED_STEP`
    seed: Seed
    #: the block has the circuit's shots ``first_shot .. first_shot + shots - 1``
    first_shot: Count = 0
    #: the number of blocks of the circuit's shots
    blocks: Positive = 1
    points: Positive = 1
    #: float64, little-endian, shape (points, num_parameters): the values of the program's parameters, in radians
    values: bytes = b""
    #: int32, little-endian, shape (1 or points, num_observables): the observables whose expectation values are computed
    #: at all points, or at each; empty for all of them. Points with the same ones run faster.
    observables: bytes = field(default=b"", name="wanted")
    #: the number of observables of a point, if ``observables`` names them
    num_observables: Count = field(default=0, name="columns")
    #: the place of the circuit's request among the shard's
    request: Count = 0


def take_points(work: CircuitWork, first: int, points: int) -> CircuitWork:
    """Return some of a circuit's points.

    Args:
        work: the circuit.
        first: the first point to take, from 0.
        points: the number of points to take.
    """
    if points == work.points:
        return work
    width = len(work.values) // work.points
    row = 4 * work.num_observables if len(work.observables) == 4 * work.num_observables * work.points else 0
    return replace(
        work,
        index=work.index + first,
        seed=work.seed + SEED_STEP * first,
        points=points,
        values=work.values[first * width : (first + points) * width],
        observables=work.observables[first * row : (first + points) * row] if row else work.observables,
    )


class ShardWork(Struct, frozen=True, forbid_unknown_fields=True):
    """The work of one task."""

    circuits: Annotated[tuple[CircuitWork, ...], Meta(min_length=1, max_length=MAX_POINTS)]
    #: each request once; circuits refer to them by their places
    requests: Annotated[tuple[Request, ...], Meta(min_length=1, max_length=MAX_REQUESTS)]
    #: threads that a circuit may use; 0 = as many as the worker gives the shard
    threads: Threads

    def request_of(self, circuit: CircuitWork) -> Request:
        """Return the request for a circuit of this shard."""
        return self.requests[circuit.request]
