# SPDX-License-Identifier: Apache-2.0
"""The ledger: the jobs in Redis, read and changed by a client."""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple, cast

import msgspec
import redis
from redis.exceptions import NoScriptError

from qfleet.errors import DamagedDataError, JobExpiredError, JobNotFoundError
from qfleet.ledger.client import checked_connection, run_once
from qfleet.ledger.job_index import JobIndex
from qfleet.ledger.new_job import NewJob, add_job, add_programs, add_submission, keep_copies, take_copies
from qfleet.ledger.record import JobRecord, decode_record
from qfleet.ledger.snapshot import SUMMARY_FIELDS, JobSummary, Snapshot, read_snapshot, read_time
from qfleet.wire.codec.shards import decode_result
from qfleet.wire.errors import WireError
from qfleet.wire.limits import MAX_BLOB_BYTES, MAX_RECORD_BYTES, MAX_SHARDS
from qfleet.wire.lua import MOST_AT_ONCE, Scripts, plain_script, script
from qfleet.wire.messages.presence import STALE_SECONDS, Presence
from qfleet.wire.messages.result import ShardResult
from qfleet.wire.redis import keys
from qfleet.wire.redis.keys import JobField, ShardField
from qfleet.wire.redis.states import FINAL_STATES, SHARD_STATES, ShardState

#: The number of shards whose results are read at once.
_READ_AT_ONCE: Final = 16
#: The number of jobs that are read at once for a list.
_PAGE: Final = 100

_presence_decoder = msgspec.json.Decoder(Presence)


class Cancelled(NamedTuple):
    """The shards of a job that a cancel stopped."""

    number: int
    #: those that ran: their processes are still alive
    running: list[int]


