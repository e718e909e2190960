# SPDX-License-Identifier: Apache-2.0
"""The ledger: what Redis knows of jobs, read and changed by a client."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

import msgspec
import redis

from qfleet.errors import CapacityError, DamagedDataError, JobExpiredError, JobNotFoundError
from qfleet.queue.record import JobRecord, decode_record, encode_record
from qfleet.wire import codec, keys
from qfleet.wire.keys import JobField, ShardField
from qfleet.wire.lua import Scripts, plain_script
from qfleet.wire.presence import STALE_SECONDS, Presence
from qfleet.wire.shard import ShardResult, ShardWork
from qfleet.wire.state import FINAL_STATES, SHARD_STATES

#: An expired job's id is remembered for so long after the job was made.
TOMBSTONE_SECONDS: Final = 365 * 86_400
#: A program that several jobs had is kept for so long after its last use.
PROGRAM_SECONDS: Final = 600
#: Shards whose results are read at once.
_READ_AT_ONCE: Final = 16
#: Jobs that are listed at once.
_PAGE: Final = 100

_SUMMARY_FIELDS: Final = (
    *(JobField.count(state) for state in SHARD_STATES),
    JobField.STOPPING,
    JobField.BACKEND,
    JobField.OUTPUT,
    JobField.CREATED,
    JobField.ENDED,
    JobField.CIRCUITS,
    JobField.CIRCUITS_DONE,
    JobField.TAGS,
    JobField.ERROR,
)
_presence_decoder = msgspec.json.Decoder(Presence)


@dataclass(frozen=True, slots=True)
class NewJob:
    """A job, ready to be stored."""

    job_id: str
    record: JobRecord
    #: seconds to keep the job after it ended
    retention: int
    shards: Sequence[ShardWork]
    #: content hash -> blob
    programs: Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What one read of the ledger says of a job."""

    backend: str
    #: what comes back of each circuit: `qfleet.wire.shard.Output`
    output: str
    #: how many shards are in each Celery state; cancelled ones whose process still runs count as STARTED
    states: Mapping[str, int]
    circuits: int
    circuits_done: int
    #: seconds since the epoch
    created: float
    #: ``None`` while anything is left to run
    ended: float | None
    tags: tuple[str, ...]
    #: the first error; empty if there is none
    error: str

    @property
    def is_final(self) -> bool:
        """Whether every shard is over."""
        return all(state in FINAL_STATES for state, count in self.states.items() if count)


@dataclass(frozen=True, slots=True)
class JobSummary:
    """A line of the list of jobs."""

    job_id: str
    snapshot: Snapshot


