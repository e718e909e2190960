# SPDX-License-Identifier: Apache-2.0
"""The core seconds of jobs that real workers ran, failed to run, or were kept from running."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import numpy as np
import psutil
import pytest
import redis
from circuits import ENDLESS_SHOTS, bell, bell_state, endless, wide
from command_line import qfleet
from fleet_state import many, run_too_wide, steady
from processes import owner_process
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter
from qiskit.providers import JobStatus
from references import ref
from waiting import until

from qfleet import EstimatorV2, FleetBackend, FleetProvider, SamplerV2


@pytest.fixture
def own(fleet: FleetProvider) -> Iterator[FleetProvider]:
    """Yield a provider of a tenant of its own."""
    with FleetProvider(fleet.url, tenant=f"tenant-{uuid.uuid4()}") as provider:
        yield provider


def _seconds(job: Any) -> tuple[float, float]:
    """Return the core seconds of a job, and those that the whole machine had while it ran."""
    metrics = job.metrics()
    times = [datetime.fromisoformat(metrics["timestamps"][name]).timestamp() for name in ("running", "finished")]
    usage = job.usage()
    assert metrics["usage"]["seconds"] == metrics["usage"]["quantum_seconds"] == usage
    cores = psutil.cpu_count() or 1
    # A worker's copy of Redis's clock tells when the job began.
    return usage, (times[1] - times[0] + 0.1) * cores


def test_circuits_and_primitives_and_sweeps(own: FleetProvider) -> None:
    theta = Parameter("θ")
    turned = QuantumCircuit(2)
    turned.ry(theta, 0)
    jobs = [
        steady(own.get_backend()),
        SamplerV2(own).run([bell()], shots=10_000),
        EstimatorV2(own).run([(bell_state(), ["ZZ", "XX"])]),
        EstimatorV2(own).run([(turned, "ZZ", np.linspace(0, 1, 1000).reshape(-1, 1))]),
    ]
    total = 0.0
    for job in jobs:
        job.result(timeout=90)
        used, there_was = _seconds(job)
        assert 0 < used <= there_was
        total += used
    assert own.usage(own.tenant) == pytest.approx(total, abs=1e-4)
    shown = qfleet("tenant", own.tenant, url=own.url).stdout
    assert f"has used {own.usage(own.tenant):.1f} core seconds" in shown


def test_many_shards_are_added_up(own: FleetProvider, server: redis.Redis) -> None:
    job = many(own.get_backend(), 50)
    job.result(timeout=90)
    used, there_was = _seconds(job)
    assert 0 < used <= there_was
    assert own.usage(own.tenant) == pytest.approx(used, abs=1e-4)


def test_a_cancelled_job_has_used_what_its_process_took(own: FleetProvider, server: redis.Redis) -> None:
    job = own.get_backend().run(endless(), shots=ENDLESS_SHOTS)
    process = owner_process(server, ref(job))
    took = process.cpu_times().user
    until(lambda: process.cpu_times().user > took + 0.3, "it computes")
    assert job.usage() == 0
    assert job.cancel()
    used, there_was = _seconds(job)
    assert 0.3 < used <= there_was
    assert own.usage(own.tenant) == pytest.approx(used, abs=1e-4)
    shown = qfleet("status", job.job_id(), url=own.url).stdout
    assert f"used:     {used:.1f} core seconds" in shown


def test_a_killed_process_counts_as_long_as_it_ran(own: FleetProvider, server: redis.Redis) -> None:
    job = steady(own.get_backend())
    owner_process(server, ref(job)).kill()
    job.result(timeout=90)
    used, there_was = _seconds(job)
    # More than the 0.15 s after which a process is known to compute.
    assert 0.15 < used <= there_was


def test_a_job_that_fails_has_used_something(own: FleetProvider) -> None:
    job = run_too_wide(own.get_backend())
    assert job.status() is JobStatus.ERROR
    used, there_was = _seconds(job)
    assert 0 < used <= there_was
    assert own.usage(own.tenant) == pytest.approx(used, abs=1e-4)


def test_metrics_of_a_job_that_waits(idle: FleetBackend) -> None:
    job = idle.run([bell(), wide(3)])
    metrics = job.metrics()
    created = datetime.fromisoformat(metrics["timestamps"]["created"])
    assert (created - job.creation_date).total_seconds() == pytest.approx(0, abs=1e-3)
    assert json.loads(json.dumps(metrics)) == metrics
    assert metrics == {
        "status": "QUEUED",
        "num_circuits": 2,
        "circuits_done": 0,
        "held": "",
        "timestamps": {"created": metrics["timestamps"]["created"], "running": None, "finished": None},
        "usage": {"seconds": 0.0, "quantum_seconds": 0.0},
        "queue_position": metrics["queue_position"],
        "estimated_seconds": None,
        "estimated_completion_time": None,
    }
    assert metrics["queue_position"]["jobs"] >= 0
    job.cancel()
    assert job.metrics()["status"] == "CANCELLED"
    assert job.metrics()["estimated_seconds"] == {"low": 0.0, "high": 0.0}
