# SPDX-License-Identifier: Apache-2.0
"""Jobs are found by the beginning of their id, and ordered by the clock of Redis; junk beside them stops nothing."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import redis
from circuits import bell
from connections import hub_of
from make_jobs import run_shard
from processes import redis_server
from references import ref

from qfleet import FleetBackend, FleetJob, FleetProvider, SamplerV2
from qfleet.errors import DamagedDataError, FleetJobError, JobExpiredError, JobNotFoundError
from qfleet.wire.redis import keys
from qfleet.wire.redis.fields import JobField


@pytest.fixture(scope="module")
def server() -> Iterator[redis.Redis]:
    with redis_server() as port, redis.Redis(port=port) as client:
        yield client


@pytest.fixture
def backend(server: redis.Redis) -> Iterator[FleetBackend]:
    """Yield a backend of an empty Redis, without workers: the tests do the workers' part."""
    server.flushall()
    with FleetProvider(f"redis://127.0.0.1:{server.connection_pool.connection_kwargs['port']}/0") as provider:
        yield provider.get_backend()


def qfleet(backend: FleetBackend, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("qfleet")), *arguments, "--url", backend.provider.url]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def ended(backend: FleetBackend, server: redis.Redis, error: str = "") -> FleetJob:
    job = backend.run(bell(), shots=10)
    assert run_shard(server, ref(job), 0, error)
    return job


# --- The beginning of an id ---


def test_the_beginning_of_an_id_is_enough(backend: FleetBackend, server: redis.Redis) -> None:
    job, provider = ended(backend, server), backend.provider
    for short in (job.job_id()[:4], job.job_id()[:9], job.job_id()[:-1]):
        assert provider.job(short).job_id() == job.job_id()
        assert backend.retrieve_job(short).result().success
    with pytest.raises(JobNotFoundError, match=f"'{job.job_id()[:3]}'"):
        provider.job(job.job_id()[:3])
    assert provider.delete_job(job.job_id()[:8]) is True
    with pytest.raises(JobNotFoundError):
        provider.job(job.job_id()[:8])


def test_a_whole_id_takes_one_read(backend: FleetBackend, server: redis.Redis) -> None:
    job = ended(backend, server)
    backend.provider.workers()
    before = server.info("stats")["total_commands_processed"]
    backend.provider.job(job.job_id())
    assert server.info("stats")["total_commands_processed"] - before == 2  # that, and INFO


def test_several_jobs_are_named(backend: FleetBackend, server: redis.Redis) -> None:
    hub_of(backend.provider)  # it has a name of the same kind
    with mock.patch("qfleet.submission.prepare.uuid.uuid4", side_effect=["abcd-1", "abcd-2", "abcd-2x", "abcd-3"]):
        jobs = [backend.run(bell(), shots=10) for _ in range(4)]
    server.delete(*keys.of_job(ref(jobs[3])))
    with pytest.raises(
        JobNotFoundError, match=r"the ids of several jobs begin with 'abcd': abcd-1, abcd-2, abcd-2x; give more"
    ) as caught:
        backend.provider.job("abcd")
    assert caught.value.fields == {"job_id": "abcd", "candidates": ("abcd-1", "abcd-2", "abcd-2x")}
    # A whole id is meant as one, though another begins so.
    assert backend.provider.job("abcd-2").job_id() == jobs[1].job_id()
    with pytest.raises(JobExpiredError, match="job abcd-3 has expired"):
        backend.provider.job("abcd-3")
    server.delete(*keys.of_job(ref(jobs[1])), *keys.of_job(ref(jobs[2])))
    assert backend.provider.job("abcd").job_id() == "abcd-1"
    server.delete(*keys.of_job(ref(jobs[0])))
    with pytest.raises(JobExpiredError, match="job abcd-1 and abcd-2 and"):
        backend.provider.job("abcd")


def test_commands_take_the_beginning_of_an_id(backend: FleetBackend, server: redis.Redis) -> None:
    job, bad, queued = ended(backend, server), ended(backend, server, "it was bad"), backend.run(bell())
    for command in ("status", "result"):
        done = qfleet(backend, command, job.job_id()[:8], "--json")
        assert (done.returncode, done.stderr) == (0, "")
        assert json.loads(done.stdout)["id"] == job.job_id()
    assert f"job {bad.job_id()} run again" in qfleet(backend, "retry", bad.job_id()[:8]).stdout
    assert f"Job {queued.job_id()} is cancelled" in qfleet(backend, "cancel", queued.job_id()[:8]).stdout
    done = qfleet(backend, "status", "ffff-no-such")
    assert (done.returncode, "no job 'ffff-no-such'" in done.stderr) == (1, True)


# --- The clock of Redis ---


def clock_ahead(seconds: float) -> Any:
    """While this lasts, the clock of this process is wrong."""
    right = time.time

    def wrong() -> float:
        return right() + seconds

    return mock.patch("time.time", wrong)