class Ledger:
    """The jobs in one Redis. Raises redis-py's errors as they come; `Connection.ledger` translates them."""

    def __init__(self, client: redis.Redis) -> None:
        self._redis: Any = client
        self._scripts = Scripts(client)
        self._published = self._redis.register_script(plain_script("published"))

    def keep(self, names: Sequence[str]) -> set[str]:
        """Those of some programs that Redis has a copy of; it keeps them for a while from now on.

        Redis is asked in any case: who goes on from here knows that it answers.
        """
        with self._redis.pipeline(transaction=False) as pipe:
            pipe.ping()
            for name in names:
                pipe.expire(keys.program(name), PROGRAM_SECONDS)
            _, *there = pipe.execute()
        return {name for name, found in zip(names, there, strict=True) if found}

    def store(self, job: NewJob, *, again: Sequence[str] = (), there: Collection[str] = ()) -> list[str]:
        """Write a job whole, with every shard PENDING. Raises `CapacityError` if its metadata fit no Redis value.

        Returns the programs that it still has to be given, before it is published.

        Args:
            again: programs that an earlier job had too: Redis keeps a copy of them.
            there: those of them that it has a copy of, so that they need not be sent.
        """
        record = job.record
        blob = encode_record(record)
        if len(blob) > codec.MAX_BLOB_BYTES:
            raise CapacityError(
                f"what is kept of the job beside its programs takes {len(blob) / 2**20:.0f} MiB, and a Redis value "
                "holds 512 MiB; give less metadata, or cut the job"
            )
        ledger: dict[str, str | bytes | int | float] = {
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
        key, shards, work, programs, _ = keys.of_job(job.job_id)
        sent = {name: blob for name, blob in job.programs.items() if name not in again}
        with self._redis.pipeline(transaction=True) as pipe:
            if job.shards:
                pipe.hset(key, mapping=ledger)
                pipe.hset(shards, mapping={f"{index}:state": "PENDING" for index in range(len(job.shards))})
                pipe.hset(work, mapping={index: codec.encode(shard) for index, shard in enumerate(job.shards)})
                pipe.zadd(keys.ACTIVE, {job.job_id: record.created})
            else:
                # With nothing to run it has ended.
                pipe.hset(key, mapping=ledger | {JobField.ENDED: repr(record.created), JobField.PUBLISHED: 1})
                pipe.expire(key, job.retention)
            if sent:
                pipe.hset(programs, mapping=sent)
            for name in again:
                if name not in there:
                    pipe.set(keys.program(name), job.programs[name], ex=PROGRAM_SECONDS)
            pipe.zadd(keys.JOBS, {job.job_id: record.created})
            for name in again:
                pipe.eval(plain_script("copy"), 2, programs, keys.program(name), name)
            answers = pipe.execute()
        # Redis may have dropped one since it was asked: it was emptied, or failed over.
        return [name for name, found in zip(again, answers[len(answers) - len(again) :], strict=True) if not found]

    def give(self, job: NewJob, names: Sequence[str]) -> None:
        """Give a job that is stored some of its programs."""
        self._redis.hset(keys.programs(job.job_id), mapping={name: job.programs[name] for name in names})

    def ping(self) -> None:
        """Raise unless Redis answers."""
        self._redis.ping()

    def published(self, job_id: str) -> None:
        """Note that every shard's message is on the queue."""
        self._published(keys=[keys.job(job_id)])

    def snapshot(self, job_id: str) -> Snapshot:
        """The job's state now, by one read. Raises `JobNotFoundError` or `JobExpiredError`."""
        snapshot = _snapshot(self._redis.hmget(keys.job(job_id), _SUMMARY_FIELDS))
        if snapshot is None:
            raise self._why_missing(job_id)
        return snapshot

    def record(self, job_id: str) -> JobRecord:
        """The job as it was submitted. Raises `JobNotFoundError`, `JobExpiredError` or `DamagedDataError`."""
        blob = self._redis.hget(keys.job(job_id), JobField.RECORD)
        if blob is None:
            raise self._why_missing(job_id)
        return decode_record(blob)

    def ended(self, job_id: str, shards: Sequence[int]) -> list[int]:
        """Those of some shards that are over."""
        states = self._redis.hmget(keys.shards(job_id), [ShardField.of(index, ShardField.STATE) for index in shards])
        return [index for index, state in zip(shards, states, strict=True) if state and state.decode() in FINAL_STATES]

    def results(self, job_id: str, shards: Sequence[int]) -> Iterator[ShardResult]:
        """What some shards gave, those that gave anything. Raises `DamagedDataError`."""
        for start in range(0, len(shards), _READ_AT_ONCE):
            indices = shards[start : start + _READ_AT_ONCE]
            for index, blob in zip(indices, self._redis.hmget(keys.results(job_id), indices), strict=True):
                if blob is None:
                    continue
                try:
                    yield codec.decode_result(blob)
                except codec.WireError as exc:
                    raise DamagedDataError(f"the result of shard {index} of job {job_id} can't be read: {exc}") from exc

    def cancel(self, job_id: str) -> list[int]:
        """Stop every shard that isn't over, for good; the indices of those that were stopped."""
        revoked = "celery.exceptions.TaskRevokedError", "cancelled"
        return cast("list[int]", self._scripts.call("cancel", job_id, "REVOKED", error=revoked))

    def retry(self, job_id: str) -> list[int]:
        """Let every shard that failed run again; their indices."""
        return cast("list[int]", self._scripts.call("retry", job_id, "PENDING"))

    def delete(self, job_id: str) -> None:
        """Remove a job and all that belongs to it. Its tasks, if any are left on the queue, do nothing any more."""
        shards = int(self._redis.hget(keys.job(job_id), JobField.SHARDS) or 0)
        # No transaction: a full Redis refuses them all, and this is how one makes room.
        with self._redis.pipeline(transaction=False) as pipe:
            pipe.unlink(*keys.of_job(job_id), *(keys.celery_meta(f"{job_id}.{index}") for index in range(shards)))
            pipe.zrem(keys.JOBS, job_id)
            pipe.zrem(keys.ACTIVE, job_id)
            pipe.execute()

    def jobs(
        self, created_after: float = -math.inf, created_before: float = math.inf, *, descending: bool = True
    ) -> Iterator[JobSummary]:
        """The jobs made in a span of time, by time of creation; read page by page.

        Each is there once, and none is left out because another one comes or goes meanwhile.
        """
        oldest = self._redis.time()[0] - TOMBSTONE_SECONDS
        self._redis.zremrangebyscore(keys.JOBS, "-inf", oldest)
        lowest, highest = created_after, created_before
        read = self._redis.zrevrangebyscore if descending else self._redis.zrangebyscore
        #: those of the last page that were made at its very last moment: the next page begins with them
        seen: set[bytes] = set()
        while True:
            bounds = (repr(highest), repr(lowest)) if descending else (repr(lowest), repr(highest))
            page = read(keys.JOBS, *bounds, start=0, num=_PAGE + len(seen), withscores=True)
            ids = [raw for raw, _ in page if raw not in seen]
            with self._redis.pipeline(transaction=False) as pipe:
                for raw in ids:
                    pipe.hmget(keys.job(raw.decode()), _SUMMARY_FIELDS)
                answers = pipe.execute()
            for raw, fields in zip(ids, answers, strict=True):
                snapshot = _snapshot(fields)
                if snapshot is not None:
                    yield JobSummary(raw.decode(), snapshot)
            if len(page) < _PAGE + len(seen):
                return
            last = page[-1][1]
            lowest, highest = (lowest, last) if descending else (last, highest)
            seen = {raw for raw, score in page if score == last}

    def workers(self) -> list[Presence]:
        """The workers that are up."""
        with self._redis.pipeline(transaction=False) as pipe:
            pipe.time()
            pipe.hvals(keys.WORKERS)
            (seconds, _), blobs = pipe.execute()
        try:
            workers = [_presence_decoder.decode(blob) for blob in blobs]
        except msgspec.DecodeError as exc:
            raise DamagedDataError(f"{keys.WORKERS} holds something that no worker wrote: {exc}") from exc
        return sorted((w for w in workers if seconds - w.seen < STALE_SECONDS), key=lambda w: w.name)

    def _why_missing(self, job_id: str) -> JobNotFoundError | JobExpiredError:
        if self._redis.zscore(keys.JOBS, job_id) is not None:
            return JobExpiredError(
                f"job {job_id} has expired: its retention is over, and its data are deleted. "
                "QFLEET_RETENTION_SECONDS, set where jobs are submitted, keeps them longer."
            )
        return JobNotFoundError(f"no job {job_id!r} here; `qfleet jobs` and provider.jobs() list those that are there")


def _snapshot(fields: Sequence[bytes | None]) -> Snapshot | None:
    values = dict(zip(_SUMMARY_FIELDS, fields, strict=True))
    backend, created, circuits = (values[f] for f in (JobField.BACKEND, JobField.CREATED, JobField.CIRCUITS))
    if backend is None or created is None or circuits is None:
        return None
    ended = values[JobField.ENDED]
    states: dict[str, int] = {state: int(values[JobField.count(state)] or 0) for state in SHARD_STATES}
    # A cancelled shard isn't over before its process is.
    stopping = int(values[JobField.STOPPING] or 0)
    states["STARTED"] += stopping
    states["REVOKED"] -= stopping
    return Snapshot(
        backend=backend.decode(),
        output=(values[JobField.OUTPUT] or b"").decode(),
        states=states,
        circuits=int(circuits),
        circuits_done=int(values[JobField.CIRCUITS_DONE] or 0),
        created=float(created),
        ended=float(ended) if ended else None,
        tags=tuple(json.loads(values[JobField.TAGS] or b"[]")),
        error=(values[JobField.ERROR] or b"").decode(),
    )
