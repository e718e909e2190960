# SPDX-License-Identifier: Apache-2.0
"""The answers to a worker that asks what it shall run next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


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


class Later(NamedTuple):
    """The answer that no shard fits into the free memory."""

    #: the lowest tier in which nothing fits; no shard waits in the tiers below it
    tier: int
