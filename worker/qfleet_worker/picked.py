# SPDX-License-Identifier: Apache-2.0
"""The shards of a worker, and the answers to its questions."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple


@dataclass(frozen=True, slots=True)
class Picked:
    """A shard that was chosen for this worker, and that it holds."""

    job_id: str
    index: int
    #: the name of this attempt, which alone may store the result
    owner: str
    #: the number of the attempt, from 1
    attempt: int
    #: the cause of the previous attempt's end, if it is known
    cause: str
    tenant: str
    #: bytes that the shard may use
    need: int
    #: the predicted core seconds that its tenant was charged with
    seconds: float
    #: the blob of a `qfleet.wire.messages.work.ShardWork`; empty if it is large and must be read
    work: bytes
    #: the number of circuits that its job is said to have; ``None`` if that isn't known
    circuits: int | None = None
    #: whether others wait, of any size
    others_wait: bool = False


class Question(NamedTuple):
    """A choice that is asked for, whose answer comes later."""

    #: the name of the attempt, should a shard be chosen
    owner: str
    #: the Redis command
    command: tuple[object, ...]


class Later(NamedTuple):
    """The answer that no shard fits into the free memory."""

    #: the lowest tier in which nothing fits; no shard waits in the tiers below it
    tier: int


def read_choice(owner: str, answer: Sequence[Any]) -> Picked | Later | None:
    """Return the choice that an answer of the script ``pick`` tells.

    Args:
        owner: the name of the attempt.
        answer: the script's answer.

    Returns:
        ``None`` if no shard waits.
    """
    if len(answer) < 3:
        return Later(int(answer[1])) if len(answer) == 2 else None
    job_id, index, attempt, cause, tenant, need, seconds, work, circuits, others = answer
    return Picked(
        job_id=job_id.decode("ascii", "replace"),
        index=int(index),
        owner=owner,
        attempt=int(attempt),
        cause=cause.decode("utf-8", "replace"),
        tenant=tenant.decode("ascii", "replace"),
        need=int(need),
        seconds=float(seconds),
        work=work,
        circuits=int(circuits) if circuits.isdigit() else None,
        others_wait=bool(others),
    )


@dataclass(frozen=True, slots=True)
class ClaimedShard:
    """A shard that this process holds and may run."""

    job_id: str
    index: int
    #: the name of this attempt, which alone may store the result
    owner: str
    #: the number of the attempt, from 1
    attempt: int
    #: the blob of a `qfleet.wire.messages.work.ShardWork`
    work: bytes
    #: the cause of the previous attempt's end, if it is known
    cause: str = ""
    #: bytes that the shard may use; 0 for this process's part of the worker's memory
    grant: int = 0
    #: threads that the shard may use; 0 for all cores
    threads: int = 0
    #: the processor time of this process, of all its threads, when it got the shard
    began: float = field(default_factory=time.process_time, compare=False)
    #: the number of circuits that its job is said to have; ``None`` if that isn't known
    circuits: int | None = None
