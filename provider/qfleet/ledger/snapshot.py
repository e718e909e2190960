# SPDX-License-Identifier: Apache-2.0
"""The state of a job at one read of the ledger."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, cast

import msgspec
import redis

from qfleet.errors import DamagedDataError
from qfleet.ledger.new_job import NewJob
from qfleet.wire.redis.fields import JobField
from qfleet.wire.redis.references import id_of
from qfleet.wire.redis.states import FINAL_STATES, SHARD_STATES

SUMMARY_FIELDS: Final = (
    *(JobField.count(state) for state in SHARD_STATES),
    JobField.STOPPING,
    JobField.BACKEND,
    JobField.OUTPUT,
    JobField.CREATED,
    JobField.ENDED,
    JobField.CIRCUITS,
    JobField.CIRCUITS_DONE,
    JobField.TAGS,
    JobField.ERROR,
    JobField.TENANT,
    JobField.WEIGHT,
    JobField.HELD,
    JobField.BEGAN,
    JobField.USAGE,
    JobField.REFUSED,
)
#: The weight of a job from a client of version 0.1, which has none.
_PLAIN_WEIGHT: Final = 2
#: The last second that a date may have.
END_OF_TIME: Final = 253_402_300_799
_tags_decoder = msgspec.json.Decoder(tuple[str, ...])


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The state of a job at one read of the ledger."""

    backend: str
    #: the output of each circuit: `qfleet.wire.messages.request.Output`
    output: str
    #: the number of shards in each Celery state; a cancelled shard with a live process counts as STARTED
    states: Mapping[str, int]
    circuits: int
    circuits_done: int
    #: seconds since the epoch
    created: float
    #: seconds since the epoch; ``None`` until all shards have ended
    ended: float | None
    tags: tuple[str, ...]
    #: the first error; empty if there is none
    error: str
    #: empty for a job from a client of version 0.1
    tenant: str = ""
    #: the weight among the tenant's jobs
    weight: int = _PLAIN_WEIGHT
    #: the reason why no shard of it is chosen; empty if there is none
    held: str = ""
    #: seconds since the epoch; ``None`` until a shard has begun
    began: float | None = None
    #: core seconds that its shards have taken; ``None`` if workers of version 0.1 ran them
    usage: float | None = 0.0
    #: the quota that it would have exceeded, the figure and the limit, with spaces between; empty for other jobs
    refused: str = ""

    @property
    def is_final(self) -> bool:
        """Tell whether every shard has ended."""
        return all(state in FINAL_STATES for state, count in self.states.items() if count)

    @property
    def is_settled(self) -> bool:
        """Tell whether the job can't change; one with failures may be retried."""
        return self.is_final and not self.states["FAILURE"]


@dataclass(frozen=True, slots=True)
class JobSummary:
    """An entry of the list of jobs."""

    #: the job's reference
    job_id: str
    snapshot: Snapshot


def read_snapshot(job_id: str, answer: object) -> Snapshot | None:
    """Return a job's state in an answer; ``None`` without a job.

    Args:
        job_id: the job.
        answer: the values of `SUMMARY_FIELDS`, or an error.

    Raises:
        DamagedDataError: the answer isn't that of a job.
    """
    try:
        if isinstance(answer, Exception):  # the key isn't a hash
            raise answer
        return _snapshot(cast("Sequence[bytes | None]", answer))
    except (ValueError, redis.ResponseError, msgspec.MsgspecError) as exc:
        shown = id_of(job_id)
        raise DamagedDataError(
            f"what Redis holds of job {shown} can't be read: {exc}. `qfleet doctor` says how to remove it",
            job_id=shown,
        ) from exc


def _snapshot(fields: Sequence[bytes | None]) -> Snapshot | None:
    values = dict(zip(SUMMARY_FIELDS, fields, strict=True))
    backend, created, circuits = (values[f] for f in (JobField.BACKEND, JobField.CREATED, JobField.CIRCUITS))
    if backend is None or created is None or circuits is None:
        return None
    began, ended, made = values[JobField.BEGAN], values[JobField.ENDED], read_time(created)
    states: dict[str, int] = {state: int(values[JobField.count(state)] or 0) for state in SHARD_STATES}
    # A cancelled shard hasn't ended before its process has.
    stopping = int(values[JobField.STOPPING] or 0)
    states["STARTED"] += stopping
    states["REVOKED"] -= stopping
    numbers = {"circuits": int(circuits), "circuits done": int(values[JobField.CIRCUITS_DONE] or 0)} | states
    numbers["weight"] = int(values[JobField.WEIGHT] or _PLAIN_WEIGHT)
    for name, number in numbers.items():
        if not 0 <= number < 2**53:
            raise ValueError(f"{number} {name}")
    return Snapshot(
        backend=backend.decode(),
        output=(values[JobField.OUTPUT] or b"").decode(),
        states=states,
        circuits=numbers["circuits"],
        circuits_done=numbers["circuits done"],
        created=made,
        ended=read_time(ended) if ended else None,
        tags=_tags_decoder.decode(values[JobField.TAGS] or b"[]"),
        error=(values[JobField.ERROR] or b"").decode(),
        tenant=(values[JobField.TENANT] or b"").decode(),
        weight=numbers["weight"],
        held=(values[JobField.HELD] or b"").decode(),
        began=_read_beginning(began, made),
        usage=_read_usage(values[JobField.USAGE], states["SUCCESS"]),
        refused=(values[JobField.REFUSED] or b"").decode(),
    )


def _read_beginning(began: bytes | None, created: float) -> float | None:
    """Return the time when a job began. Raises ValueError."""
    return min(max(created, float(began)), END_OF_TIME) if began else None


def first_snapshot(job: NewJob, created: float) -> Snapshot:
    """Return a job's state when it was stored.

    Args:
        job: the job.
        created: the time of its creation by Redis's clock, in seconds since the epoch.
    """
    record = job.record
    states: dict[str, int] = dict.fromkeys(SHARD_STATES, 0)
    return Snapshot(
        backend=record.backend,
        output=record.output,
        states=states | {"PENDING": len(job.shards)},
        circuits=record.num_circuits,
        circuits_done=0,
        created=created,
        ended=None if job.shards else created,
        tags=record.tags,
        error="",
        tenant=job.tenant,
        weight=job.weight,
    )


def _read_usage(text: bytes | None, succeeded: int) -> float | None:
    """Return a job's core seconds. Raises ValueError.

    Args:
        text: the field of the ledger.
        succeeded: how many of the job's shards gave a result.
    """
    if text is None:
        return None if succeeded else 0.0
    usage = float(text)
    if not 0 <= usage < math.inf:
        raise ValueError(f"{usage!r} isn't a number of core seconds")
    return usage


def last_snapshot(first: Snapshot, ended: bytes, began: bytes, usage: bytes) -> Snapshot:
    """Return the state of a job of one shard after its success.

    Args:
        first: the job's state when it was stored.
        ended: the time of its end, as the ledger has it.
        began: the time when it began.
        usage: the core seconds that it took.

    Raises:
        ValueError: these aren't times and seconds.
    """
    return replace(
        first,
        states=dict.fromkeys(first.states, 0) | {"SUCCESS": 1},
        circuits_done=first.circuits,
        ended=read_time(ended),
        began=_read_beginning(began, first.created),
        usage=_read_usage(usage, 1),
    )


def read_time(text: bytes) -> float:
    """Return a time in seconds since the epoch. Raises ValueError."""
    time = float(text)
    if not 0 <= time < END_OF_TIME:
        raise ValueError(f"{time!r} isn't a time")
    return time
