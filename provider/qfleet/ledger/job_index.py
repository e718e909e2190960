# SPDX-License-Identifier: Apache-2.0
"""The ids of jobs in Redis, by time and by name. Ids of expired jobs stay for a while."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from typing import Any, Final

import redis

from qfleet.wire.redis import keys

#: An expired job's id is remembered this long after the job was made, unless there are more ids than `MOST_IDS`.
TOMBSTONE_SECONDS: Final = 90 * 86_400
MOST_IDS: Final = 100_000
#: Ids that a call looks at: the first, since most lists are short; where there are jobs; where all have expired. Redis
#: is busy for some milliseconds then.
_FIRST_SLICE: Final = 100
_MIXED_SLICE: Final = 500
_LARGEST_SLICE: Final = 4_000
_TRIMMED_AT_ONCE: Final = 1_000
#: Candidates for a short id that are told.
_CANDIDATES: Final = 8
#: The beginning of an id, which must not be a whole one.
_SHORT: Final = re.compile(r"[0-9a-f-]{4,35}")


class JobIndex:
    """The ids of the jobs in one Redis. Raises redis-py's errors as they come."""

    def __init__(self, client: redis.Redis) -> None:
        self._redis: Any = client
        self._slice = self._redis.register_script(_script("slice"))
        self._trim = self._redis.register_script(_script("trim"))

    def ids(self, oldest: float, newest: float, *, descending: bool, active: bool) -> Iterator[list[str]]:
        """Yield the ids of the jobs that were made in a span of time and haven't expired, some at a time.

        Each is there once, and none is left out because another one comes or goes meanwhile. Ids that aren't UTF-8 are
        left out: no client made them.

        Args:
            active: only those that are listed as active.
        """
        number = _FIRST_SLICE
        place: list[bytes] = []
        bounds = [repr(bound) if math.isfinite(bound) else "" for bound in (oldest, newest)]
        while True:
            arguments: list[Any] = [keys.job(""), *bounds, int(descending), number, _MIXED_SLICE, *place]
            last, score, *found = self._slice(keys=[keys.ACTIVE if active else keys.JOBS], args=arguments)
            yield [raw.decode() for raw in found if _is_utf8(raw)]
            if last is None:
                return
            place = [last, score]
            number = _MIXED_SLICE if found else min(4 * number, _LARGEST_SLICE)

    def starting_with(self, prefix: str) -> tuple[list[str], list[str]]:
        """Return ids of jobs, and ids of expired jobs, that begin with ``prefix``; not more than a few.

        A prefix of less than four characters finds nothing.
        """
        if not _SHORT.fullmatch(prefix):
            return [], []
        end = f"({prefix}\x7f"
        found = [raw.decode() for raw in self._redis.zrangebylex(keys.IDS, f"[{prefix}", end, 0, _CANDIDATES)]
        with self._redis.pipeline(transaction=False) as pipe:
            for job_id in found:
                pipe.exists(keys.job(job_id))
            there = pipe.execute()
        jobs = [job_id for job_id, exists in zip(found, there, strict=True) if exists]
        return jobs, [job_id for job_id in found if job_id not in jobs]

    def trim(self) -> int:
        """Forget ids of jobs that expired long ago, or of expired jobs if there are too many; return the number."""
        seconds, _ = self._redis.time()
        arguments = [keys.job(""), _TRIMMED_AT_ONCE, seconds - TOMBSTONE_SECONDS, MOST_IDS]
        return int(self._trim(keys=[keys.JOBS, keys.IDS, keys.TRIMMED], args=arguments))


def _is_utf8(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


@cache
def _script(name: str) -> str:
    return (files(__package__) / f"{name}.lua").read_text("utf-8")
