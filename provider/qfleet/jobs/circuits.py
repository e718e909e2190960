# SPDX-License-Identifier: Apache-2.0
"""The job of circuits: Qiskit's `JobV1`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing

from qiskit.providers import JobV1
from qiskit.result import Result
from qiskit.result.models import ExperimentResult

from qfleet.jobs.base import LedgerJob, damage_named
from qfleet.jobs.gathering import default_error, gather
from qfleet.jobs.queued import JobBackend
from qfleet.jobs.result import assemble, failures
from qfleet.jobs.waiting import READ_EVERY_SECONDS, Deadline, interruptible
from qfleet.ledger import JobRecord, NewJob, Snapshot
from qfleet.wire.messages.result import CircuitResult


class FleetJob(LedgerJob[Result], JobV1):
    """A job of circuits on a fleet, made by `FleetBackend.run` and `FleetProvider.job`.

    If the job failed or was cancelled, ``result(partial=True)`` still has all circuits: those without data have
    ``success=False`` and the reason in ``status``, and the status of the result is "PARTIAL COMPLETED".
    """

    _units = "circuits"

    def __init__(
        self,
        backend: JobBackend,
        job_id: str,
        *,
        tenant: str | None = None,
        new: NewJob | None = None,
        snapshot: Snapshot | None = None,
        read_every: float = READ_EVERY_SECONDS,
    ) -> None:
        """See `qfleet.jobs.base.LedgerJob`."""
        JobV1.__init__(self, backend, job_id)
        LedgerJob.__init__(self, backend, job_id, tenant=tenant, new=new, snapshot=snapshot, read_every=read_every)

    def as_completed(self, timeout: float | None = None) -> Iterator[tuple[int, ExperimentResult]]:
        """Yield each circuit's index and result when its shots have run.

        A circuit that failed, or that a cancelled job didn't run, has ``success=False`` and the reason in ``status``.

        Args:
            timeout: seconds from now until the last circuit; ``None`` waits forever.

        Raises:
            JobTimeoutError: some circuits didn't end in time. The job continues.
        """
        self._must_be_submitted()
        return self._as_completed(Deadline(self._ref, timeout))

    def _as_completed(self, deadline: Deadline) -> Iterator[tuple[int, ExperimentResult]]:
        with interruptible(self._job_id), damage_named(self._job_id):
            record = self._read_record(deadline)
            with closing(self._reads(deadline, moves=True)) as reads:
                yield from gather(self._connection, deadline, record, reads)

    def _make_result(self, record: JobRecord, parts: list[CircuitResult], snapshot: Snapshot) -> Result:
        return assemble(
            self._job_id,
            record,
            parts,
            backend_version=self._backend.backend_version,
            ended=snapshot.ended or time.time(),
            default_error=default_error(snapshot),
        )

    def _failures(self, result: Result) -> dict[int, str]:
        return failures(result)