@pytest.mark.parametrize("ahead", [3600.0, -3600.0, 86_400.0 * 400])
def test_a_client_whose_clock_is_wrong_gets_the_right_place(
    ahead: float, backend: FleetBackend, server: redis.Redis
) -> None:
    first = backend.run(bell(), job_tags=["first"])
    with clock_ahead(ahead):
        second = backend.run(bell())
    third = backend.run(bell())
    jobs = [first, second, third]
    ids = [job.job_id() for job in jobs]
    assert [job.job_id() for job in backend.provider.jobs(descending=False)] == ids
    assert [raw.decode() for raw in server.zrange(keys.UNFINISHED, 0, -1)] == [ref(job) for job in jobs]
    assert first.creation_date < second.creation_date < third.creation_date
    assert abs(second.creation_date - datetime.now(UTC)) < timedelta(seconds=60)
    for job in jobs:
        there = backend.provider.job(job.job_id())
        assert there.creation_date == job.creation_date
        assert server.zscore(keys.jobs(job.tenant), job.job_id()) == float(
            server.hget(keys.job(ref(job)), JobField.CREATED) or 0
        )
        found = backend.provider.jobs(created_after=job.creation_date, created_before=job.creation_date)
        assert [each.job_id() for each in found] == [job.job_id()]
    for job in jobs:
        run_shard(server, ref(job), 0)
    assert 0 <= second.result().time_taken < 60


def test_a_job_without_tasks_has_the_time_of_redis_too(backend: FleetBackend, server: redis.Redis) -> None:
    with clock_ahead(3600.0):
        job = SamplerV2(backend).run([])
    assert job.done()
    assert abs(job.creation_date - datetime.now(UTC)) < timedelta(seconds=60)


# --- Expired ids ---


def test_storing_jobs_forgets_old_ids(backend: FleetBackend, server: redis.Redis) -> None:
    tenant = backend.provider.tenant
    server.zadd(keys.jobs(tenant), {f"old-{number}": 1e9 + number for number in range(100)})
    server.zadd(keys.ids(tenant), {f"old-{number}": 0 for number in range(100)})
    hub_of(backend.provider)
    with mock.patch("qfleet.submission.prepare.uuid.uuid4", side_effect=["0100-job", "0001-job"]):
        backend.run(bell())
        assert server.zcard(keys.jobs(tenant)) == 101
        backend.run(bell())
    for key in (keys.jobs(tenant), keys.ids(tenant)):
        assert sorted(server.zrange(key, 0, -1)) == [b"0001-job", b"0100-job"]


# --- Junk ---


def test_junk_beside_the_jobs_stops_nothing_and_is_named(backend: FleetBackend, server: redis.Redis) -> None:
    job, provider = backend.run(bell()), backend.provider
    server.zadd(keys.UNFINISHED, {b"\xff\xfe": 9e15, "odd": 8e15, "\x1b[31mred": 7e15, "gone": 1.0})
    server.zadd(keys.jobs(""), {b"\xff\xfe": 9e15, "odd": 8e15, "text": 7e15})
    server.set("qfleet:job:odd", "not a hash")
    server.hset("qfleet:job:text", mapping={"backend": "automatic", "created": "soon", "circuits": "1"})
    server.hset(keys.WORKERS, mapping={"odd": b"junk", b"\xff": b"[]"})
    for found in (provider.jobs(), provider.jobs(limit=None, descending=False), provider.jobs(pending=True)):
        assert [each.job_id() for each in found] == [job.job_id()]
    assert provider.workers() == []
    for odd in ("odd", "text"):
        with pytest.raises(DamagedDataError, match=f"job {odd} can't be read"):
            provider.job(odd)
        with pytest.raises(DamagedDataError):
            provider.delete_job(odd)
    checks = {finding.check: finding for finding in provider.examine()}
    assert checks["damaged jobs"].names == ("odd", "text")
    assert checks["workers' records"].names == ("\\xff", "odd")
    assert set(checks["active jobs"].names) == {"\\xff\\xfe", "\\x1b[31mred", "gone"}
    done = qfleet(backend, "doctor")
    assert (done.returncode, done.stderr) == (1, "")
    assert "\x1b" not in done.stdout
    assert qfleet(backend, "jobs").stdout.count(job.job_id()) == 1
    # What is said to be done about it helps.
    server.zrem(keys.UNFINISHED, b"\xff\xfe", "odd", "\x1b[31mred", "gone")
    server.zrem(keys.jobs(""), b"\xff\xfe", "odd", "text")
    server.unlink("qfleet:job:odd", "qfleet:job:text")
    server.hdel(keys.WORKERS, "odd", b"\xff")
    problems = {finding.check for finding in provider.examine() if finding.verdict == "problem"}
    assert not problems & {"damaged jobs", "workers' records", "active jobs", "orphan keys"}


def test_a_job_that_hasnt_ended_is_named_whole(backend: FleetBackend) -> None:
    job = backend.run(bell())
    with pytest.raises(FleetJobError, match=f"job {job.job_id()} hasn't ended"):
        backend.provider.delete_job(job.job_id()[:8])
