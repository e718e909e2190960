# SPDX-License-Identifier: Apache-2.0
"""The base class of jobs: submission, status, waiting, result, retry and cancellation."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, ClassVar, Final, Generic, NamedTuple, Self, TypeVar

from qiskit.providers import JobStatus

from qfleet.errors import DamagedDataError, FleetJobTimeoutError, JobCancelledError, JobFailedError
from qfleet.jobs.failures import failure_text, quota_error
from qfleet.jobs.gathering import all_parts
from qfleet.jobs.queued import JobBackend, QueuedJob
from qfleet.jobs.status import job_status
from qfleet.jobs.waiting import Deadline, ended, goes_on, interruptible, seconds, watch
from qfleet.ledger import JobRecord, NewJob, Snapshot, Ticket, publish, send
from qfleet.ledger.shielded import shielded
from qfleet.wire.messages.result import CircuitResult
from qfleet.wire.redis.references import parts_of, reference

#: The time that a cancel waits for the processes that it kills.
_DEATH_SECONDS: Final = 2.0


class Progress(NamedTuple):
    """The progress of a job, in circuits."""

    done: int
    total: int


_Result = TypeVar("_Result")


class LedgerJob(QueuedJob, Generic[_Result]):
    """A job in the fleet's Redis, which any process finds by id.

    The job continues when this process ends. Methods that ask Redis raise `qfleet.errors.BrokerError` if Redis can't be
    used, `JobNotFoundError` if the job doesn't exist, and `JobExpiredError` once its retention is over. Methods that
    wait survive an outage of Redis of up to a minute (`qfleet.jobs.waiting.OUTAGE_SECONDS`). Ctrl-C ends the wait, not
    the job.

    ``await job`` is `result` for coroutines.
    """

    #: the word for the parts of a result: circuits or PUBs
    _units: ClassVar[str]

    def __init__(
        self,
        backend: JobBackend,
        job_id: str,
        *,
        tenant: str | None,
        new: NewJob | None,
        snapshot: Snapshot | None,
        read_every: float,
    ) -> None:
        """Make the object of a job.

        Args:
            backend: the backend that the job runs on.
            job_id: the job's id.
            tenant: the job's tenant; ``None`` for the tenant of the backend's provider.
            new: the job, if it hasn't been sent yet; ``None`` for a job in the fleet's Redis.
            snapshot: the state of the job, if it was just read from Redis.
            read_every: seconds between two reads of the ledger while the job is waited for. Messages tell of changes
                in between, but may get lost.
        """
        self._read_every = read_every
        self._backend = backend
        self._connection = backend._connection
        self._ref = reference(self._connection.tenant if tenant is None else tenant, job_id)
        self._unsent = new
        self._record = new.record if new else None
        self._snapshot = snapshot
        #: the messages about the job, if this process sent it; until its result was assembled
        self._ticket: Ticket | None = None
        self._metadata = dict(new.record.metadata) if new else None
        #: the result, and the time of the end that it belongs to; a job may be retried and end again
        self._full_result: tuple[float | None, _Result] | None = None

    @abstractmethod
    def _make_result(self, record: JobRecord, parts: list[CircuitResult], snapshot: Snapshot) -> _Result:
        """Return the result of the job, which has ended.

        Args:
            record: the job as it was submitted.
            parts: the results of its circuits.
            snapshot: its final state.
        """

    @abstractmethod
    def _failures(self, result: _Result) -> dict[int, str]:
        """Return the reason for each circuit or PUB that failed.

        A text has the name and the reason; its key is the index.
        """

    def __repr__(self) -> str:
        known = self._snapshot
        if self._unsent is not None:
            state = "not submitted"
        elif known is None:
            state = "submitted"
        else:
            state = (
                f"{job_status(known.states).name} when last asked, {known.circuits_done} of {known.circuits} circuits"
            )
        return f"<{type(self).__name__} {self._job_id} on {self._backend.name}: {state}>"

    def __reduce__(self) -> tuple[object, ...]:
        if self._unsent is not None:
            raise self._error("can't be copied or pickled before it is submitted; call submit()")
        return partial(type(self), tenant=parts_of(self._ref)[0]), (self._backend, self._job_id)

    def submit(self) -> None:
        """Send the job to the fleet.

        Raises:
            FleetJobError: it was sent already.
        """
        job = self._unsent
        if job is None:
            raise self._error("was submitted already; run the circuits again for another job")
        try:
            with shielded(patient=False):
                self._record, self._ticket = send(self._connection, replace(job, job_id=self._ref))
                self._unsent = None
        except KeyboardInterrupt as exc:
            if self._unsent is None:
                exc.add_note(goes_on(self._job_id))
            raise

    def status(self) -> JobStatus:
        """Return the job's status, from the Celery states of its tasks."""
        if self._unsent is not None:
            return JobStatus.INITIALIZING
        return job_status(self._read_snapshot().states)

    def result(
        self,
        timeout: float | None = None,
        *,
        partial: bool = False,
        progress: Callable[[Progress], object] | None = None,
    ) -> _Result:
        """Wait for the job to end, and return its result.

        Args:
            timeout: seconds to wait; ``None`` waits forever. The job continues after a timeout.
            partial: return the available part of the result if the job failed or was cancelled.
            progress: called with the job's progress at the start and after each change.

        Raises:
            JobTimeoutError: the job didn't end in time.
            JobFailedError: the job failed; the text names the circuits and the reasons.
            JobCancelledError: the job was cancelled.
        """
        return self._result(Deadline(self._ref, timeout), partial=partial, progress=progress)

    def __await__(self) -> Generator[Any, None, _Result]:
        return self._awaited().__await__()

    def retry_failed(self) -> int:
        """Run the failed circuits again in the same job.

        Returns:
            The number of circuits.

        Raises:
            FleetJobError: the job hasn't ended, was cancelled, or had no failures.
        """
        self._must_be_submitted()
        snapshot = self._read_snapshot()
        status = job_status(snapshot.states)
        if status is not JobStatus.ERROR:
            why = {
                JobStatus.DONE: "no part of it failed",
                JobStatus.CANCELLED: "it was cancelled, which is final; run the circuits again as another job",
            }.get(status, f"it is {status.name}; wait until it has ended")
            raise self._error(f"has nothing to retry: {why}")
        with self._connection.ledger() as ledger:
            again = ledger.retry(self._ref)
        self._snapshot = self._full_result = None
        if not again:
            raise self._error("has nothing to retry: another client has just retried it")
        if not snapshot.tenant:
            # A job of version 0.1: messages name its tasks.
            publish(self._connection, self._ref, again)
        return snapshot.circuits - snapshot.circuits_done

    def cancel(self) -> bool:
        """Cancel the job, queued or running. This is final.

        Cancelled tasks never run, even if no worker receives the cancellation. Processes that run one are killed, and
        the job is CANCELLED when they are dead; this method waits for that for two seconds at most.

        Returns:
            True if the job was cancelled, False if it had ended already.
        """
        self._must_be_submitted()
        with self._connection.ledger() as ledger:
            cancelled = ledger.cancel(self._ref)
            if not cancelled.number:
                ledger.snapshot(self._ref)  # raise JobNotFoundError for an unknown job
                return False
        if cancelled.running:
            self._connection.revoke(self._ref, cancelled.running)
        with suppress(FleetJobTimeoutError):
            for _ in self._reads(Deadline(self._ref, _DEATH_SECONDS)):
                pass
        return True

    def wait_for_final_state(
        self,
        timeout: float | None = None,
        wait: float = 5,
        callback: Callable[[str, JobStatus, Self], object] | None = None,
    ) -> None:
        """Wait until the job is done, failed or cancelled.

        Args:
            timeout: seconds to wait; ``None`` waits forever.
            wait: seconds between two queries, at least 0.05. The end of the job is noticed at once.
            callback: called as ``callback(job_id, status, job)`` after each query.

        Raises:
            JobTimeoutError: the job didn't end in time.
        """
        deadline, read_every = Deadline(self._ref, timeout), seconds("wait", wait)
        # Called here and not in watch, which would take an error of the callback for one of Redis.
        with interruptible(self._job_id), closing(self._reads(deadline, read_every)) as reads:
            for snapshot in reads:
                if callback is not None:
                    callback(self._job_id, job_status(snapshot.states), self)

    def progress(self) -> Progress:
        """Return the job's progress; a parameter set counts as a circuit."""
        if self._unsent is not None:
            return Progress(0, self._unsent.record.num_circuits)
        snapshot = self._read_snapshot()
        return Progress(snapshot.circuits_done, snapshot.circuits)

    def error_message(self) -> str | None:
        """Return the failed circuits or PUBs with the reasons.

        It is ``None`` unless the job's status is ERROR.
        """
        if self._unsent is not None:
            return None
        snapshot = self._read_snapshot()
        if job_status(snapshot.states) is not JobStatus.ERROR:
            return None
        failures = self._failures(self._assemble(snapshot, Deadline(self._ref, 0)))
        return failure_text(failures, self._units, snapshot.error)

    @property
    def metadata(self) -> dict[str, Any]:
        """Return the metadata given to ``run()``.

        Another process gets the metadata that could be stored.
        """
        if self._metadata is None:
            self._metadata = dict(self._read_record().metadata)
        return self._metadata

    @metadata.setter
    def metadata(self, metadata: dict[str, Any]) -> None:
        self._metadata = metadata

    @property
    def tags(self) -> list[str]:
        """Return the tags given to ``run()``."""
        known = self._record or self._snapshot or self._read_snapshot()
        return list(known.tags)

    @property
    def creation_date(self) -> datetime:
        """Return the time when the job was made, with a time zone."""
        known = self._record or self._snapshot or self._read_snapshot()
        return datetime.fromtimestamp(known.created, UTC).astimezone()

    def _read_record(self, deadline: Deadline | None = None) -> JobRecord:
        if self._record is None:
            deadline = deadline or Deadline(self._ref, 0)
            self._record = deadline.ask(self._connection, lambda ledger: ledger.record(self._ref))
        return self._record

    def _reads(
        self,
        deadline: Deadline,
        read_every: float | None = None,
        *,
        moves: bool = False,
        ticket: Ticket | None = None,
    ) -> Generator[Snapshot]:
        """Yield the job's state at each read; see `watch`."""
        read_every = self._read_every if read_every is None else read_every
        self._must_be_submitted()
        if self._snapshot is not None and self._snapshot.is_settled:
            yield self._snapshot
            return
        watched = watch(self._connection, deadline, read_every=read_every, moves=moves, ticket=ticket)
        with closing(watched) as reads:
            for snapshot in reads:
                self._snapshot = snapshot
                yield snapshot

    def _result(
        self, deadline: Deadline, *, partial: bool = False, progress: Callable[[Progress], object] | None = None
    ) -> _Result:
        told = None
        # Progress is told at the start, too.
        ticket = self._ticket if progress is None else None
        with interruptible(self._job_id):
            with closing(self._reads(deadline, moves=progress is not None, ticket=ticket)) as reads:
                for snapshot in reads:
                    now = Progress(snapshot.circuits_done, snapshot.circuits)
                    if progress is not None and now != told:
                        progress(now)
                        told = now
            return self._conclude(snapshot, deadline, partial=partial)

    def _conclude(self, snapshot: Snapshot, deadline: Deadline, *, partial: bool = False) -> _Result:
        """Return the result of a job that has ended.

        Raises:
            JobFailedError, JobCancelledError: the whole result is wanted, and the job failed or was cancelled.
        """
        if job_status(snapshot.states) is JobStatus.CANCELLED and not partial:
            text = f"job {self._job_id} was cancelled; result(partial=True) returns what it had done"
            raise JobCancelledError(text, job_id=self._job_id)
        if snapshot.refused and not partial:
            raise quota_error(self._job_id, snapshot)
        result = self._assemble(snapshot, deadline)
        if not partial and (failures := self._failures(result)):
            reasons = failure_text(failures, self._units, snapshot.error)
            raise JobFailedError(
                f"job {self._job_id} failed: {reasons}. result(partial=True) returns the rest, "
                "retry_failed() runs the failed part again",
                job_id=self._job_id,
                circuits=tuple(failures),
            )
        return result

    async def _awaited(self) -> _Result:
        self._must_be_submitted()
        deadline = Deadline(self._ref, None)
        snapshot = self._snapshot
        if snapshot is None or not snapshot.is_settled:
            snapshot = await ended(self._connection, deadline, read_every=self._read_every, ticket=self._ticket)
            self._snapshot = snapshot
        threads = self._connection.threads
        return await asyncio.get_running_loop().run_in_executor(threads, self._conclude, snapshot, deadline)

    def _assemble(self, snapshot: Snapshot, deadline: Deadline) -> _Result:
        if self._full_result is None or self._full_result[0] != snapshot.ended:
            with damage_named(self._job_id):
                record = self._read_record(deadline)
                end = self._ticket.end() if self._ticket is not None else None
                if end is not None and end.snapshot.ended == snapshot.ended:
                    parts = list(end.result.circuits)
                else:
                    parts = all_parts(self._connection, deadline, snapshot)
                self._ticket = None
                self._full_result = snapshot.ended, self._make_result(record, parts, snapshot)
        return self._full_result[1]


@contextmanager
def damage_named(job_id: str) -> Iterator[None]:
    """Add a job's id to the errors about its damaged data."""
    try:
        yield
    except DamagedDataError as exc:
        exc.job_id = job_id
        raise
