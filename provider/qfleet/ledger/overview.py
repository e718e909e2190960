# SPDX-License-Identifier: Apache-2.0
"""The states of jobs and their places, read together."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cache
from typing import Any, Final, NamedTuple

import redis
from redis.exceptions import NoScriptError

from qfleet.errors import DamagedDataError
from qfleet.ledger.place import Place, place_of
from qfleet.ledger.snapshot import SUMMARY_FIELDS, Snapshot, read_snapshot
from qfleet.wire.lua import script
from qfleet.wire.redis import keys

#: The number of jobs that are read at once.
_PAGE: Final = 100


class Overview(NamedTuple):
    """The state of a job and its place, at one read."""

    #: ``None`` if the job isn't there, or can't be read
    snapshot: Snapshot | None
    #: ``None`` if the job is held, comes from a client of version 0.1, isn't there, or can't be read
    place: Place | None


def read_overviews(client: Any, job_ids: Sequence[str]) -> list[Overview]:
    """Return the overview of each job. Raises redis-py's errors.

    Args:
        client: a ``redis.Redis``.
        job_ids: the jobs; one round trip reads a hundred of them.
    """
    overviews: list[Overview] = []
    for start in range(0, len(job_ids), _PAGE):
        some = job_ids[start : start + _PAGE]
        answers = _ask(client, some)
        if any(isinstance(answer, NoScriptError) for answer in answers):
            # Redis has just started.
            client.script_load(script("place"))
            answers = _ask(client, some)
        overviews += map(_overview, some, answers[::2], answers[1::2])
    return overviews


def _ask(client: Any, job_ids: Sequence[str]) -> list[Any]:
    """Return two answers for each job: its fields and its place."""
    with client.pipeline(transaction=False) as pipe:
        for job_id in job_ids:
            pipe.hmget(keys.job(job_id), SUMMARY_FIELDS)
            pipe.evalsha(_place_sha(), 1, keys.job(job_id), job_id)
        answers: list[Any] = pipe.execute(raise_on_error=False)
    return answers


@cache
def _place_sha() -> str:
    return hashlib.sha1(script("place").encode(), usedforsecurity=False).hexdigest()


def _overview(job_id: str, fields: Any, place: Any) -> Overview:
    try:
        snapshot = read_snapshot(job_id, fields)
    except DamagedDataError:
        return Overview(None, None)
    if isinstance(place, redis.RedisError):
        raise place
    return Overview(snapshot, place_of(place))
