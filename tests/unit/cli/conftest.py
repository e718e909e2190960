# SPDX-License-Identifier: Apache-2.0
"""A provider that runs circuits at once in this process, so that the commands can be tested without a fleet."""

from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner, Result
from qiskit.providers import JobStatus
from qiskit.providers.basic_provider import BasicSimulator
from qiskit.providers.exceptions import QiskitBackendNotFoundError

import qfleet
from qfleet.cli.command import qfleet as command
from qfleet.errors import FleetJobError, JobNotFoundError
from qfleet.health.finding import Finding
from qfleet.jobs.estimate import Estimate, QueuePosition
from qfleet.ledger.quotas import Quotas

BELL = 'OPENQASM 2.0;\ninclude "qelib1.inc";\nqreg q[2];\ncreg c[2];\nh q[0];\ncx q[0], q[1];\nmeasure q -> c;\n'


@dataclass
class FakeJob:
    circuits: list[Any]
    options: dict[str, Any]
    state: JobStatus = JobStatus.DONE
    error: Exception | None = None
    ended_before_cancel: bool = False
    tags: tuple[str, ...] = ("nightly",)
    tenant: str = "somebody"
    priority: str = "normal"
    held: str = ""
    position: QueuePosition | None = None
    time: Estimate | None = None
    used: float | None = 0.0
    creation_date: datetime = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    before_result: Callable[[], object] = lambda: None
    waited: list[float | None] = field(default_factory=list)

    def job_id(self) -> str:
        return "job-1"

    def backend(self) -> Any:
        return SimpleNamespace(name="automatic")

    def status(self) -> JobStatus:
        return self.state

    def in_final_state(self) -> bool:
        return self.state in (JobStatus.DONE, JobStatus.ERROR, JobStatus.CANCELLED)

    def progress(self) -> Any:
        total = len(self.circuits)
        return SimpleNamespace(done=total if self.state is JobStatus.DONE else 0, total=total)

    def error_message(self) -> str | None:
        return str(self.error) if self.error else None

    def result(self, timeout: float | None = None, partial: bool = False) -> Any:
        self.waited.append(timeout)
        self.before_result()
        if self.error is not None and not partial:
            raise self.error
        options = {key: value for key, value in self.options.items() if key in ("shots", "seed_simulator")}
        # a seed that BasicSimulator picks itself is a numpy integer, which a fleet's never is
        return BasicSimulator().run(self.circuits, **{"seed_simulator": 1, **options}).result()

    def retry_failed(self) -> int:
        if self.state is not JobStatus.ERROR:
            raise FleetJobError("job job-1 has nothing to retry: no part of it failed")
        self.state = JobStatus.QUEUED
        return len(self.circuits)

    def metrics(self) -> dict[str, Any]:
        progress = self.progress()
        return {
            "status": self.state.name,
            "num_circuits": progress.total,
            "circuits_done": progress.done,
            "held": self.held,
            "usage": {"seconds": self.used, "quantum_seconds": self.used},
            "queue_position": self.position._asdict() if self.position else None,
            "estimated_seconds": self.time._asdict() if self.time else None,
        }

    def pause(self) -> bool:
        if self.in_final_state():
            raise FleetJobError(f"job job-1 can't be paused: it is {self.state.name}")
        changed, self.held = self.held != "paused", "paused"
        return changed

    def resume(self) -> bool:
        changed, self.held = self.held == "paused", ""
        return changed

    def cancel(self) -> bool:
        if self.ended_before_cancel:
            return False
        self.state = JobStatus.CANCELLED
        return True


def engine(name: str, reason: str = "machine code is compiled", *, compiling: bool = False) -> dict[str, Any]:
    """Return the presence of a worker with this engine."""
    return {"engine": name, "engine_reason": reason, "compiling": compiling}


