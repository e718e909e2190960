# SPDX-License-Identifier: Apache-2.0
"""A worker, the client, or Redis is cut off while shards run, and joins again: nothing is lost, wrong or stuck."""

from __future__ import annotations

import json
import subprocess
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
from circuits import ENDLESS_SHOTS, endless
from fleet_state import attempts, counts, held, many, nothing_left
from host_fleet import RECOVERY_SECONDS, HostFleet, Recovery, cut_off, laptop_client
from processes import is_dead, owner_process, shard_field
from qiskit.providers import JobStatus
from references import ref
from waiting import until
from waiting_client import counts as waited_counts
from waiting_client import submit

from qfleet import FleetJob

pytestmark = pytest.mark.timeout(300)

#: How long a host is cut off. A worker that was silent for 15 s counts as gone.
SECONDS = pytest.mark.parametrize("seconds", [5, 20, 60], ids=lambda seconds: f"{seconds}s")
#: Seconds of silence after which no worker counts as gone.
SHORT_SECONDS = 10


@SECONDS
def test_a_worker_is_cut_off_while_it_runs_a_shard(seconds: int, fleet: HostFleet) -> None:
    expected, expected_many = counts(fleet.lasting()), counts(many(fleet.backend, 40))
    host, worker = fleet.workers[0]
    job = fleet.one_each()[0]
    with held(fleet.client, job):
        host.cut()
    # Its process ends the shard, and can tell nobody.
    with cut_off(host, seconds):
        begin = time.monotonic()
        assert counts(many(fleet.backend, 40)) == expected_many
        if seconds > 2 * RECOVERY_SECONDS - 1:
            until(lambda: attempts(fleet.client, job) == 2, "the shard is given to another worker", RECOVERY_SECONDS)
            print(f"its shard is given to another worker {time.monotonic() - begin:.1f} s after the cut")
            assert counts(job) == expected
    recovery = Recovery(f"a worker cut off for {seconds} s")
    until(lambda: job.status() is JobStatus.DONE, "its shard has ended", recovery.left())
    recovery.reached("its shard has ended")
    until(lambda: fleet.takes_a_shard(worker), "it takes shards again", recovery.left())
    recovery.reached("it has run another shard")
    assert counts(job) == expected
    assert fleet.is_stored_once(job)
    assert seconds > SHORT_SECONDS or attempts(fleet.client, job) == 1
    assert worker.is_alive()
    until(lambda: nothing_left(fleet.client), "nothing is left over")


@SECONDS
def test_the_client_is_cut_off_while_it_waits(seconds: int, fleet: HostFleet, tmp_path: Path) -> None:
    expected = waited_counts(submit(fleet.backend))
    log = tmp_path / "client.log"
    with laptop_client(fleet, "waiting_client", log) as waiting:
        job = fleet.backend.retrieve_job(job_of(log))
        with held(fleet.client, job):
            until(lambda: job.progress().done == 8, "the small circuits have run")
            fleet.laptop.cut()
        with cut_off(fleet.laptop, seconds):
            # The message about its end reaches nobody.
            until(job.in_final_state, "it ends")
            assert waiting.poll() is None
        recovery = Recovery(f"a client cut off for {seconds} s")
        until(lambda: waiting.poll() is not None, "the client has its result", recovery.left())
        recovery.reached("it has its result")
    assert found_by(waiting, log) == [expected, expected]
    assert fleet.is_stored_once(job)
    until(lambda: nothing_left(fleet.client), "nothing is left over")


@SECONDS
def test_redis_is_cut_off_from_all(seconds: int, fleet: HostFleet, tmp_path: Path) -> None:
    expected, expected_client = counts(fleet.lasting()), waited_counts(submit(fleet.backend))
    log = tmp_path / "client.log"
    jobs = fleet.one_each()
    with ExitStack() as clients:
        with ExitStack() as stopped:
            for job in jobs:
                stopped.enter_context(held(fleet.client, job))
            waiting = clients.enter_context(laptop_client(fleet, "waiting_client", log))
            of_client = fleet.backend.retrieve_job(job_of(log))
            fleet.broker.cut()
        with cut_off(fleet.broker, seconds):
            pass
        recovery = Recovery(f"Redis cut off for {seconds} s")
        until(lambda: all(job.status() is JobStatus.DONE for job in jobs), "they have ended", recovery.left())
        recovery.reached("the shards that ran have ended")
        until(lambda: waiting.poll() is not None, "the client has its result", recovery.left())
        recovery.reached("the client has its result")
        for _, worker in fleet.workers:
            until(lambda: fleet.takes_a_shard(worker), "it takes shards again", recovery.left())  # noqa: B023
        recovery.reached("each worker has run another shard")
    assert [counts(job) for job in jobs] == [expected] * 3
    assert found_by(waiting, log) == [expected_client, expected_client]
    assert all(fleet.is_stored_once(job) for job in (*jobs, of_client))
    # All were silent, and so none of them counts as gone.
    assert [attempts(fleet.client, job) for job in jobs] == [1] * 3
    until(lambda: nothing_left(fleet.client), "nothing is left over")


