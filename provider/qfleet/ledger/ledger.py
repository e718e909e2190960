# SPDX-License-Identifier: Apache-2.0
"""The ledger: the jobs in Redis, read and changed by a client."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple, cast

import msgspec
import redis
from redis.exceptions import NoScriptError

from qfleet.errors import DamagedDataError
from qfleet.ledger.client import checked_connection, run_once
from qfleet.ledger.listing import JobLists, is_wrong_type
from qfleet.ledger.new_job import NewJob, add_job, add_programs, add_submission, keep_copies, take_copies
from qfleet.ledger.overview import Overview, read_overviews
from qfleet.ledger.record import JobRecord, decode_record
from qfleet.ledger.snapshot import read_time
from qfleet.wire.codec.shards import decode_result
from qfleet.wire.errors import WireError
from qfleet.wire.limits import MAX_BLOB_BYTES, MAX_RECORD_BYTES, MAX_SHARDS
from qfleet.wire.lua import MOST_AT_ONCE, Scripts, plain_script, script
from qfleet.wire.messages.presence import STALE_SECONDS, Holds, Presence
from qfleet.wire.messages.result import ShardResult
from qfleet.wire.redis import keys
from qfleet.wire.redis.fields import JobField, ShardField
from qfleet.wire.redis.references import id_of
from qfleet.wire.redis.states import FINAL_STATES, SHARD_STATES, ShardState

#: The number of shards whose results are read at once.
_READ_AT_ONCE: Final = 16

_presence_decoder = msgspec.json.Decoder(Presence)
_holds_decoder = msgspec.json.Decoder(Holds)


class Cancelled(NamedTuple):
    """The shards of a job that a cancel stopped."""

    number: int
    #: those that ran: their processes are still alive
    running: list[int]


class Ledger(JobLists):
    """The jobs in one Redis.

    It raises the errors of redis-py, which `Connection.ledger` translates.
    """

    def __init__(self, client: redis.Redis, tenant: str = "", *, max_value_bytes: int = MAX_BLOB_BYTES) -> None:
        """Open the ledger.

        Args:
            client: the Redis that holds it.
            tenant: the tenant whose jobs are found first.
            max_value_bytes: size of the largest value that this Redis holds.
        """
        super().__init__(client, tenant)
        self._max_value_bytes = max_value_bytes
        self._scripts = Scripts(client)

    def connect(self) -> None:
        """Open a connection to Redis if none is open.

        A later error of it means that it broke.
        """
        pool = self._redis.connection_pool
        pool.release(checked_connection(pool))

    def prepare(self) -> None:
        """Have Redis know the script with which a job is stored.

        Storing takes one round trip then. Redis forgets the script when it restarts.
        """
        self._redis.script_load(script("submit"))

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
            add_job(pipe, keys.job(job.job_id), job, without=copied, max_value_bytes=self._max_value_bytes)
            keep_copies(pipe, job, copies)
            add_submission(pipe, job)
            answers = run_once(pipe)
        lacking = [name for name, is_copied in zip(copied, answers, strict=False) if not is_copied]
        for answer in answers:
            if isinstance(answer, NoScriptError):
                # Redis has just started. It has done all the other commands.
                self.prepare()
            elif isinstance(answer, Exception):
                raise answer
        created = answers[-1]
        if isinstance(created, bytes | list) and created:
            return self._stored(job, created)
        return self._submit(job, lacking)

    def _stored(self, job: NewJob, answer: Any) -> float:
        """Return the time of a job's creation, from the script's answer.

        The shards of a job that exceeds a quota of its tenant fail.
        """
        if isinstance(answer, list):
            answer, why = answer
            first = 0
            while first >= 0:
                first = self._scripts.call("refuse", job.job_id, first, MOST_AT_ONCE, why)
        return float(answer)

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
            add_programs(pipe, keys.job(job.job_id), job, lacking)
            keep_copies(pipe, job, lacking)
            add_submission(pipe, job)
            *_, created = pipe.execute()
        if not created:
            raise self._why_missing(job.job_id)
        return self._stored(job, created)

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

    def hear(self, job_id: str, *, is_own: bool, moves: bool) -> None:
        """Have a job announced from now on.

        Args:
            job_id: the job.
            is_own: true if this process sent the job, and so hears of its end anyway.
            moves: true to hear of each move, not only of the last.
        """
        wanted = [JobField.HEARD] * (not is_own) + [JobField.MOVES] * moves
        if wanted:
            self._hear(job_id, wanted)

    def _hear(self, job_id: str, wanted: Sequence[str]) -> None:
        """Note in a job's ledger that somebody listens to it."""
        self._redis.register_script(plain_script("hear"))(keys=[keys.job(job_id)], args=wanted)

    def record(self, job_id: str) -> JobRecord:
        """Return the job as it was submitted.

        Raises:
            JobNotFoundError, JobExpiredError, DamagedDataError: the job doesn't exist or can't be read.
        """
        shown = id_of(job_id)
        try:
            blob, created = self._fields(job_id, (JobField.RECORD, JobField.CREATED))
        except redis.ResponseError as exc:
            if not is_wrong_type(exc):
                raise
            text = f"what Redis holds of job {shown} can't be read: {exc}"
            raise DamagedDataError(text, job_id=shown) from exc
        if blob is None or created is None:
            raise self._why_missing(job_id)
        try:
            return msgspec.structs.replace(decode_record(blob), created=read_time(created))
        except ValueError as exc:
            text = f"the time when job {shown} was made can't be read: {exc}"
            raise DamagedDataError(text, job_id=shown) from exc

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
                    shown = id_of(job_id)
                    text = f"the result of shard {index} of job {shown} can't be read: {exc}"
                    raise DamagedDataError(text, job_id=shown, shard=index) from exc

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

    def pause(self, job_id: str) -> bool:
        """Let no further shard of a job be chosen.

        Returns:
            False if nothing was changed: the job is paused, has no shard left to end, comes from a client of version
            0.1, or isn't there.
        """
        return bool(self._scripts.call("hold", job_id, keys.PAUSED))

    def resume(self, job_id: str) -> bool:
        """Let a paused job's shards be chosen again.

        Returns:
            False if the job wasn't paused.
        """
        return bool(self._scripts.call("let_go", job_id, keys.PAUSED))

    def overviews(self, job_ids: Sequence[str]) -> list[Overview]:
        """Return the state and the place of each job."""
        return read_overviews(self._redis, job_ids)

    def take_back(self, job_id: str) -> None:
        """Remove a job that isn't stored as a whole."""
        self.delete(job_id)

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

    def workers(self) -> list[Presence]:
        """Return the workers that are up.

        Unreadable records are left out; see `worker_records`.
        """
        return self._workers(self._redis.hgetall(keys.HOLDS))

    def _workers(self, holds: Mapping[bytes, bytes]) -> list[Presence]:
        """Return the workers that are up.

        Args:
            holds: by worker, the shards that it holds.
        """
        with self._redis.pipeline(transaction=False) as pipe:
            pipe.time()
            pipe.hvals(keys.WORKERS)
            (seconds, _), blobs = pipe.execute()
        workers = [
            _with_holds(worker, holds.get(worker.name.encode()))
            for worker in map(_presence, blobs)
            if worker is not None
        ]
        return sorted((w for w in workers if abs(seconds - w.seen) < STALE_SECONDS), key=lambda w: w.name)

    def worker_records(self) -> dict[bytes, Presence | None]:
        """Return the record of each worker by name.

        The record is ``None`` if it can't be read.
        """
        return {name: _presence(blob) for name, blob in self._redis.hgetall(keys.WORKERS).items()}


def _with_holds(worker: Presence, blob: bytes | None) -> Presence:
    """Return a worker's record with the shards that it holds."""
    try:
        return msgspec.structs.replace(worker, holds=_holds_decoder.decode(blob)) if blob else worker
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return worker


def _presence(blob: bytes) -> Presence | None:
    try:
        return _presence_decoder.decode(blob) if len(blob) <= MAX_RECORD_BYTES else None
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