@dataclass
class FakeFleet:
    """The behaviour of the fake provider, to be set by a test, and the calls that it got."""

    job: FakeJob | None = None
    job_settings: dict[str, Any] = field(default_factory=dict)
    workers: int = 2
    run_error: Exception | None = None
    urls: list[str] = field(default_factory=list)
    local_fleets: list[tuple[int, Any]] = field(default_factory=list)
    stopped: int = 0
    queries: list[dict[str, Any]] = field(default_factory=list)
    drained: list[tuple[str, bool]] = field(default_factory=list)
    weights: dict[str, float] = field(default_factory=dict)
    used: dict[str, float] = field(default_factory=dict)
    quotas: dict[str, Quotas] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    #: what all workers say of their engine, at each look; the last of them from then on
    engines: list[dict[str, Any]] = field(default_factory=lambda: [engine("statevector")])
    looks: int = 0

    def provider_class(self) -> type:  # noqa: C901 - it has as many methods as the real one
        fleet = self

        class FakeProvider:
            server = "redis-server"
            durable = True

            def __init__(self, url: str) -> None:
                self.url = url
                fleet.urls.append(url)

            @classmethod
            def local(cls, workers: int = 2, data: Any = None) -> FakeProvider:
                fleet.local_fleets.append((workers, data))
                return cls("redis://127.0.0.1:1/0")

            def __enter__(self) -> FakeProvider:
                return self

            def __exit__(self, *_: object) -> None:
                fleet.stopped += 1

            def get_backend(self, name: str) -> Any:
                if name == "none-such":
                    raise QiskitBackendNotFoundError("no backend is called 'none-such'")
                return SimpleNamespace(run=self._run)

            def _run(self, circuits: list[Any], **options: Any) -> FakeJob:
                if fleet.run_error is not None:
                    raise fleet.run_error
                fleet.job = FakeJob(circuits, options, **fleet.job_settings)
                return fleet.job

            def job(self, job_id: str) -> FakeJob:
                if fleet.job is None or job_id != fleet.job.job_id():
                    raise JobNotFoundError(f"no job {job_id}")
                return fleet.job

            def jobs(self, **query: Any) -> list[FakeJob]:
                fleet.queries.append(query)
                return [] if fleet.job is None else [fleet.job]

            def metrics(self, jobs: list[FakeJob]) -> list[dict[str, Any]]:
                return [job.metrics() for job in jobs]

            def workers(self) -> list[Any]:
                fleet.looks += 1
                engine = fleet.engines.pop(0) if len(fleet.engines) > 1 else fleet.engines[0]
                fields = {"version": "1.0", "concurrency": 2, "holds": ("job-1.0",), "memory_bytes": 2**30}
                return [
                    SimpleNamespace(name=f"worker-{index}", draining=index == 1, **fields, **engine)
                    for index in range(fleet.workers)
                ]

            def drain(self, worker: str, *, undo: bool = False) -> str:
                fleet.drained.append((worker, undo))
                return worker

            def weight(self, tenant: str) -> float:
                return fleet.weights.get(tenant, 1.0)

            def usage(self, tenant: str) -> float:
                return fleet.used.get(tenant, 0.0)

            def set_weight(self, tenant: str, weight: float) -> None:
                fleet.weights[tenant] = weight

            def quotas(self, tenant: str) -> Quotas:
                return fleet.quotas.get(tenant, Quotas())

            def set_quotas(self, tenant: str, **quotas: int | None) -> None:
                fleet.quotas[tenant] = self.quotas(tenant)._replace(**quotas)

            def examine(self) -> list[Finding]:
                return fleet.findings

        return FakeProvider


@pytest.fixture
def fleet(monkeypatch: pytest.MonkeyPatch) -> FakeFleet:
    fake = FakeFleet()
    monkeypatch.setattr(qfleet, "FleetProvider", fake.provider_class(), raising=False)
    monkeypatch.delenv("QFLEET_URL", raising=False)
    return fake


@pytest.fixture
def make_job(fleet: FakeFleet) -> Any:
    """Put a job of one Bell circuit on the fleet."""

    def make(**settings: Any) -> FakeJob:
        import circuits

        fleet.job = FakeJob([circuits.bell()], {"shots": 100, "seed_simulator": 1}, **settings)
        return fleet.job

    return make


@pytest.fixture
def qfleet_command() -> Any:
    """Run `qfleet` with these arguments."""

    def invoke(*arguments: object) -> Result:
        return CliRunner().invoke(command, [str(argument) for argument in arguments])

    return invoke


@pytest.fixture
def bell(tmp_path: Path) -> Path:
    path = tmp_path / "bell.qasm"
    path.write_text(BELL)
    return path


@pytest.fixture(autouse=True)
def _keep_signals() -> Any:
    handler = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, handler)
