# SPDX-License-Identifier: Apache-2.0
"""A job ends in the interval in which it was said to end, whenever somebody asked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any, NamedTuple

import pytest
import redis
from circuits import wide
from command_line import on_terminal, qfleet
from qiskit import QuantumCircuit
from waiting import until

from qfleet import FleetBackend, FleetJob, FleetProvider
from qfleet.jobs.estimate import Estimate
from qfleet.ledger.client import connect
from qfleet.options import RunOptions
from qfleet.submission.prepare import prepare
from qfleet.wire.messages.request import Output
from qfleet.wire.redis.broker import parse_broker


@pytest.fixture
def fleet() -> Iterator[FleetProvider]:
    """Yield a fleet that has run nothing yet."""
    with FleetProvider.local(workers=2) as provider:
        yield provider


@pytest.fixture
def clock(fleet: FleetProvider) -> Iterator[redis.Redis]:
    """Yield a client of the fleet's Redis, whose clock tells when jobs end."""
    with connect(parse_broker(fleet.url)) as client:
        yield client


class Said(NamedTuple):
    """An estimate, and the time in which it was made."""

    before: float
    estimate: Estimate
    after: float


def _quarters(number: int) -> list[QuantumCircuit]:
    """Return circuits of a quarter of a second or more."""
    return [wide(20, f"{index}", layers=100) for index in range(number)]


def _now(clock: redis.Redis) -> float:
    seconds, microseconds = clock.time()
    return float(seconds) + microseconds / 1e6


def _watch(clock: redis.Redis, *jobs: Any) -> None:
    """Ask again and again when each of some jobs ends, until the last one has, and compare."""
    said: dict[str, list[Said]] = {job.job_id(): [] for job in jobs}

    def ask(*_: object) -> None:
        for job in jobs:
            before = _now(clock)
            found = job.estimated_time()
            assert found is not None
            if found.high:
                assert found.low < found.high
                said[job.job_id()].append(Said(before, found, _now(clock)))

    ask()
    for job in jobs:
        job.wait_for_final_state(timeout=100, wait=0.1, callback=ask)
    for job in jobs:
        ended = datetime.fromisoformat(job.metrics()["timestamps"]["finished"]).timestamp()
        assert len(said[job.job_id()]) > 3
        for before, estimate, after in said[job.job_id()]:
            assert estimate.low <= ended - before, (estimate, ended - before)
            assert ended - after <= estimate.high, (estimate, ended - after)


def test_alone_and_behind_others(fleet: FleetProvider, clock: redis.Redis) -> None:
    backend = fleet.get_backend()
    # Nobody has measured these workers yet.
    _watch(clock, backend.run(_quarters(12), shots=100, max_job_size=1))
    first = backend.run(_quarters(12), shots=100, max_job_size=1)
    second = backend.run(_quarters(18), shots=100, max_job_size=1)
    with FleetProvider(fleet.url, tenant="another") as other:
        third = other.get_backend().run(_quarters(8), shots=100, max_job_size=1)
        _watch(clock, first, second, third)


def _mispredicted(backend: FleetBackend, number: int, factor: float) -> FleetJob:
    """Run circuits that are predicted to take some times as long as they should."""
    new = prepare(
        _quarters(number),
        RunOptions(shots=100, max_job_size=1),
        backend_name=backend.name,
        output=Output.COUNTS,
        tags=(),
        metadata={},
        retention=3600,
    )
    tiers = [tier._replace(seconds=tier.seconds * factor, longest=tier.longest * factor) for tier in new.tiers]
    job = FleetJob(backend, new.job_id, new=replace(new, tiers=tiers))
    job.submit()
    return job


@pytest.mark.parametrize("factor", [1 / 40, 40], ids=["slower", "faster"])
def test_workers_that_are_slower_or_faster_than_predicted(
    fleet: FleetProvider, clock: redis.Redis, factor: float
) -> None:
    backend = fleet.get_backend()
    _mispredicted(backend, 8, factor).result(timeout=100)

    def is_measured() -> bool:
        paces = [worker.pace * factor for worker in fleet.workers()]
        return len(paces) == 2 and all(0.1 < pace < 20 for pace in paces)

    until(is_measured, "the workers say how long their last tasks took")
    _watch(clock, _mispredicted(backend, 16, factor))


def test_commands_show_places_and_times(fleet: FleetProvider) -> None:
    backend = fleet.get_backend()
    first = backend.run(_quarters(100), shots=100, max_job_size=1)
    second = backend.run(_quarters(110), shots=100, max_job_size=1)
    shown = qfleet("jobs", url=fleet.url).stdout
    assert "jobs before" in shown
    assert "ends in" in shown
    code, output = on_terminal("result", second.job_id(), "--wait", "100", url=fleet.url, until="before it")
    assert code == 130
    assert "before it" in output
    for job in (first, second):
        job.cancel()
    shown = qfleet("jobs", url=fleet.url).stdout
    assert "jobs before" not in shown
    assert "ends in" not in shown
