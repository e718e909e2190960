# SPDX-License-Identifier: Apache-2.0
"""The ledger: the jobs in Redis, read and changed by a client."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, cast

import msgspec
import redis

from qfleet.errors import CapacityError, DamagedDataError, JobExpiredError, JobNotFoundError
from qfleet.ledger.job_index import JobIndex
from qfleet.ledger.record import JobRecord, decode_record, encode_record
from qfleet.ledger.snapshot import SUMMARY_FIELDS, JobSummary, Snapshot, read_snapshot
from qfleet.wire.codec.shards import decode_result, encode_shard
from qfleet.wire.cost.tiers import Tier
from qfleet.wire.errors import WireError
from qfleet.wire.limits import MAX_BLOB_BYTES, MAX_RECORD_BYTES, MAX_SHARDS
from qfleet.wire.lua import MOST_AT_ONCE, Scripts, plain_script
from qfleet.wire.messages.presence import STALE_SECONDS, Presence
from qfleet.wire.messages.result import ShardResult
from qfleet.wire.messages.work import ShardWork
from qfleet.wire.redis import keys
from qfleet.wire.redis.keys import JobField, ShardField
from qfleet.wire.redis.states import FINAL_STATES, SHARD_STATES, ShardState

#: The time that the copy of a program is kept after its last use.
PROGRAM_SECONDS: Final = 600
#: The number of shards whose results are read at once.
_READ_AT_ONCE: Final = 16
#: The number of jobs that are read at once for a list.
_PAGE: Final = 100

_presence_decoder = msgspec.json.Decoder(Presence)


class LargestNeed(NamedTuple):
    """The circuit of a job that needs the most memory."""

    memory_bytes: int
    #: the circuit's place in the job's record
    circuit: int


@dataclass(frozen=True, slots=True)
class NewJob:
    """A job, ready to be stored."""

    job_id: str
    record: JobRecord
    #: seconds to keep the job after its end
    retention: int
    shards: Sequence[ShardWork]
    #: the encoded programs by content hash
    programs: Mapping[str, bytes]
    #: by the engine of a worker, the need of the circuit that needs most there; not stored
    needs: Mapping[str, LargestNeed] = field(default_factory=dict)
    #: the shards by the memory they need, in their order; without any, all shards are of the lowest tier
    tiers: Sequence[Tier] = ()
    tenant: str = ""
    #: the weight among the tenant's jobs: 8, 2 or 1
    weight: int = 2


class Stored(NamedTuple):
    """The answer of Redis to a job that was stored."""

    #: the time of creation by Redis's clock, in seconds since the epoch; 0 if programs lack
    created: float
    #: names of programs that Redis had no copy of: the job isn't run before it has them
    lacking: list[str]


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
        self._published = self._redis.register_script(plain_script("published"))

    def keep(self, names: Sequence[str]) -> tuple[float, set[str]]:
        """Keep Redis's copies of programs for another while.

        Redis is asked even without names, so that it is known to answer.

        Args:
            names: content hashes of programs.

        Returns:
            The time by Redis's clock, in seconds since the epoch; and the names of the programs with a copy.
        """
        with self._redis.pipeline(transaction=False) as pipe:
            pipe.time()
            for name in names:
                pipe.expire(keys.program(name), PROGRAM_SECONDS)
            (seconds, microseconds), *kept = pipe.execute()
        return seconds + microseconds * 1e-6, {name for name, is_kept in zip(names, kept, strict=True) if is_kept}

    def store(self, job: NewJob, *, again: Sequence[str] = (), there: Collection[str] = ()) -> list[str]:
        """Store a whole job with every shard PENDING.

        Args:
            job: the job.
            again: programs that an earlier job had too: Redis keeps a copy of them.
            there: the programs of ``again`` that Redis has a copy of already, so that they need not be sent.

        Returns:
            The programs that the job still lacks. It must get them before it is published.

        Raises:
            CapacityError: the job's record is too large for a Redis value.
        """
        ledger, created = _fields(job, self._max_value_bytes), job.record.created
        key, shards, work, programs, _ = keys.of_job(job.job_id)
        sent = {name: blob for name, blob in job.programs.items() if name not in again}
        with self._redis.pipeline(transaction=True) as pipe:
            if job.shards:
                pipe.hset(key, mapping=ledger)
                pipe.hset(shards, mapping={f"{index}:state": "PENDING" for index in range(len(job.shards))})
                pipe.hset(work, mapping={index: encode_shard(shard) for index, shard in enumerate(job.shards)})
                pipe.zadd(keys.ACTIVE, {job.job_id: created})
            else:
                # A job without shards has ended.
                pipe.hset(key, mapping=ledger | {JobField.ENDED: repr(created), JobField.PUBLISHED: 1})
                pipe.expire(key, job.retention)
            if sent:
                pipe.hset(programs, mapping=sent)
            for name in again:
                if name not in there:
                    pipe.set(keys.program(name), job.programs[name], ex=PROGRAM_SECONDS)
            pipe.zadd(keys.JOBS, {job.job_id: created})
            pipe.zadd(keys.IDS, {job.job_id: 0})
            for name in again:
                pipe.eval(plain_script("copy"), 2, programs, keys.program(name), name)
            answers = pipe.execute()
        # Redis may have lost a copy since it was asked: it was emptied, or failed over.
        copied = answers[len(answers) - len(again) :]
        return [name for name, is_copied in zip(again, copied, strict=True) if not is_copied]

    def give(self, job: NewJob, names: Sequence[str]) -> None:
        """Give a stored job some of its programs."""
        self._redis.hset(keys.programs(job.job_id), mapping={name: job.programs[name] for name in names})

    def ping(self) -> None:
        """Check that Redis answers."""
        self._redis.ping()

    def published(self, job_id: str) -> None:
        """Note that the messages of all shards are on the queue."""
        self._published(keys=[keys.job(job_id)])

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
            blob = self._redis.hget(keys.job(job_id), JobField.RECORD)
        except redis.ResponseError as exc:
            if not _is_wrong_type(exc):
                raise
            raise DamagedDataError(f"what Redis holds of job {job_id} can't be read: {exc}", job_id=job_id) from exc
        if blob is None:
            raise self._why_missing(job_id)
        return decode_record(blob)

    def shard_state(self, job_id: str, index: int) -> ShardState | None:
        """Return the state of a shard; ``None`` if it doesn't exist."""
        raw = self._redis.hget(keys.shards(job_id), ShardField.of(index, ShardField.STATE))
        text = (raw or b"").decode(errors="replace")
        return cast("ShardState", text) if text in SHARD_STATES else None

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

        Its messages on the queue have no effect then.
        """
        raw = self._redis.hget(keys.job(job_id), JobField.SHARDS) or b"0"
        # A number that no client stores is damaged data, and its shards don't exist.
        shards = int(raw) if raw.isdigit() and len(raw) < 10 and int(raw) <= MAX_SHARDS else 0
        # No transaction: a full Redis refuses transactions, and deleting jobs frees memory.
        with self._redis.pipeline(transaction=False) as pipe:
            pipe.unlink(*keys.of_job(job_id), *(keys.celery_meta(f"{job_id}.{index}") for index in range(shards)))
            pipe.zrem(keys.JOBS, job_id)
            pipe.zrem(keys.IDS, job_id)
            pipe.zrem(keys.ACTIVE, job_id)
            pipe.execute()

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
            active: only jobs in the list of active ones.
            damaged: gets the ids of unreadable jobs.
        """
        for ids in JobIndex(self._redis).ids(created_after, created_before, descending=descending, active=active):
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


