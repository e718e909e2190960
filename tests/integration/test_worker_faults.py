# SPDX-License-Identifier: Apache-2.0
"""Processes die, messages come twice, results come late: real processes and real signals."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from circuits import ENDLESS_SHOTS, bell, endless, wide
from fleet_state import add_tokens, nothing_left, tokens
from one_shard import run_in_one_shard
from processes import free_port, is_dead, owner_process, process, redis_server, shard_field, shard_fields, worker
from qiskit.providers import JobStatus
from references import ref
from waiting import until

from qfleet import FleetBackend, FleetJob, FleetProvider
from qfleet.errors import JobFailedError
from qfleet.wire.redis import keys
from qfleet.wire.redis.fields import JobField


@pytest.fixture
def port() -> Iterator[int]:
    with redis_server() as port:
        yield port


@pytest.fixture
def server(port: int) -> Iterator[redis.Redis]:
    with redis.Redis(port=port) as client:
        yield client


@pytest.fixture
def backend(port: int) -> Iterator[FleetBackend]:
    with FleetProvider(f"redis://127.0.0.1:{port}/0") as provider:
        yield provider.get_backend("automatic")


@pytest.fixture
def url(port: int) -> str:
    return f"redis://127.0.0.1:{port}/0"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "worker.log"


def _seconds_of_work(backend: FleetBackend, seed: int = 7) -> FleetJob:
    """Return a job that runs for a second or two, and gives the same counts each time."""
    return backend.run(wide(20, "steady", layers=120), shots=1000, seed_simulator=seed)


def _counter(server: redis.Redis, job: FleetJob, name: str) -> int:
    return int(server.hget(keys.job(ref(job)), name) or 0)


def test_a_shard_whose_process_was_killed_runs_again_with_the_same_counts(
    backend: FleetBackend, server: redis.Redis, url: str, log: Path
) -> None:
    with worker(url, log) as started:
        expected = _seconds_of_work(backend).result(timeout=60).get_counts()
        job = _seconds_of_work(backend)
        victim = owner_process(server, ref(job))
        victim.send_signal(signal.SIGKILL)
        assert job.result(timeout=60).get_counts() == expected
        assert job.status() is JobStatus.DONE
        assert shard_field(server, ref(job), 0, "attempts") == "2"
        assert job.progress() == (1, 1)
        assert is_dead(victim)
        assert started.is_alive()
        until(lambda: nothing_left(server), "nothing is left over")


@pytest.mark.parametrize("companions", [0, 2])
def test_a_shard_that_always_kills_its_process_is_given_up(
    companions: int, backend: FleetBackend, server: redis.Redis, url: str, log: Path
) -> None:
    with worker(url, log, QFLEET_MAX_ATTEMPTS="2") as started:
        circuits = [endless("killer"), *(bell(f"companion-{number}") for number in range(companions))]
        # It must not be told from the others by its cost.
        job = run_in_one_shard(backend, circuits, shots=ENDLESS_SHOTS)
        killed: set[str] = set()

        def kill_who_runs_it() -> bool:
            state, owner, circuit = shard_fields(server, ref(job), 0, "state", "owner", "circuit")
            # Once one has died, a process that runs several circuits says which it is at.
            says = not (killed and companions) or circuit == "0"
            if len(killed) < 2 and state == "STARTED" and owner and says and owner not in killed:
                owner_process(server, ref(job)).kill()
                killed.add(owner)
            return job.in_final_state()

        until(kill_who_runs_it, "the job is given up")
        assert len(killed) == 2
        text = job.error_message()
        assert text is not None
        assert text.startswith("circuit 0 ('killer'): given up: the worker process died 2 times while it ran this")
        assert "the last cause: signal 9 (SIGKILL)" in text
        with pytest.raises(JobFailedError, match="killer"):
            job.result()
        # Only the circuit that kills fails, though all were in one task.
        partial = job.result(partial=True)
        assert [circuit.success for circuit in partial.results] == [False, *[True] * companions]
        # No further run: the message is gone, and the worker is free for others.
        until(lambda: nothing_left(server), "nothing is left over")
        assert shard_field(server, ref(job), 0, "attempts") == "3"
        assert backend.run(bell()).result(timeout=60).success
        assert started.is_alive()
        assert job.status() is JobStatus.ERROR


def test_a_second_token_after_the_end_does_nothing(
    backend: FleetBackend, server: redis.Redis, url: str, log: Path
) -> None:
    job = backend.run([bell(), bell()], shots=100, seed_simulator=3)
    add_tokens(server)
    later = backend.run(bell())
    with worker(url, log):
        before = job.result(timeout=60).get_counts(0)
        later.result(timeout=60)
        until(lambda: nothing_left(server), "nothing is left over")
    assert shard_field(server, ref(job), 0, "attempts") == "1"
    assert job.progress() == (2, 2)
    assert _counter(server, job, JobField.count("SUCCESS")) == 1
    assert server.hkeys(keys.results(ref(job))) == [b"0"]
    assert backend.retrieve_job(job.job_id()).result().get_counts(0) == before


def test_a_second_token_while_the_shard_runs_stores_one_result(
    backend: FleetBackend, server: redis.Redis, url: str, log: Path
) -> None:
    job = _seconds_of_work(backend)
    add_tokens(server)
    with worker(url, log, QFLEET_CONCURRENCY="2"):
        until(lambda: tokens(server) == 0 and job.running(), "both tokens were taken")
        counts = job.result(timeout=60).get_counts()
        assert shard_field(server, ref(job), 0, "attempts") == "1"
        assert counts == _seconds_of_work(backend).result(timeout=60).get_counts()
    assert job.progress() == (1, 1)
    assert _counter(server, job, JobField.count("SUCCESS")) == 1
    assert _counter(server, job, JobField.count("STARTED")) == 0
    assert server.hkeys(keys.results(ref(job))) == [b"0"]


def test_a_result_that_comes_after_the_cancel_is_dropped(
    backend: FleetBackend, server: redis.Redis, url: str, log: Path
) -> None:
    with worker(url, log) as started:
        job = _seconds_of_work(backend)
        owner_process(server, ref(job))
        # The worker's main process hears nothing, so the one that simulates isn't killed.
        started.process.send_signal(signal.SIGSTOP)
        try:
            assert job.cancel() is True
            # Not before its process is dead or, as here, has offered its result.
            until(lambda: job.status() is JobStatus.CANCELLED, "the late result was offered")
            assert not server.exists(keys.results(ref(job)))
        finally:
            started.process.send_signal(signal.SIGCONT)
        assert backend.run(bell()).result(timeout=60).success
        until(lambda: nothing_left(server), "nothing is left over")
        assert job.status() is JobStatus.CANCELLED
        assert _counter(server, job, JobField.CIRCUITS_DONE) == 0
        assert _counter(server, job, JobField.count("REVOKED")) == 1
        assert _counter(server, job, JobField.count("SUCCESS")) == 0


def test_one_failing_circuit_leaves_the_others_their_data(
    backend: FleetBackend, server: redis.Redis, url: str, log: Path
) -> None:
    job = backend.run([bell("first"), wide(5, "lost"), bell("last")], shots=50)
    programs = server.hgetall(keys.programs(ref(job)))
    server.hdel(keys.programs(ref(job)), max(programs, key=lambda name: len(programs[name])))
    with worker(url, log):
        result = job.result(timeout=60, partial=True)
        with pytest.raises(JobFailedError, match="circuit 1 \\('lost'\\)"):
            job.result()
    assert _counter(server, job, JobField.SHARDS) == 1
    assert (result.status, result.success) == ("PARTIAL COMPLETED", False)
    assert [circuit.success for circuit in result.results] == [True, False, True]
    assert sum(result.get_counts("first").values()) == sum(result.get_counts("last").values()) == 50
    assert result.results[1].status == "ERROR: its program is missing from Redis"
    assert job.status() is JobStatus.ERROR
    assert job.progress() == (2, 3)


def test_a_worker_that_is_told_to_stop_ends_its_shard_first(
    backend: FleetBackend, server: redis.Redis, url: str, log: Path
) -> None:
    with worker(url, log) as started:
        job = _seconds_of_work(backend)
        # One that no process has begun would be handed back.
        owner_process(server, ref(job))
        started.process.send_signal(signal.SIGTERM)
        until(lambda: not started.is_alive(), "the worker ended")
    assert job.status() is JobStatus.DONE
    assert shard_field(server, ref(job), 0, "attempts") == "1"
    assert not server.hexists(keys.WORKERS, started.name)
    assert nothing_left(server)


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_a_worker_that_never_found_its_redis_stops_in_peace(sign: signal.Signals, tmp_path: Path) -> None:
    log = tmp_path / "log"
    url = {"QFLEET_URL": f"redis://:geheim@127.0.0.1:{free_port()}/0", "QFLEET_CONCURRENCY": "1"}
    with process([sys.executable, "-m", "qfleet_worker"], log, **url) as started:
        until(lambda: "no Redis answers" in log.read_text(), "it looks for its Redis")
        started.send_signal(sign)
        assert started.wait(60) == 0
    assert "Traceback" not in log.read_text()
    assert "geheim" not in log.read_text()
