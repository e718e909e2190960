# SPDX-License-Identifier: Apache-2.0
"""The index of jobs in Redis: ids by time and by name.

It includes ids of expired jobs.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from typing import Any, Final, NamedTuple

import redis

from qfleet.wire.lua import TOMBSTONE_SECONDS
from qfleet.wire.redis import keys
from qfleet.wire.redis.references import reference

#: With more ids, those of expired jobs are removed before `TOMBSTONE_SECONDS` are over.
MOST_IDS: Final = 100_000
#: The beginning of an id, but not a whole one.
_SHORT: Final = re.compile(r"[0-9a-f-]{4,35}")


class IndexSlices(NamedTuple):
    """The numbers of ids that a call reads."""

    #: the first call, since most lists are short
    first: int = 100
    #: a call after one that found jobs
    mixed: int = 500
    #: a call after some that found expired jobs only; it keeps Redis busy for some milliseconds
    largest: int = 4_000


_SLICES: Final = IndexSlices()


class JobIndex:
    """The index of a tenant's jobs in one Redis.

    It raises the errors of redis-py.
    """

    def __init__(
        self,
        client: redis.Redis,
        tenant: str = "",
        *,
        slices: IndexSlices = _SLICES,
        most_candidates: int = 8,
        most_ids: int = MOST_IDS,
        most_trimmed: int = 1_000,
    ) -> None:
        """Open the index.

        Args:
            client: the Redis that holds the index.
            tenant: the tenant; the one without a name has the jobs of clients of version 0.1.
            slices: the numbers of ids that a call reads.
            most_candidates: the largest number of ids that match the beginning of an id.
            most_ids: the largest number of ids that are kept, those of expired jobs among them.
            most_trimmed: the largest number of ids that one `trim` removes.
        """
        self._redis: Any = client
        self._tenant = tenant
        self._slices = slices
        self._most_candidates = most_candidates
        self._most_ids = most_ids
        self._most_trimmed = most_trimmed
        self._slice = self._redis.register_script(_script("slice"))
        self._trim = self._redis.register_script(_script("trim"))

    def ids(self, place: str, oldest: float, newest: float, *, descending: bool) -> Iterator[list[str]]:
        """Yield lists of the ids of jobs in a span of time.

        Expired jobs are left out. Each id comes once, and no id is missed when other jobs come or go in the meantime.
        Ids that aren't UTF-8 are left out, since no client made them.

        Args:
            place: the key of ids or references by time: of the tenant's jobs, or of all jobs with shards left to run.
            oldest: the beginning of the span, in seconds since the epoch; may be infinite.
            newest: its end.
            descending: newest first.
        """
        number = self._slices.first
        last_read: list[bytes] = []
        bounds = [repr(bound) if math.isfinite(bound) else "" for bound in (oldest, newest)]
        while True:
            arguments: list[Any] = [
                keys.home(self._tenant),
                *bounds,
                int(descending),
                number,
                self._slices.mixed,
                *last_read,
            ]
            last, score, *ids = self._slice(keys=[place], args=arguments)
            yield [raw.decode() for raw in ids if _is_utf8(raw)]
            if last is None:
                return
            last_read = [last, score]
            number = self._slices.mixed if ids else min(4 * number, self._slices.largest)

    def starting_with(self, prefix: str) -> tuple[list[str], list[str]]:
        """Return a few ids that begin with a prefix.

        Args:
            prefix: the prefix; one of less than four characters matches no id.

        Returns:
            The ids of jobs, and the ids of expired jobs.
        """
        if not _SHORT.fullmatch(prefix):
            return [], []
        end = f"({prefix}\x7f"
        matches = self._redis.zrangebylex(keys.ids(self._tenant), f"[{prefix}", end, 0, self._most_candidates)
        ids = [raw.decode() for raw in matches]
        with self._redis.pipeline(transaction=False) as pipe:
            for job_id in ids:
                pipe.exists(keys.job(reference(self._tenant, job_id)))
            existing = pipe.execute()
        jobs = [job_id for job_id, exists in zip(ids, existing, strict=True) if exists]
        return jobs, [job_id for job_id in ids if job_id not in jobs]

    def trim(self) -> int:
        """Remove old ids of expired jobs, and return their number.

        Ids of jobs that expired long ago are removed and, if there are too many ids, those of other expired jobs.
        """
        seconds, _ = self._redis.time()
        tenant = self._tenant
        arguments = [f"{keys.home(tenant)}job:", self._most_trimmed, seconds - TOMBSTONE_SECONDS, self._most_ids]
        places = [keys.jobs(tenant), keys.ids(tenant), keys.trimmed(tenant)]
        return int(self._trim(keys=places, args=arguments))


def _is_utf8(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


@cache
def _script(name: str) -> str:
    return (files(__package__) / f"{name}.lua").read_text("utf-8")