class Ledger:
    """The jobs in one Redis.

    It raises the errors of redis-py, which `Connection.ledger` translates.
    """

    def __init__(self, client: redis.Redis, *, max_value_bytes: int = MAX_BLOB_BYTES) -> None:
        """Open the ledger.

        Args:
            client: the Redis that holds it.
            max_value_bytes: size of the largest value that this Redis holds.
        """
        self._redis: Any = client
        self._max_value_bytes = max_value_bytes
        self._scripts = Scripts(client)

    def connect(self) -> None:
        """Open a connection to Redis if none is open.

        A later error of it means that it broke.
        """
        pool = self._redis.connection_pool
        pool.release(checked_connection(pool))

    def store(self, job: NewJob, *, copies: Sequence[str] = (), copied: Sequence[str] = ()) -> float:
        """Store a whole job, and let it be run.

        Args:
            job: the job.
            copies: programs that Redis is given a copy of, for later jobs.
            copied: programs that Redis should have a copy of. They are sent only if it hasn't.

        Returns:
            The time of its creation by Redis's clock, in seconds since the epoch.

        Raises:
            CapacityError: the job's record is too large for a Redis value.
            redis.ConnectionError: the connection broke; perhaps the job was stored, see `store_again`.
        """
        with self._redis.pipeline(transaction=True) as pipe:
            take_copies(pipe, job, copied)
            add_job(pipe, job, without=copied, max_value_bytes=self._max_value_bytes)
            keep_copies(pipe, job, copies)
            add_submission(pipe, job)
            answers = run_once(pipe)
        lacking = [name for name, is_copied in zip(copied, answers, strict=False) if not is_copied]
        for answer in answers:
            if isinstance(answer, NoScriptError):
                # Redis has just started. It has done all the other commands.
                self._redis.script_load(script("submit"))
            elif isinstance(answer, Exception):
                raise answer
        created = answers[-1]
        if isinstance(created, bytes) and created:
            return float(created)
        return self._submit(job, lacking)

    def _submit(self, job: NewJob, lacking: Sequence[str]) -> float:
        """Let a job be run that is stored, but for some programs.

        Args:
            job: the job.
            lacking: the names of these programs.

        Returns:
            The time of its creation by Redis's clock, in seconds since the epoch.

        Raises:
            JobNotFoundError, JobExpiredError: another client has deleted it.
        """
        with self._redis.pipeline(transaction=True) as pipe:
            add_programs(pipe, job, lacking)
            keep_copies(pipe, job, lacking)
            add_submission(pipe, job)
            *_, created = pipe.execute()
        if not created:
            raise self._why_missing(job.job_id)
        return float(created)

    def store_again(self, job: NewJob) -> float:
        """Store the rest of a job whose connection broke meanwhile.

        Args:
            job: the job.

        Returns:
            The time of its creation by Redis's clock, in seconds since the epoch.

        Raises:
            JobNotFoundError: nothing of the job is stored.
        """
        created, shards = self._redis.hmget(keys.job(job.job_id), JobField.CREATED, JobField.SHARDS)
        if shards is None:
            raise self._why_missing(job.job_id)
        return float(created) if created else self._submit(job, list(job.programs))

    def ping(self) -> None:
        """Check that Redis answers."""
        self._redis.ping()

    def published(self, job_id: str) -> None:
        """Note that the messages of all shards are on the queue."""
        self._redis.register_script(plain_script("published"))(keys=[keys.job(job_id)])

    def snapshot(self, job_id: str) -> Snapshot:
        """Return the job's state now, by one read.

        Raises:
            JobNotFoundError, JobExpiredError, DamagedDataError: the job doesn't exist or can't be read.
        """
        try:
            answer = self._redis.hmget(keys.job(job_id), SUMMARY_FIELDS)
        except redis.ResponseError as exc:
            if not _is_wrong_type(exc):
                raise
            answer = exc
        snapshot = read_snapshot(job_id, answer)
        if snapshot is None:
            raise self._why_missing(job_id)
        return snapshot

    def record(self, job_id: str) -> JobRecord:
        """Return the job as it was submitted.

        Raises:
            JobNotFoundError, JobExpiredError, DamagedDataError: the job doesn't exist or can't be read.
        """
        try:
            blob, created = self._redis.hmget(keys.job(job_id), JobField.RECORD, JobField.CREATED)
        except redis.ResponseError as exc:
            if not _is_wrong_type(exc):
                raise
            raise DamagedDataError(f"what Redis holds of job {job_id} can't be read: {exc}", job_id=job_id) from exc
        if blob is None or created is None:
            raise self._why_missing(job_id)
        try:
            return msgspec.structs.replace(decode_record(blob), created=read_time(created))
        except ValueError as exc:
            text = f"the time when job {job_id} was made can't be read: {exc}"
            raise DamagedDataError(text, job_id=job_id) from exc

    def shard_state(self, job_id: str, index: int) -> tuple[ShardState | None, str]:
        """Return a shard's state, ``None`` without a shard, and its own error."""
        fields = [ShardField.of(index, name) for name in (ShardField.STATE, ShardField.ERROR)]
        state, error = ((raw or b"").decode(errors="replace") for raw in self._redis.hmget(keys.shards(job_id), fields))
        return cast("ShardState", state) if state in SHARD_STATES else None, error

    def ended(self, job_id: str, shards: Sequence[int]) -> list[int]:
        """Return the shards among some that have ended."""
        states = self._redis.hmget(keys.shards(job_id), [ShardField.of(index, ShardField.STATE) for index in shards])
        return [
            index
            for index, state in zip(shards, states, strict=True)
            if state and state.decode(errors="replace") in FINAL_STATES
        ]

    def results(self, job_id: str, shards: Sequence[int]) -> Iterator[ShardResult]:
        """Yield the results of shards; shards without one are left out.

        Args:
            job_id: the job.
            shards: the indices of the shards.

        Raises:
            DamagedDataError: a result can't be read.
        """
        for start in range(0, len(shards), _READ_AT_ONCE):
            indices = shards[start : start + _READ_AT_ONCE]
            for index, blob in zip(indices, self._redis.hmget(keys.results(job_id), indices), strict=True):
                if blob is None:
                    continue
                try:
                    yield decode_result(blob)
                except WireError as exc:
                    text = f"the result of shard {index} of job {job_id} can't be read: {exc}"
                    raise DamagedDataError(text, job_id=job_id, shard=index) from exc

    def cancel(self, job_id: str) -> Cancelled:
        """Cancel every shard that hasn't ended for good."""
        number, running, first = 0, list[int](), 0
        while first >= 0:
            first, stopped, *started = self._scripts.call("cancel", job_id, first, MOST_AT_ONCE)
            number += stopped
            running += started
        return Cancelled(number, running)

    def retry(self, job_id: str) -> list[int]:
        """Let every failed shard run again.

        Returns:
            The indices of these shards.
        """
        failed, first = list[int](), 0
        while first >= 0:
            first, *some = self._scripts.call("retry", job_id, first, MOST_AT_ONCE, int(bool(failed)))
            failed += some
        return failed

    def delete(self, job_id: str) -> None:
        """Remove a job with all its keys.

        Its tokens and messages on the queues have no effect then.
        """
        shards, tiers = self._redis.hmget(keys.job(job_id), JobField.SHARDS, JobField.TIERS)
        # A number that no client stores is damaged data, and its shards don't exist.
        if tiers is None and shards and shards.isdigit() and len(shards) < 10 and int(shards) <= MAX_SHARDS:
            # Records in Celery's own result backend, of a job of version 0.1.
            for start in range(0, int(shards), MOST_AT_ONCE):
                some = range(start, min(start + MOST_AT_ONCE, int(shards)))
                self._redis.unlink(*(keys.celery_meta(f"{job_id}.{index}") for index in some))
        self._scripts.call("remove", job_id)

    def jobs(
        self,
        created_after: float = -math.inf,
        created_before: float = math.inf,
        *,
        descending: bool = True,
        active: bool = False,
        damaged: list[str] | None = None,
    ) -> Iterator[JobSummary]:
        """Yield the jobs made in a span of time, in order.

        Each job comes once, and no job is missed when others come or go in the meantime. Unreadable jobs are left out.

        Args:
            created_after: the beginning of the span, in seconds since the epoch; may be infinite.
            created_before: its end.
            descending: newest first.
            active: only jobs in the lists of those with shards left to run.
            damaged: gets the ids of unreadable jobs.
        """
        places = (keys.UNFINISHED, keys.ACTIVE) if active else (keys.JOBS,)
        listed = (
            self._listed(place, created_after, created_before, descending=descending, damaged=damaged)
            for place in places
        )
        yield from heapq.merge(*listed, key=lambda job: job.snapshot.created, reverse=descending)

    def _listed(
        self,
        place: str,
        created_after: float,
        created_before: float,
        *,
        descending: bool,
        damaged: list[str] | None,
    ) -> Iterator[JobSummary]:
        """Yield the jobs of one list.

        Args:
            place: the key of the list.
            created_after: see `jobs`, as for the others.
            created_before: the end of the span.
            descending: newest first.
            damaged: gets the ids of unreadable jobs.
        """
        for ids in JobIndex(self._redis).ids(place, created_after, created_before, descending=descending):
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

        Args:
            job_id: the id, or a beginning that no other id has.

        Raises:
            JobNotFoundError: there is no such job, or there are several.
            JobExpiredError: the job has expired.
            DamagedDataError: its data can't be read.
        """
        try:
            return JobSummary(job_id, self.snapshot(job_id))
        except JobNotFoundError:
            jobs, expired = JobIndex(self._redis).starting_with(job_id)
            if len(jobs) == 1:
                return JobSummary(jobs[0], self.snapshot(jobs[0]))
            if jobs:
                raise JobNotFoundError(
                    f"the ids of several jobs begin with {job_id!r}: {', '.join(jobs)}; give more characters",
                    job_id=job_id,
                    candidates=tuple(jobs),
                ) from None
            if expired:
                raise self._expired(" and ".join(expired)) from None
            raise

    def trim(self) -> None:
        """Remove some ids of jobs that expired long ago."""
        JobIndex(self._redis).trim()

    def workers(self) -> list[Presence]:
        """Return the workers that are up.

        Unreadable records are left out; see `worker_records`.
        """
        with self._redis.pipeline(transaction=False) as pipe:
            pipe.time()
            pipe.hvals(keys.WORKERS)
            (seconds, _), blobs = pipe.execute()
        workers = [worker for worker in map(_presence, blobs) if worker is not None]
        return sorted((w for w in workers if abs(seconds - w.seen) < STALE_SECONDS), key=lambda w: w.name)

    def worker_records(self) -> dict[bytes, Presence | None]:
        """Return the record of each worker by name.

        The record is ``None`` if it can't be read.
        """
        return {name: _presence(blob) for name, blob in self._redis.hgetall(keys.WORKERS).items()}

    def _expired(self, job_id: str) -> JobExpiredError:
        return JobExpiredError(
            f"job {job_id} has expired: its retention is over, and its data are deleted. To keep jobs longer, set "
            "QFLEET_RETENTION_SECONDS where they are submitted.",
            job_id=job_id,
        )

    def _why_missing(self, job_id: str) -> JobNotFoundError | JobExpiredError:
        if self._redis.zscore(keys.JOBS, job_id) is not None:
            return self._expired(job_id)
        return JobNotFoundError(
            f"no job {job_id!r} on this fleet; `qfleet jobs` and provider.jobs() list its jobs", job_id=job_id
        )


def _is_wrong_type(error: redis.ResponseError) -> bool:
    return str(error).startswith("WRONGTYPE")


def _presence(blob: bytes) -> Presence | None:
    try:
        return _presence_decoder.decode(blob) if len(blob) <= MAX_RECORD_BYTES else None
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
