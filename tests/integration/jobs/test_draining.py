# SPDX-License-Identifier: Apache-2.0
"""A worker that is drained finishes what it has, and takes nothing else until that is undone."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
import redis
from command_line import qfleet
from fleet_state import many
from processes import shard_field
from qiskit.providers import JobStatus
from references import ref
from waiting import until

from qfleet import FleetBackend, FleetJob, FleetProvider
from qfleet.errors import InvalidOptionError


@pytest.fixture
def names(fleet: FleetProvider) -> Iterator[list[str]]:
    names = [worker.name for worker in fleet.workers()]
    assert len(names) == 2
    yield names
    for name in names:
        fleet.drain(name, undo=True)
    _until_drained(fleet)


def _until_drained(fleet: FleetProvider, *names: str) -> None:
    """Wait until exactly these workers are drained, and know it."""

    def drained() -> list[dict[str, float]]:
        found = {worker.name: worker.seen for worker in fleet.workers() if worker.draining}
        return [found] if found.keys() == {*names} else []

    (shown,) = until(drained, f"{names} are drained")
    # A script writes it down, and its answer tells the worker, which doesn't show itself again before it has that.
    until(lambda: all(worker.seen > shown.get(worker.name, 0) for worker in fleet.workers()), f"{names} know it")


def _workers_of(server: redis.Redis, job: FleetJob, shards: int) -> set[str]:
    """Return the names of the workers that ran a job."""
    owners = [shard_field(server, ref(job), index, "owner") or "" for index in range(shards)]
    return {owner.rpartition("/")[0].rpartition("/")[0] for owner in owners}


def test_a_drained_worker_goes_on_with_what_it_has(
    fleet: FleetProvider, backend: FleetBackend, server: redis.Redis, running: FleetJob, names: list[str]
) -> None:
    (busy,) = _workers_of(server, running, 1)
    (other,) = {*names} - {busy}
    assert qfleet("drain", busy[:-3], url=fleet.url).stdout == f"Worker {busy} takes no new tasks.\n"
    _until_drained(fleet, busy)
    job = many(backend, 40)
    assert len(job.result(timeout=90).results) == 40
    assert _workers_of(server, job, 40) == {other}
    until(lambda: all(not worker.holds for worker in fleet.workers() if worker.name == other), "the other has no more")
    shown = json.loads(qfleet("workers", "--json", url=fleet.url).stdout)["workers"]
    assert {worker["name"]: (worker["running"], worker["draining"]) for worker in shown} == {
        busy: (1, True),
        other: (0, False),
    }
    assert f"for 1 tasks at a time; draining: {busy}" in qfleet("doctor", url=fleet.url).stdout
    assert running.status() is JobStatus.RUNNING
    running.cancel()
    # Its process is free, and it takes nothing all the same.
    again = many(backend, 40)
    again.result(timeout=90)
    assert _workers_of(server, again, 40) == {other}
    # Now it alone takes what there is.
    fleet.drain(busy, undo=True)
    fleet.drain(other)
    _until_drained(fleet, other)
    last = many(backend, 40)
    last.result(timeout=90)
    assert _workers_of(server, last, 40) == {busy}


def test_jobs_wait_while_all_workers_are_drained(fleet: FleetProvider, backend: FleetBackend, names: list[str]) -> None:
    for name in names:
        fleet.drain(name)
    _until_drained(fleet, *names)
    job = many(backend, 3)
    assert qfleet("doctor", url=fleet.url).returncode == 1
    assert job.status() is JobStatus.QUEUED
    assert fleet.drain(names[0], undo=True) == names[0]
    assert len(job.result(timeout=60).results) == 3


def test_no_worker_has_the_name(fleet: FleetProvider) -> None:
    with pytest.raises(InvalidOptionError, match="`qfleet workers` lists them"):
        fleet.drain("nobody")
    with pytest.raises(InvalidOptionError, match="several workers"):
        fleet.drain("qfleet-")
    assert qfleet("drain", "nobody", url=fleet.url).returncode == 2
