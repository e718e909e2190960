# SPDX-License-Identifier: Apache-2.0
"""Workers are told to stop: what runs gets a time of grace, the rest goes on elsewhere at once."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

import pytest
import redis
from circuits import ENDLESS_SHOTS, bell, endless
from fleet_state import attempts, counts, held, many, nothing_left, state, steady, waiting
from processes import Worker, owner_process, shard_field
from qiskit.providers import JobStatus
from references import ref
from waiting import until

from qfleet import FleetBackend, FleetJob
from qfleet.wire.redis import keys

StartWorker = Callable[..., Worker]

#: A worker that is told to stop the third time that it comes to a place.
TOLD = """
import os, signal, sys
from qfleet_worker.lifecycle import binder
there = binder.LateBinder.{place}
chosen = []
def stop_at_the_third(*args, **options):
    chosen.append(args)
    if len(chosen) == 3:
        os.kill(os.getpid(), signal.SIGTERM)
    return there(*args, **options)
binder.LateBinder.{place} = stop_at_the_third
from qfleet_worker.__main__ import main
sys.exit(main([]))
"""
#: The places: it has been given a shard; or the answer to a question comes. Its first shard comes with a token.
PLACES = [("_taken", 2), ("chosen", 3)]


def _owner(client: redis.Redis, job: FleetJob) -> str:
    """Return the name of the worker that took the job's shard; empty if none has it."""
    return (shard_field(client, ref(job), 0, "owner") or "").partition("/")[0]


@pytest.mark.parametrize("signals", [1, 2])
def test_a_short_shard_is_finished_however_often_its_worker_is_told_to_stop(
    backend: FleetBackend, client: redis.Redis, start_worker: StartWorker, signals: int
) -> None:
    worker = start_worker()
    job, waits = steady(backend), steady(backend)
    with held(client, job):
        for number in range(1, signals + 1):
            worker.process.send_signal(signal.SIGTERM)
            until(lambda: worker.log.read_text().count("Warm shutdown") == number, "it was told")  # noqa: B023
    assert worker.process.wait(60) == 0
    assert job.status() is JobStatus.DONE
    assert attempts(client, job) == 1
    # It took nothing that it could not run.
    assert waiting(client) == 1
    assert (state(client, waits), attempts(client, waits)) == ("PENDING", 0)
    start_worker()
    assert waits.result(timeout=60).success


def test_a_long_shard_is_handed_back_after_the_grace(
    backend: FleetBackend, client: redis.Redis, start_worker: StartWorker
) -> None:
    first = start_worker(QFLEET_GRACE_SECONDS="1")
    job = backend.run(endless(), shots=ENDLESS_SHOTS)
    owner_process(client, ref(job))
    pool = first.children()
    first.process.send_signal(signal.SIGTERM)
    assert first.process.wait(60) == 0
    assert (state(client, job), attempts(client, job)) == ("PENDING", 0)
    assert waiting(client) == 1
    assert not client.hexists(keys.WORKERS, first.name)
    until(lambda: not any(child.is_running() for child in pool), "its processes are gone")
    # The next takes it at once, as the first to run it.
    start_worker()
    until(lambda: state(client, job) == "STARTED", "it runs again")
    assert attempts(client, job) == 1
    assert job.cancel() is True
    until(lambda: nothing_left(client), "nothing is left over")


def test_a_rolling_restart_loses_nothing_and_runs_nothing_twice(
    backend: FleetBackend, client: redis.Redis, start_worker: StartWorker
) -> None:
    workers = [start_worker(), start_worker()]
    expected = counts(many(backend, 200))
    job = many(backend, 200)
    for number, worker in enumerate(workers):
        until(lambda: job.progress().done > 20 * number, "the fleet is busy")  # noqa: B023
        worker.process.send_signal(signal.SIGTERM)
        assert worker.process.wait(60) == 0
        start_worker()
    assert counts(job) == expected
    assert {attempts(client, job, index) for index in range(200)} == {1}
    until(lambda: nothing_left(client), "nothing is left over")


@pytest.mark.parametrize(("place", "done"), PLACES)
def test_a_shard_that_was_chosen_as_the_signal_came_is_handed_back(
    place: str, done: int, backend: FleetBackend, client: redis.Redis, start_worker: StartWorker
) -> None:
    first = start_worker(program=("-c", TOLD.format(place=place)))
    job = many(backend, 9)
    assert first.process.wait(60) == 0
    assert [state(client, job, index) for index in range(9)] == ["SUCCESS"] * done + ["PENDING"] * (9 - done)
    assert waiting(client) == 9 - done
    start_worker()
    assert job.result(timeout=60).success
    assert {attempts(client, job, index) for index in range(9)} == {1}


@pytest.mark.parametrize("is_told", [True, False], ids=["SIGTERM before", "SIGKILL alone"])
def test_a_kill_after_a_sigterm_is_not_the_fault_of_the_circuit(
    is_told: bool, backend: FleetBackend, client: redis.Redis, start_worker: StartWorker
) -> None:
    """As `docker stop` does after 10 s, and Kubernetes after 30."""
    first = start_worker(QFLEET_MAX_ATTEMPTS="1")
    job = backend.run(endless(), shots=ENDLESS_SHOTS)
    owner_process(client, ref(job))
    if is_told:
        first.process.send_signal(signal.SIGTERM)
        until(lambda: shard_field(client, ref(job), 0, "excused"), "the ledger was told")
    first.lose_machine()
    # So that its presence need not grow stale.
    client.hdel(keys.WORKERS, first.name)
    start_worker(QFLEET_MAX_ATTEMPTS="1")
    if is_told:
        until(lambda: _owner(client, job) not in ("", first.name), "it runs again")
        assert attempts(client, job) == 1
        assert job.cancel() is True
    else:
        until(job.in_final_state, "it is given up")
        assert "given up: the worker process died 1 times" in str(job.error_message())


def test_a_signal_to_every_process_stops_a_worker_in_order(
    backend: FleetBackend, client: redis.Redis, start_worker: StartWorker
) -> None:
    """As systemd sends it, and `kill` to a process group."""
    worker = start_worker()
    job = steady(backend)
    with held(client, job):
        os.killpg(worker.process.pid, signal.SIGTERM)
        until(lambda: "Warm shutdown" in worker.log.read_text(), "it was told")
    assert worker.process.wait(60) == 0
    assert job.status() is JobStatus.DONE
    assert attempts(client, job) == 1


def test_a_time_limit_ends_a_process_that_outlasts_a_sigterm(
    backend: FleetBackend, client: redis.Redis, start_worker: StartWorker
) -> None:
    worker = start_worker(QFLEET_TIME_LIMIT_SECONDS="1")
    job = backend.run(endless(), shots=ENDLESS_SHOTS)
    until(job.in_final_state, "its time is over")
    assert "longer than the 1 s that this worker allows (QFLEET_TIME_LIMIT_SECONDS)" in str(job.error_message())
    assert backend.run(bell()).result(timeout=60).success
    assert worker.is_alive()