def job_of(log: Path) -> str:
    """Return the id of a client's job, which it prints first."""
    line = until(lambda: log.read_text().partition("\n")[0], "the client has submitted its job")
    job_id: str = json.loads(line)
    return job_id


def found_by(client: subprocess.Popen[bytes], log: Path) -> object:
    """Return what a client that has ended printed last."""
    assert client.returncode == 0, log.read_text()
    return json.loads(log.read_text().splitlines()[1])


def test_calls_of_a_client_that_is_cut_off_end(fleet: HostFleet, tmp_path: Path) -> None:
    log = tmp_path / "client.log"
    with laptop_client(fleet, "impatient_client", log) as calling:
        job = fleet.backend.retrieve_job(job_of(log))
        fleet.laptop.cut()
        begin = time.monotonic()
        until(lambda: calling.poll() is not None, "each call has raised an error", seconds=2 * RECOVERY_SECONDS)
        print(f"three calls have raised errors after {time.monotonic() - begin:.1f} s")
        fleet.laptop.join()
    errors = [json.loads(line) for line in log.read_text().splitlines()[1:]]
    assert errors == ["FleetJobTimeoutError", "BrokerUnreachableError", "BrokerUnreachableError"]
    assert job.cancel()
    until(lambda: nothing_left(fleet.client), "nothing is left over")


def test_a_worker_stops_a_shard_that_was_given_away_meanwhile(fleet: HostFleet) -> None:
    host, worker = fleet.workers[0]
    jobs = [fleet.backend.run(endless(), shots=ENDLESS_SHOTS) for _ in fleet.workers]
    until(lambda: all(job.running() for job in jobs), "all run")
    job = next(job for job in jobs if is_at(fleet, job, worker.name))
    process = owner_process(fleet.client, ref(job))
    host.cut()
    for other in jobs:
        assert other is job or other.cancel()
    until(lambda: attempts(fleet.client, job) == 2, "another worker has it", seconds=60)
    assert not is_dead(process)
    host.join()
    recovery = Recovery("a worker whose shard was given away")
    until(lambda: is_dead(process), "its process is stopped", recovery.left())
    recovery.reached("the process is dead")
    until(lambda: fleet.takes_a_shard(worker), "it takes shards again", recovery.left())
    assert attempts(fleet.client, job) == 2
    assert not is_at(fleet, job, worker.name)
    assert job.cancel()
    until(lambda: nothing_left(fleet.client), "nothing is left over")


def test_a_cancel_reaches_a_worker_that_is_cut_off_later(fleet: HostFleet) -> None:
    host, worker = fleet.workers[0]
    jobs = [fleet.backend.run(endless(), shots=ENDLESS_SHOTS) for _ in fleet.workers]
    until(lambda: all(job.running() for job in jobs), "all run")
    job = next(job for job in jobs if is_at(fleet, job, worker.name))
    process = owner_process(fleet.client, ref(job))
    host.cut()
    assert all(job.cancel() for job in jobs)
    # Its process isn't known to be dead.
    assert job.status() is JobStatus.RUNNING
    until(lambda: job.status() is JobStatus.CANCELLED, "its worker counts as gone", seconds=60)
    assert not is_dead(process)
    host.join()
    recovery = Recovery("a worker whose shard was cancelled")
    until(lambda: is_dead(process), "its process is stopped", recovery.left())
    recovery.reached("the process is dead")
    until(lambda: fleet.takes_a_shard(worker), "it takes shards again", recovery.left())
    until(lambda: nothing_left(fleet.client), "nothing is left over")


def is_at(fleet: HostFleet, job: FleetJob, worker: str) -> bool:
    """Tell whether a worker has a job's only shard."""
    return (shard_field(fleet.client, ref(job), 0, "owner") or "").startswith(f"{worker}/")


def test_a_worker_and_a_client_with_slow_links(fleet: HostFleet, tmp_path: Path) -> None:
    expected, expected_client = counts(many(fleet.backend, 60)), waited_counts(submit(fleet.backend))
    host, worker = fleet.workers[0]
    ways = {end.slow_down(kbits=128, delay_ms=100) for end in (host, fleet.laptop)}
    log = tmp_path / "client.log"
    with laptop_client(fleet, "waiting_client", log) as waiting:
        job = many(fleet.backend, 60)
        until(lambda: waiting.poll() is not None, "the client has its result", RECOVERY_SECONDS)
    print("slow by", *ways)
    assert found_by(waiting, log) == [expected_client, expected_client]
    assert counts(job) == expected
    assert [attempts(fleet.client, job, index) for index in range(60)] == [1] * 60
    until(lambda: fleet.takes_a_shard(worker), "the one with the slow link has its part")
    until(lambda: nothing_left(fleet.client), "nothing is left over")
