# SPDX-License-Identifier: Apache-2.0
"""A job on the fleet, as Qiskit sees it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from qiskit.providers import JobStatus, JobV1
from qiskit.result import Result

from qfleet.errors import BrokerError, FleetJobError, FleetJobTimeoutError, JobCancelledError, JobFailedError
from qfleet.queue import Connection, JobRecord, NewJob, Snapshot
from qfleet.result import assemble
from qfleet.status import job_status

if TYPE_CHECKING:
    from qfleet.backend import FleetBackend

#: While it waits for a message, a client reads the ledger so often: messages may get lost.
_READ_EVERY_SECONDS: Final = 2.0
#: How long a cancel waits for the processes that it kills to be dead.
_DEATH_SECONDS: Final = 2.0
#: How many failed circuits an error names.
_NAMED_FAILURES: Final = 3


class Progress(NamedTuple):
    """How far a job is, in circuits."""

    done: int
    total: int


class FleetJob(JobV1):
    """Circuits that run, or ran, on a fleet. `FleetBackend.run` and `FleetProvider.job` make them.

    The job lives in the fleet's Redis, not in this object: any process finds it by its id, and it goes on when this
    process ends. Methods that ask Redis raise `qfleet.errors.BrokerError` if it can't be asked, `JobNotFoundError` if
    there is no such job, and `JobExpiredError` once its retention is over.
    """

    _backend: FleetBackend

    def __init__(
        self,
        backend: FleetBackend,
        job_id: str,
        connection: Connection,
        *,
        new: NewJob | None = None,
        snapshot: Snapshot | None = None,
    ) -> None:
        """A job to be submitted, ``new``, or one that is in the fleet's Redis already."""
        super().__init__(backend, job_id)
        self._connection = connection
        self._unsent = new
        self._record = new.record if new else None
        self._snapshot = snapshot
        self._metadata = dict(new.record.metadata) if new else None
        self._full_result: Result | None = None

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
        return f"<FleetJob {self._job_id} on {self._backend.name}: {state}>"

    def submit(self) -> None:
        """Send the job to the fleet. Raises `JobError` the second time."""
        job = self._unsent
        if job is None:
            raise FleetJobError(f"job {self._job_id} was submitted already; run the circuits again for another job")
        with self._connection.ledger() as ledger:
            ledger.store(job)
        try:
            self._publish(range(len(job.shards)))
        except BaseException:
            # Half a job is worse than none: workers do nothing with tasks of a job that isn't there.
            with suppress(BrokerError), self._connection.ledger() as ledger:
                ledger.delete(job.job_id)
            raise
        self._unsent = None

    def _publish(self, shards: Sequence[int]) -> None:
        self._connection.publish(self._job_id, shards)
        with self._connection.ledger() as ledger:
            ledger.published(self._job_id)

    def status(self) -> JobStatus:
        """The job's status, from the Celery states of its tasks."""
        if self._unsent is not None:
            return JobStatus.INITIALIZING
        return job_status(self._read_snapshot().states)

    def result(self, timeout: float | None = None, *, partial: bool = False) -> Result:
        """Wait for the job to end, and return what its circuits gave, in their order.

        Args:
            timeout: seconds to wait; ``None`` waits for ever. The job goes on after a timeout.
            partial: return what there is of a job that failed or was cancelled. Circuits without data then have
                ``success=False`` and a ``status`` that says why, and the result's status is "PARTIAL COMPLETED".

        Raises:
            JobTimeoutError: the job didn't end in time.
            JobFailedError: it failed; the text says which circuit, and why. A `JobError`.
            JobCancelledError: it was cancelled. A `JobError`.
        """
        snapshot = self._wait(timeout)
        status = job_status(snapshot.states)
        if status is JobStatus.CANCELLED and not partial:
            raise JobCancelledError(f"job {self._job_id} was cancelled; result(partial=True) gives what it had done")
        result = self._assemble(snapshot)
        if not result.success and not partial:
            raise JobFailedError(
                f"job {self._job_id} failed: {self._failure(result, snapshot)}. result(partial=True) gives the rest"
            )
        return result

    def cancel(self) -> bool:
        """Stop the job, queued or running, for good.

        Returns True if that stopped it, False if it had ended already. Cancelled tasks never run, even if no worker
        hears of it now; processes that run one are killed. The job is CANCELLED once they are dead, which this waits
        for, a few seconds at most.
        """
        self._must_be_submitted()
        with self._connection.ledger() as ledger:
            stopped = ledger.cancel(self._job_id)
            if not stopped:
                ledger.snapshot(self._job_id)  # raises if there is no such job
                return False
        self._connection.revoke(self._job_id, stopped)
        with suppress(FleetJobTimeoutError):
            self._wait(_DEATH_SECONDS)
        return True

    def wait_for_final_state(
        self,
        timeout: float | None = None,
        wait: float = 5,
        callback: Callable[[str, JobStatus, FleetJob], object] | None = None,
    ) -> None:
        """Wait until the job is done, failed or cancelled.

        Args:
            timeout: seconds to wait; ``None`` waits for ever.
            wait: seconds between two queries; the end of the job is noticed at once.
            callback: called as ``callback(job_id, status, job)`` after each query.

        Raises:
            JobTimeoutError: the job didn't end in time.
        """
        self._wait(timeout, wait, callback)

    def progress(self) -> Progress:
        """How many of the job's circuits have run."""
        if self._unsent is not None:
            return Progress(0, len(self._unsent.record.circuits))
        snapshot = self._read_snapshot()
        return Progress(snapshot.circuits_done, snapshot.circuits)

    def error_message(self) -> str | None:
        """What failed, and why; ``None`` unless the job's status is ERROR."""
        if self._unsent is not None:
            return None
        snapshot = self._read_snapshot()
        if job_status(snapshot.states) is not JobStatus.ERROR:
            return None
        return self._failure(self._assemble(snapshot), snapshot)

    @property
    def metadata(self) -> dict[str, Any]:
        """The metadata given to ``run()``. Another process gets what of them could be written down."""
        if self._metadata is None:
            self._metadata = dict(self._read_record().metadata)
        return self._metadata

    @metadata.setter
    def metadata(self, metadata: dict[str, Any]) -> None:
        self._metadata = metadata

    @property
    def tags(self) -> list[str]:
        """The tags given to ``run()``."""
        known = self._record or self._snapshot or self._read_snapshot()
        return list(known.tags)

    @property
    def creation_date(self) -> datetime:
        """When the job was made, with its time zone."""
        known = self._record or self._snapshot or self._read_snapshot()
        return datetime.fromtimestamp(known.created, UTC).astimezone()

    def _must_be_submitted(self) -> None:
        if self._unsent is not None:
            raise FleetJobError(f"job {self._job_id} isn't submitted; call submit() first")

    def _read_snapshot(self) -> Snapshot:
        if self._snapshot is None or not self._snapshot.is_final:
            with self._connection.ledger() as ledger:
                self._snapshot = ledger.snapshot(self._job_id)
        return self._snapshot

    def _read_record(self) -> JobRecord:
        if self._record is None:
            with self._connection.ledger() as ledger:
                self._record = ledger.record(self._job_id)
        return self._record

    def _wait(
        self,
        timeout: float | None,
        read_every: float = _READ_EVERY_SECONDS,
        callback: Callable[[str, JobStatus, FleetJob], object] | None = None,
    ) -> Snapshot:
        """Wait for the end."""
        self._must_be_submitted()
        if self._snapshot is None or not self._snapshot.is_final:
            # Called here, and not in _watch: an error of the callback is none of Redis.
            with closing(self._watch(timeout, read_every)) as reads:
                for snapshot in reads:
                    if callback is not None:
                        callback(self._job_id, job_status(snapshot.states), self)
        return self._read_snapshot()

    def _watch(self, timeout: float | None, read_every: float) -> Generator[Snapshot]:
        """What each read of the ledger says until the job has ended; woken by the job's channel."""
        deadline = math.inf if timeout is None else time.monotonic() + timeout
        with self._connection.ledger() as ledger, ledger.listen(self._job_id) as events:
            while True:
                snapshot = self._read_snapshot()
                yield snapshot
                if snapshot.is_final:
                    return
                left = deadline - time.monotonic()
                if left <= 0:
                    raise FleetJobTimeoutError(self._why_waiting(snapshot, timeout, any_worker=bool(ledger.workers())))
                events.wait(min(read_every, left))

    def _why_waiting(self, snapshot: Snapshot, timeout: float | None, *, any_worker: bool) -> str:
        text = (
            f"job {self._job_id} did not end within {timeout} s; it is {job_status(snapshot.states).name} "
            f"with {snapshot.circuits_done} of {snapshot.circuits} circuits done, and goes on"
        )
        if not any_worker:
            text += f". No worker is up at {self._connection.broker}: start one with `qfleet worker --url ...`"
        return text

    def _assemble(self, snapshot: Snapshot) -> Result:
        if self._full_result is None:
            record = self._read_record()
            tasks = sum(snapshot.states.values())
            cancelled = job_status(snapshot.states) is JobStatus.CANCELLED
            with self._connection.ledger() as ledger:
                found = list(ledger.results(self._job_id, tasks))
                if len(found) < tasks:
                    ledger.snapshot(self._job_id)  # raises if the job has expired, or was deleted, since it ended
            self._full_result = assemble(
                self._job_id,
                record,
                found,
                backend_version=self._backend.backend_version,
                ended=snapshot.ended or time.time(),
                default_error=snapshot.error
                or ("cancelled before it ran" if cancelled else "its result is missing from Redis"),
            )
        return self._full_result

    def _failure(self, result: Result, snapshot: Snapshot) -> str:
        failed = [
            f"circuit {index} ({experiment.header['name']!r}): {experiment.status.removeprefix('ERROR: ')}"
            for index, experiment in enumerate(result.results)
            if not experiment.success
        ]
        text = "; ".join(failed[:_NAMED_FAILURES]) or snapshot.error
        more = len(failed) - _NAMED_FAILURES
        return f"{text}; and {more} more circuits" if more > 0 else text


def check_labels(tags: object, metadata: object) -> tuple[list[str], dict[str, Any]]:
    """The tags and metadata of a new job. Raises TypeError."""
    if tags is None:
        tags = []
    if isinstance(tags, str) or not isinstance(tags, (list, tuple, set, frozenset)):
        raise TypeError(f"job_tags={tags!r}: a list of strings is needed")
    if not all(isinstance(tag, str) for tag in tags):
        raise TypeError(f"job_tags={tags!r}: every tag must be a string")
    if metadata is None:
        metadata = {}
    if not isinstance(metadata, Mapping):
        raise TypeError(f"metadata={metadata!r}: a dictionary is needed")
    return list(tags), dict(metadata)
