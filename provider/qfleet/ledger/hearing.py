# SPDX-License-Identifier: Apache-2.0
"""The request to be told of a job's moves."""

from __future__ import annotations

from typing import Any

from qfleet.wire.lua import plain_script
from qfleet.wire.redis import keys
from qfleet.wire.redis.keys import JobField


def hear(client: Any, job_id: str, *, is_own: bool, moves: bool) -> None:
    """Have a job announced from now on. Raises redis-py's errors.

    Args:
        client: a ``redis.Redis``.
        job_id: the job.
        is_own: true if this process sent the job, and so hears of its end anyway.
        moves: true to hear of each move, not only of the last.
    """
    wanted = [JobField.HEARD] * (not is_own) + [JobField.MOVES] * moves
    if wanted:
        client.register_script(plain_script("hear"))(keys=[keys.job(job_id)], args=wanted)
