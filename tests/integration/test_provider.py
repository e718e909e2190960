# SPDX-License-Identifier: Apache-2.0
"""The provider against real servers and workers: the fleet it starts, the jobs it finds, keeps and deletes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import redis
from celery import Celery
from circuits import ENDLESS_SHOTS, bell, endless, wide
from processes import keys_with, redis_server, worker
from qiskit.exceptions import QiskitError
from qiskit.providers import BackendV2, JobStatus
from qiskit.providers.exceptions import QiskitBackendNotFoundError
from waiting import until

from qfleet import FleetProvider
from qfleet.errors import (
    FleetJobError,
    InvalidOptionError,
    JobCancelledError,
    JobExpiredError,
    JobNotFoundError,
)
from qfleet.ledger.client import connect
from qfleet.wire.redis import keys
from qfleet.wire.redis.broker import parse_broker

NAMES = ["automatic", "basic_simulator", "qasm_simulator", "statevector_simulator", "unitary_simulator"]


# --- The way in ---


def test_the_url_is_the_argument_or_else_the_environments(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidOptionError, match="QFLEET_URL"):
        FleetProvider()
    monkeypatch.setenv("QFLEET_URL", "redis://from-environment/0")
    assert FleetProvider().url == "redis://from-environment/0"
    assert FleetProvider("redis://from-argument/0").url == "redis://from-argument/0"


def test_the_url_of_the_environment_leads_to_the_fleet(fleet_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QFLEET_URL", fleet_url)
    with FleetProvider() as provider:
        assert len(provider.workers()) == 2
        assert provider.get_backend().run(bell()).result(timeout=60).success


def test_repr_names_the_fleet_without_its_password() -> None:
    assert repr(FleetProvider("redis://user:geheim@host/3")) == "<FleetProvider redis://user:***@host/3>"


@pytest.mark.parametrize("value", ["0", "-1", "1.5", "soon", str(2**31)])
def test_a_wrong_retention_is_refused(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QFLEET_RETENTION_SECONDS", value)
    with pytest.raises(InvalidOptionError, match="QFLEET_RETENTION_SECONDS"):
        FleetProvider("redis://host/0")


def test_backends(provider: FleetProvider) -> None:
    assert [backend.name for backend in provider.backends()] == NAMES
    assert [backend.name for backend in provider.backends("qasm_simulator")] == ["qasm_simulator"]
    assert provider.backends("no_such") == []
    for name in NAMES:
        backend = provider.get_backend(name)
        assert isinstance(backend, BackendV2)
        assert (backend.name, backend.provider) == (name, provider)
    assert provider.get_backend().name == "automatic"
    assert provider.get_backend(shots=77).options.shots == 77
    with pytest.raises(QiskitBackendNotFoundError, match="no_such"):
        provider.get_backend("no_such")


# --- Finding jobs ---


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """Yield a server without workers, for this module."""
    with redis_server() as port:
        yield port


@pytest.fixture(scope="module")
def server(port: int) -> Iterator[redis.Redis]:
    with redis.Redis(port=port) as client:
        yield client


@pytest.fixture
def lonely(port: int) -> Iterator[FleetProvider]:
    with FleetProvider(f"redis://127.0.0.1:{port}/0") as provider:
        yield provider


@pytest.fixture(scope="module")
def five(port: int) -> list[str]:
    """Five jobs, oldest first: 1 and 3 ended; 0, 1 and 4 are red; 4 on another backend; the last also blue."""
    provider = FleetProvider(f"redis://127.0.0.1:{port}/1")
    jobs = [
        provider.get_backend("basic_simulator" if number == 4 else "automatic").run(bell(), job_tags=tags)
        for number, tags in enumerate([["red"], ["red"], [], None, ["red", "blue"]])
    ]
    jobs[1].cancel()
    jobs[3].cancel()
    provider.close()
    return [job.job_id() for job in jobs]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({}, [4, 3, 2, 1, 0]),
        ({"descending": False}, [0, 1, 2, 3, 4]),
        ({"limit": 2}, [4, 3]),
        ({"limit": 0}, []),
        ({"limit": None}, [4, 3, 2, 1, 0]),
        ({"limit": 2, "skip": 1}, [3, 2]),
        ({"limit": np.int64(2), "skip": np.uint8(1)}, [3, 2]),
        ({"skip": 4}, [0]),
        ({"skip": 9}, []),
        ({"limit": 2, "skip": 1, "descending": False}, [1, 2]),
        ({"backend_name": "basic_simulator"}, [4]),
        ({"backend_name": "no_such"}, []),
        ({"pending": True}, [4, 2, 0]),
        ({"pending": False}, [3, 1]),
        ({"job_tags": ["red"]}, [4, 1, 0]),
        ({"job_tags": ["blue", "red"]}, [4]),
        ({"job_tags": ("green",)}, []),
        ({"job_tags": ["red"], "pending": True, "limit": 1, "skip": 1}, [0]),
    ],
)
def test_jobs_by_every_filter(arguments: dict[str, Any], expected: list[int], five: list[str], port: int) -> None:
    with FleetProvider(f"redis://127.0.0.1:{port}/1") as provider:
        assert [five.index(job.job_id()) for job in provider.jobs(**arguments)] == expected


def test_jobs_by_time(five: list[str], port: int) -> None:
    with FleetProvider(f"redis://127.0.0.1:{port}/1") as provider:
        dates = [provider.job(job_id).creation_date for job_id in five]
        assert dates == sorted(dates)

        def found(**span: datetime) -> list[int]:
            return [five.index(job.job_id()) for job in provider.jobs(**span)]

        assert found(created_after=dates[2]) == [4, 3, 2]
        assert found(created_before=dates[2]) == [2, 1, 0]
        assert found(created_after=dates[1], created_before=dates[3]) == [3, 2, 1]
        # without a time zone it is local time; and any other zone will do
        assert found(created_after=dates[3].replace(tzinfo=None)) == [4, 3]
        assert found(created_after=dates[3].astimezone(UTC)) == [4, 3]
        assert found(created_after=datetime.now(UTC) + timedelta(days=1)) == []


def test_jobs_beyond_one_page_of_the_ledger(port: int) -> None:
    with FleetProvider(f"redis://127.0.0.1:{port}/2") as provider:
        backend = provider.get_backend()
        ids = [backend.run(bell()).job_id() for _ in range(230)]
        assert [job.job_id() for job in provider.jobs(limit=None)] == ids[::-1]
        assert [job.job_id() for job in provider.jobs(limit=20, skip=95, descending=False)] == ids[95:115]


@pytest.mark.parametrize(
    "arguments", [{"limit": -1}, {"limit": 10**20}, {"skip": -1}, {"limit": "all"}, {"limit": 1.0}, {"job_tags": "red"}]
)
def test_jobs_refuses_wrong_arguments(arguments: dict[str, Any], lonely: FleetProvider) -> None:
    with pytest.raises(InvalidOptionError):
        lonely.jobs(**arguments)


def test_a_job_is_found_by_its_id(lonely: FleetProvider) -> None:
    job = lonely.get_backend("qasm_simulator").run(bell())
    found = lonely.job(job.job_id())
    assert (found.job_id(), found.backend().name, found.status()) == (job.job_id(), "qasm_simulator", JobStatus.QUEUED)
    retrieved = lonely.get_backend("qasm_simulator").retrieve_job(job.job_id())
    assert retrieved.job_id() == job.job_id()


# --- Unknown, expired, deleted ---


@pytest.mark.parametrize("ask", ["job", "delete_job", "retrieve_job"])
def test_an_unknown_id_is_its_own_error(ask: str, lonely: FleetProvider) -> None:
    method = lonely.get_backend().retrieve_job if ask == "retrieve_job" else getattr(lonely, ask)
    for job_id in ("no-such-job", "", "a:b*\n☃"):
        with pytest.raises(JobNotFoundError, match="no job") as caught:
            method(job_id)
        assert isinstance(caught.value, QiskitError)


def test_an_expired_job_is_its_own_error_and_leaves_nothing(
    port: int, server: redis.Redis, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # Long enough to see how a job ended, on a busy machine too.
    monkeypatch.setenv("QFLEET_RETENTION_SECONDS", "4")
    url = f"redis://127.0.0.1:{port}/0"
    settings = {"QFLEET_MEMORY_BYTES": str(120 * 2**20), "QFLEET_UNPLACEABLE_SECONDS": "0"}
    with FleetProvider(url) as provider, worker(url, tmp_path / "log", **settings):
        backend = provider.get_backend()
        done = backend.run([bell()] * 3, max_job_size=1)
        failed = backend.run(wide(22))
        cancelled = backend.run(endless(), shots=ENDLESS_SHOTS)
        until(cancelled.running, "the last job runs")
        cancelled.cancel()
        until(cancelled.in_final_state, "its process has stopped")
        for job in (done, failed, cancelled):
            job_id = job.job_id()
            until(lambda job_id=job_id: keys_with(server, job_id) == [], "all its keys are gone")
            for ask in (provider.job, provider.delete_job, backend.retrieve_job):
                with pytest.raises(JobExpiredError, match=r"has expired.*QFLEET_RETENTION_SECONDS"):
                    ask(job_id)
            # what ended while somebody watched is known to him
            with pytest.raises(JobCancelledError if job is cancelled else JobExpiredError):
                job.result()
            assert job_id not in [found.job_id() for found in provider.jobs(limit=None)]


def test_a_job_that_waits_doesnt_expire(
    lonely: FleetProvider, server: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QFLEET_RETENTION_SECONDS", "1")
    with FleetProvider(lonely.url) as provider:
        job = provider.get_backend().run(bell())
    assert [server.ttl(key) for key in keys_with(server, job.job_id())] == [-1] * 4


def test_a_deleted_job_leaves_nothing(port: int, server: redis.Redis, tmp_path: Path) -> None:
    url = f"redis://127.0.0.1:{port}/0"
    with FleetProvider(url) as provider, worker(url, tmp_path / "log"):
        job = provider.get_backend().run([bell()] * 3, max_job_size=1)
        job.result(timeout=60)
        assert len(keys_with(server, job.job_id())) == 5
        assert provider.delete_job(job.job_id()) is True
        assert keys_with(server, job.job_id()) == []
        assert server.zscore(keys.jobs(job.tenant), job.job_id()) is None
        with pytest.raises(JobNotFoundError):
            provider.job(job.job_id())
        with pytest.raises(JobNotFoundError):
            provider.delete_job(job.job_id())


def test_a_job_that_hasnt_ended_isnt_deleted(lonely: FleetProvider) -> None:
    job = lonely.get_backend().run(bell())
    with pytest.raises(FleetJobError, match="hasn't ended"):
        lonely.delete_job(job.job_id())
    assert job.status() is JobStatus.QUEUED
    job.cancel()
    assert lonely.delete_job(job.job_id()) is True


# --- Other users of the same Redis ---


def test_another_celery_app_shares_the_database(tmp_path: Path) -> None:
    code = """
