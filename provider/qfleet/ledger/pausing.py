# SPDX-License-Identifier: Apache-2.0
"""Pauses of jobs: none of a paused job's shards is chosen."""

from __future__ import annotations

from typing import Any

from qfleet.wire.lua import Scripts
from qfleet.wire.redis.keys import PAUSED


def pause(client: Any, job_id: str) -> bool:
    """Let no further shard of a job be chosen. Raises redis-py's errors.

    Args:
        client: a ``redis.Redis``.
        job_id: the job.

    Returns:
        False if nothing was changed: the job is paused, has no shard left to end, comes from a client of version 0.1,
        or isn't there.
    """
    return bool(Scripts(client).call("hold", job_id, PAUSED))


def resume(client: Any, job_id: str) -> bool:
    """Let a paused job's shards be chosen again. Raises redis-py's errors.

    Args:
        client: a ``redis.Redis``.
        job_id: the job.

    Returns:
        False if the job wasn't paused.
    """
    return bool(Scripts(client).call("let_go", job_id, PAUSED))
