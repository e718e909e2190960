# SPDX-License-Identifier: Apache-2.0
"""A job of circuits, as Qiskit sees it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing

from qiskit.providers import JobV1
from qiskit.result import Result
from qiskit.result.models import ExperimentResult

from qfleet.jobs.base import JobBackend, LedgerJob, damage_named
from qfleet.jobs.gathering import default_error, gather
from qfleet.jobs.result import assemble, failures
from qfleet.jobs.waiting import Patience, interruptible
from qfleet.ledger import JobRecord, NewJob, Snapshot
from qfleet.wire.messages.result import CircuitResult


class FleetJob(LedgerJob[Result], JobV1):
    """Circuits that run, or ran, on a fleet. `FleetBackend.run` and `FleetProvider.job` make them.

    Of a job that failed, or was cancelled, ``result(partial=True)`` has all circuits: those without data have
    ``success=False`` and a ``status`` that says why, and the result's status is "PARTIAL COMPLETED".
    """

    _units = "circuits"

    def __init__(
        self,
        backend: JobBackend,
        job_id: str,
        *,
        new: NewJob | None = None,
        snapshot: Snapshot | None = None,
    ) -> None:
        """See `qfleet.jobs.base.LedgerJob`."""
        JobV1.__init__(self, backend, job_id)
        LedgerJob.__init__(self, backend, new=new, snapshot=snapshot)

    def as_completed(self, timeout: float | None = None) -> Iterator[tuple[int, ExperimentResult]]:
        """The circuits as they end: each once, its index in the job and its result.

        A circuit is there when all its shots have run. One that failed has ``success=False`` and a ``status`` that says
        why; so have those that a cancelled job didn't run.

        Args:
            timeout: seconds from now until the last of them; ``None`` waits for ever.

        Raises:
            JobTimeoutError: there are more to come, but not in time. The job goes on.
        """
        self._must_be_submitted()
        return self._as_completed(Patience(self._job_id, timeout))

    def _as_completed(self, patience: Patience) -> Iterator[tuple[int, ExperimentResult]]:
        with interruptible(self._job_id), damage_named(self._job_id):
            record = self._read_record(patience)
            with closing(self._reads(patience, moves=True)) as reads:
                yield from gather(self._connection, patience, record, reads)

    def _assembled(self, record: JobRecord, found: list[CircuitResult], snapshot: Snapshot) -> Result:
        return assemble(
            self._job_id,
            record,
            found,
            backend_version=self._backend.backend_version,
            ended=snapshot.ended or time.time(),
            default_error=default_error(snapshot),
        )

    def _failures(self, result: Result) -> dict[int, str]:
        return failures(result)
