# SPDX-License-Identifier: Apache-2.0
"""A job in the fleet's queue: tenant, priority, place and pauses."""

from __future__ import annotations

from abc import ABC
from typing import Any, Protocol

from qfleet.errors import FleetJobError
from qfleet.jobs.estimate import Estimate, QueuePosition
from qfleet.jobs.outlook import Outlook, metrics_of, read_outlooks
from qfleet.jobs.status import job_status
from qfleet.ledger import Connection, NewJob, Snapshot
from qfleet.options import WEIGHTS, Priority
from qfleet.wire.redis import keys
from qfleet.wire.redis.references import parts_of


class JobBackend(Protocol):
    """The part of a backend that its jobs use."""

    name: str
    backend_version: str
    _connection: Connection


class QueuedJob(ABC):
    """A job among all those of the fleet."""

    _job_id: str
    #: the job's reference: its id with its tenant
    _ref: str
    _backend: JobBackend
    _connection: Connection
    #: the job, until it is sent
    _unsent: NewJob | None
    #: the state of the job when it was last read
    _snapshot: Snapshot | None

    @property
    def tenant(self) -> str:
        """Return the job's tenant.

        It is empty for a job from a client of version 0.1.
        """
        return parts_of(self._ref)[0]

    @property
    def priority(self) -> Priority:
        """Return the priority given to ``run()``."""
        weight = (self._unsent or self._snapshot or self._read_snapshot()).weight
        return next((name for name, each in WEIGHTS.items() if each == weight), "normal")

    @property
    def held(self) -> str:
        """Return the reason why no circuit of it is started.

        It is empty if there is none.
        """
        return "" if self._unsent is not None else self._read_snapshot().held

    def queue_position(self) -> QueuePosition | None:
        """Return the job's place among those that wait.

        Of a tenant's jobs, the one with the least predicted seconds left comes first; they count less the longer the
        job has waited, and by its priority. So later jobs may overtake this one.

        Returns:
            ``None`` if nothing of the job waits for a worker: it has ended, or all of it was started. Also if it is
            held, isn't submitted yet, or comes from a client of version 0.1.
        """
        return self._outlook().position if self._unsent is None else None

    def estimated_time(self) -> Estimate | None:
        """Return the seconds until the job ends, as an interval.

        They go by the predicted time of circuits, the workers that are up with the time that their last circuits took,
        and what waits before the job. Jobs that come later aren't counted. Once the job has ended, both are 0.

        Returns:
            ``None`` if that can't be told: no worker is up that can run it, it is held, isn't submitted yet, or comes
            from a client of version 0.1.
        """
        return self._outlook().time if self._unsent is None else None

    def usage(self) -> float | None:
        """Return the core seconds that the job has used.

        Workers measure the processor time of all threads. It counts whether circuits succeed, fail or are cancelled;
        those of a process that died count with all the cores that it might have used, and those of a machine that was
        lost aren't known.

        Returns:
            ``None`` if workers of version 0.1 ran the job, which measured nothing.
        """
        return 0.0 if self._unsent is not None else self._read_snapshot().usage

    def metrics(self) -> dict[str, Any]:
        """Return what is known of the job now, read at once.

        Returns:
            A dict of types that JSON has:

            - ``status``, ``num_circuits``, ``circuits_done``, and ``held``, see `held`.
            - ``timestamps``: ``created``, ``running`` (its first circuit began) and ``finished``, in ISO format, UTC.
            - ``usage``: ``seconds`` and, as IBM's jobs name it, ``quantum_seconds``: see `usage`.
            - ``queue_position``: ``jobs`` and ``tenants``, see `queue_position`.
            - ``estimated_seconds``: ``low`` and ``high``, see `estimated_time`.
            - ``estimated_completion_time``: ``earliest`` and ``latest``, the same as times.

            What isn't known, or hasn't happened yet, is ``None``.

        Raises:
            FleetJobError: the job isn't submitted yet.
        """
        self._must_be_submitted()
        return metrics_of(self._outlook())

    def _outlook(self) -> Outlook:
        """Read the job's state and its place among all jobs."""
        known = self._snapshot if self._snapshot is not None and self._snapshot.is_settled else None
        (outlook,) = read_outlooks(self._connection, {self._ref: known})
        self._snapshot = outlook.snapshot
        return outlook

    def pause(self) -> bool:
        """Let no other part of the job start until `resume`.

        Parts that run are finished. Meanwhile `held` is "paused", waits go on, and `cancel` works.

        Returns:
            False if the job was paused already.

        Raises:
            FleetJobError: the job has ended, is being cancelled, or comes from a client of version 0.1.
        """
        self._must_be_submitted()
        with self._connection.ledger() as ledger:
            changed = ledger.pause(self._ref)
        if not changed:
            self._must_go_on("paused")
        return changed

    def resume(self) -> bool:
        """Let a paused job be run again.

        Returns:
            False if the job wasn't paused.

        Raises:
            FleetJobError: see `pause`.
        """
        self._must_be_submitted()
        with self._connection.ledger() as ledger:
            changed = ledger.resume(self._ref)
        if not changed:
            self._must_go_on("resumed")
        return changed

    def _must_go_on(self, what: str) -> None:
        """Check that a job can be paused.

        Args:
            what: what shall be done with it, as the error has it.

        Raises:
            FleetJobError: it can't be paused.
        """
        snapshot = self._read_snapshot()
        if not snapshot.tenant:
            raise self._error(f"comes from a client of version 0.1, and can't be {what}; cancel() stops it")
        if snapshot.is_final:
            raise self._error(f"can't be {what}: it is {job_status(snapshot.states).name}")
        if snapshot.states["REVOKED"] or snapshot.held == keys.CANCELLED:
            raise self._error(f"can't be {what}: it is being cancelled")

    def _must_be_submitted(self) -> None:
        if self._unsent is not None:
            raise self._error("isn't submitted; call submit() first")

    def _error(self, text: str) -> FleetJobError:
        """Return the error of a call that this job refuses."""
        return FleetJobError(f"job {self._job_id} {text}", job_id=self._job_id)

    def _read_snapshot(self) -> Snapshot:
        if self._snapshot is None or not self._snapshot.is_settled:
            with self._connection.ledger() as ledger:
                self._snapshot = ledger.snapshot(self._ref)
        return self._snapshot