import sys
from celery import Celery
app = Celery("other", broker=sys.argv[1], backend=sys.argv[1])
@app.task(name="other.add")
def add(x, y):
    return x + y
app.worker_main(["worker", "--pool=solo", "--loglevel=ERROR", "--without-gossip", "--without-mingle"])
"""
    with redis_server() as port, redis.Redis(port=port) as client:
        url = f"redis://127.0.0.1:{port}/0"
        other = Celery("client-of-other", broker=url, backend=url, set_as_current=False)
        with subprocess.Popen([sys.executable, "-c", code, url], stderr=subprocess.DEVNULL) as process:
            try:
                with FleetProvider(url) as provider, worker(url, tmp_path / "log"):
                    before = set(keys_with(client, ""))
                    sums = [other.send_task("other.add", (number, 1)) for number in range(5)]
                    jobs = [provider.get_backend().run(bell()) for _ in range(5)]
                    assert [answer.get(timeout=60) for answer in sums] == [1, 2, 3, 4, 5]
                    assert all(job.result(timeout=60).success for job in jobs)
                    cancelled = provider.get_backend().run(endless(), shots=ENDLESS_SHOTS)
                    cancelled.cancel()
                    foreign = [key for key in keys_with(client, "") if not key.startswith(keys.PREFIX)]
                    ours = {"job", "shards", "worker"}
                    assert not [key for key in foreign if ours & set(key.split(":"))]
                    tasks = {f"celery-task-meta-{answer.id}" for answer in sums}
                    assert {key for key in foreign if key not in before} <= tasks | {
                        "unacked", "unacked_index", "unacked_mutex", "celery",
                    } | {key for key in foreign if key.startswith("_kombu.binding")}  # fmt: skip
            finally:
                process.kill()
        other.close()


def test_no_key_lies_outside_of_the_prefix(port: int, tmp_path: Path) -> None:
    url = f"redis://127.0.0.1:{port}/3"
    with FleetProvider(url) as provider, worker(url, tmp_path / "log"), connect(parse_broker(url)) as client:
        backend = provider.get_backend()
        backend.run([bell()] * 3, max_job_size=1).result(timeout=60)
        running = backend.run(endless(), shots=ENDLESS_SHOTS)
        until(running.running, "it runs")
        # while something is in flight, too
        assert [key for key in keys_with(client, "") if not key.startswith(keys.PREFIX)] == []
        running.cancel()
        assert [key for key in keys_with(client, "") if not key.startswith(keys.PREFIX)] == []
