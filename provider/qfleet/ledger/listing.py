# SPDX-License-Identifier: Apache-2.0
"""The jobs in Redis, listed and found."""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator, Sequence
from typing import Any, Final

import redis

from qfleet.errors import DamagedDataError, JobExpiredError, JobNotFoundError
from qfleet.ledger.job_index import JobIndex
from qfleet.ledger.snapshot import SUMMARY_FIELDS, JobSummary, Snapshot, read_snapshot
from qfleet.wire.redis import keys
from qfleet.wire.redis.references import id_of, is_tenant, parts_of, reference

#: The number of jobs that are read at once for a list.
_PAGE: Final = 100


class JobLists:
    """The jobs of all tenants in one Redis.

    In this package a job's id is its reference, see `qfleet.wire.redis.keys`. Errors have the id that users see.

    Args:
        client: the Redis that holds them.
        tenant: the tenant whose jobs are found first.
    """

    def __init__(self, client: redis.Redis, tenant: str = "") -> None:
        self._redis: Any = client
        self._tenant = tenant

    def _tenants(self) -> list[str]:
        """Return all tenants: the own one first, that of version 0.1 last."""
        others = {raw.decode("ascii", "replace") for raw in self._redis.smembers(keys.TENANTS)}
        return list(dict.fromkeys([self._tenant, *sorted(filter(is_tenant, others)), ""]))

    def _fields(self, job_id: str, names: Sequence[str]) -> list[bytes | None]:
        """Return fields of a job's ledger."""
        fields: list[bytes | None] = self._redis.hmget(keys.job(job_id), names)
        return fields

    def snapshot(self, job_id: str) -> Snapshot:
        """Return the job's state now, by one read.

        Raises:
            JobNotFoundError, JobExpiredError, DamagedDataError: the job doesn't exist or can't be read.
        """
        answer: object
        try:
            answer = self._fields(job_id, SUMMARY_FIELDS)
        except redis.ResponseError as exc:
            if not is_wrong_type(exc):
                raise
            answer = exc
        snapshot = read_snapshot(job_id, answer)
        if snapshot is None:
            raise self._why_missing(job_id)
        return snapshot

    def jobs(
        self,
        created_after: float = -math.inf,
        created_before: float = math.inf,
        *,
        descending: bool = True,
        active: bool = False,
        tenant: str | None = None,
        damaged: list[str] | None = None,
    ) -> Iterator[JobSummary]:
        """Yield the jobs made in a span of time, in order.

        Each job comes once, and no job is missed when others come or go in the meantime. Unreadable jobs are left out.

        Args:
            created_after: the beginning of the span, in seconds since the epoch; may be infinite.
            created_before: its end.
            descending: newest first.
            active: only jobs in the lists of those with shards left to run.
            tenant: only jobs of this tenant.
            damaged: gets the references of unreadable jobs.
        """
        listed = [
            self._summaries(ids, damaged)
            for ids in self._lists(created_after, created_before, descending, active=active, tenant=tenant)
        ]
        yield from heapq.merge(*listed, key=lambda job: job.snapshot.created, reverse=descending)

    def _lists(
        self, oldest: float, newest: float, descending: bool, *, active: bool, tenant: str | None
    ) -> list[Iterator[list[str]]]:
        """Return ordered lists of the jobs made in a span of time.

        Args:
            oldest: the beginning of the span, in seconds since the epoch; may be infinite.
            newest: its end.
            descending: newest first.
            active: only jobs with shards left to run.
            tenant: only jobs of this tenant.
        """
        if active:
            index = JobIndex(self._redis)
            places = (keys.UNFINISHED, keys.ACTIVE)
            return [_of_tenant(index.ids(place, oldest, newest, descending=descending), tenant) for place in places]
        return [
            _references(each, JobIndex(self._redis, each).ids(keys.jobs(each), oldest, newest, descending=descending))
            for each in (self._tenants() if tenant is None else [tenant])
        ]

    def _summaries(self, lists: Iterator[list[str]], damaged: list[str] | None) -> Iterator[JobSummary]:
        """Yield the jobs of one list.

        Args:
            lists: their references.
            damaged: gets the references of unreadable jobs.
        """
        for ids in lists:
            for start in range(0, len(ids), _PAGE):
                some = ids[start : start + _PAGE]
                with self._redis.pipeline(transaction=False) as pipe:
                    for job_id in some:
                        pipe.hmget(keys.job(job_id), SUMMARY_FIELDS)
                    answers = pipe.execute(raise_on_error=False)
                for job_id, answer in zip(some, answers, strict=True):
                    try:
                        snapshot = read_snapshot(job_id, answer)
                    except DamagedDataError:
                        if damaged is not None:
                            damaged.append(job_id)
                    else:
                        if snapshot is not None:
                            yield JobSummary(job_id, snapshot)

    def find(self, job_id: str) -> JobSummary:
        """Return the job with this id or beginning of an id.

        The own tenant's jobs come first, then those of others.

        Args:
            job_id: the id that a user sees, or a beginning that no other id has.

        Raises:
            JobNotFoundError: no job has this id, or several ids begin with it.
            JobExpiredError: the job has expired.
            DamagedDataError: its data can't be read.
        """
        own = reference(self._tenant, job_id)
        try:
            return JobSummary(own, self.snapshot(own))
        except (JobNotFoundError, JobExpiredError) as exc:
            missing = exc
        if isinstance(missing, JobExpiredError):
            raise missing
        other = self.locate(job_id)
        if other != own:
            return JobSummary(other, self.snapshot(other))
        jobs, expired = list[str](), list[str]()
        for tenant in self._tenants():
            found, gone = JobIndex(self._redis, tenant).starting_with(job_id)
            jobs += [reference(tenant, each) for each in found]
            expired += gone
        if len(jobs) == 1:
            return JobSummary(jobs[0], self.snapshot(jobs[0]))
        if jobs:
            ids = tuple(map(id_of, jobs))
            raise JobNotFoundError(
                f"the ids of several jobs begin with {job_id!r}: {', '.join(ids)}; give more characters",
                job_id=job_id,
                candidates=ids,
            )
        if expired:
            raise _expired(" and ".join(expired))
        raise missing

    def locate(self, job_id: str) -> str:
        """Return the reference of the job with this id.

        Args:
            job_id: the whole id that a user sees.

        Returns:
            The reference that the own tenant's job would have, if no tenant has such a job.
        """
        own = reference(self._tenant, job_id)
        if self._redis.exists(keys.job(own)):
            return own
        refs = [reference(tenant, job_id) for tenant in self._tenants()]
        with self._redis.pipeline(transaction=False) as pipe:
            for ref in refs:
                pipe.exists(keys.job(ref))
            for ref in refs:
                pipe.zscore(keys.jobs(parts_of(ref)[0]), job_id)
            answers = pipe.execute()
        there, known = answers[: len(refs)], answers[len(refs) :]
        existing = [ref for ref, exists in zip(refs, there, strict=True) if exists]
        expired = [ref for ref, score in zip(refs, known, strict=True) if score is not None]
        return next(iter(existing + expired), own)

    def trim(self) -> None:
        """Remove some ids of the tenant's jobs that expired long ago."""
        JobIndex(self._redis, self._tenant).trim()

    def _why_missing(self, job_id: str) -> JobNotFoundError | JobExpiredError:
        tenant, shown = parts_of(job_id)
        if self._redis.zscore(keys.jobs(tenant), shown) is not None:
            return _expired(shown)
        return JobNotFoundError(
            f"no job {shown!r} on this fleet; `qfleet jobs` and provider.jobs() list its jobs", job_id=shown
        )


def _references(tenant: str, lists: Iterator[list[str]]) -> Iterator[list[str]]:
    """Yield the references of a tenant's jobs instead of their ids."""
    return ([reference(tenant, job_id) for job_id in ids] for ids in lists)


def _of_tenant(lists: Iterator[list[str]], tenant: str | None) -> Iterator[list[str]]:
    """Yield those references that belong to a tenant; all without one."""
    return ([job for job in jobs if tenant in (None, parts_of(job)[0])] for jobs in lists)


def _expired(job_id: str) -> JobExpiredError:
    return JobExpiredError(
        f"job {job_id} has expired: its retention is over, and its data are deleted. To keep jobs longer, set "
        "QFLEET_RETENTION_SECONDS where they are submitted.",
        job_id=job_id,
    )


def is_wrong_type(error: redis.ResponseError) -> bool:
    """Tell whether Redis refused a command for the type of a key."""
    return str(error).startswith("WRONGTYPE")