def _fields(job: NewJob, max_value_bytes: int) -> dict[str, str | bytes | int | float]:
    """Return the fields of a new job's ledger.

    Raises:
        CapacityError: the job's record is too large for a Redis value.
    """
    record = job.record
    blob = encode_record(record)
    if len(blob) > max_value_bytes:
        raise CapacityError(
            f"the record of the job, without its programs, has {len(blob) / 2**20:.0f} MiB, and a Redis value "
            f"holds {max_value_bytes >> 20} MiB; give less metadata, or split the job",
            needed_bytes=len(blob),
            available_bytes=max_value_bytes,
        )
    return {
        JobField.BACKEND: record.backend,
        JobField.OUTPUT: record.output,
        JobField.CREATED: repr(record.created),
        JobField.RETENTION: job.retention,
        JobField.CIRCUITS: record.num_circuits,
        JobField.CIRCUITS_DONE: 0,
        JobField.SHARDS: len(job.shards),
        JobField.TAGS: json.dumps(record.tags),
        JobField.RECORD: blob,
        JobField.count("PENDING"): len(job.shards),
    }


def _is_wrong_type(error: redis.ResponseError) -> bool:
    return str(error).startswith("WRONGTYPE")


def _presence(blob: bytes) -> Presence | None:
    try:
        return _presence_decoder.decode(blob) if len(blob) <= MAX_RECORD_BYTES else None
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
