# SPDX-License-Identifier: Apache-2.0
"""Read the metrics of many jobs at once, on an imitated and on a real Redis."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
import redis
from connections import connection_to
from late_jobs import make_tier, submit
from make_jobs import make_presence
from picker import Picker

from qfleet.errors import DamagedDataError, JobNotFoundError
from qfleet.jobs.estimate import Estimate, QueuePosition
from qfleet.jobs.outlook import Outlook, metrics_of, read_outlooks
from qfleet.ledger import Connection, Ledger
from qfleet.wire.redis import keys
from qfleet_worker.store import Store


@pytest.fixture
def client(store_client: redis.Redis) -> Iterator[redis.Redis]:
    """Yield a Redis without any job, and with a worker."""
    store_client.flushdb()
    Store(store_client, "a@test").renew_presence(make_presence("a@test", memory_bytes=2**40, pace=1.0))
    yield store_client
    store_client.flushdb()


@pytest.fixture
def connection(client: redis.Redis) -> Connection:
    return connection_to(client)


def _outlook(connection: Connection, job_id: str) -> Outlook:
    (outlook,) = read_outlooks(connection, {job_id: None})
    return outlook


def test_each_job_has_its_place_and_its_time(client: redis.Redis, connection: Connection) -> None:
    jobs = [submit(client, make_tier(number, seconds=10.0)) for number in (1, 2, 3)]
    Picker(client).choose()
    running, waiting, last = read_outlooks(connection, dict.fromkeys(jobs))
    assert [each.position for each in (running, waiting, last)] == [None, QueuePosition(0, 0), QueuePosition(1, 0)]
    times = [each.time for each in (running, waiting, last) if each.time]
    assert len(times) == 3
    assert times[0].high < times[1].high < times[2].high


def test_a_job_that_is_held_or_has_ended(client: redis.Redis, connection: Connection) -> None:
    paused, ended, failed = submit(client), submit(client), submit(client)
    Ledger(client).pause(paused)
    picker = Picker(client)
    for error in ("", "no"):
        choice = picker.choose()
        picker.finish(choice, error=error if choice.job_id == failed else "")
    for job_id in (ended, failed):
        assert _outlook(connection, job_id)[1:] == (None, Estimate(0.0, 0.0))
    assert _outlook(connection, paused)[1:] == (None, None)
    assert metrics_of(_outlook(connection, paused))["held"] == "paused"


def test_without_a_worker_nobody_can_tell(client: redis.Redis, connection: Connection) -> None:
    client.delete(keys.WORKERS)
    assert _outlook(connection, submit(client))[1:] == (QueuePosition(0, 0), None)


def test_a_job_that_has_gone_keeps_its_last_state_or_is_an_error(client: redis.Redis, connection: Connection) -> None:
    job_id = submit(client)
    known = Ledger(client).snapshot(job_id)
    Ledger(client).delete(job_id)
    assert read_outlooks(connection, {job_id: known}) == [Outlook(known, None, None)]
    with pytest.raises(JobNotFoundError):
        _outlook(connection, job_id)
    client.set(keys.job(job_id), "junk")
    with pytest.raises(DamagedDataError):
        _outlook(connection, job_id)


def test_a_job_that_cannot_change_is_not_read_again(client: redis.Redis, connection: Connection) -> None:
    job_id, picker = submit(client), Picker(client)
    picker.finish(picker.choose())
    known = Ledger(client).snapshot(job_id)
    client.flushdb()
    assert read_outlooks(connection, {job_id: known}) == [Outlook(known, None, Estimate(0.0, 0.0))]


def test_metrics_are_what_json_has(client: redis.Redis, connection: Connection) -> None:
    job_id, picker = submit(client, make_tier(2, seconds=10.0)), Picker(client)
    picker.finish(picker.choose(), spent=0.25)
    metrics = metrics_of(_outlook(connection, job_id))
    assert json.loads(json.dumps(metrics)) == metrics
    assert (metrics["status"], metrics["circuits_done"]) == ("RUNNING", 1)
    assert metrics["usage"] == {"seconds": 0.25, "quantum_seconds": 0.25}
    assert metrics["queue_position"] == {"jobs": 0, "tenants": 0}
    times = metrics["timestamps"]
    assert times["created"] <= times["running"]
    assert times["finished"] is None
    ends = metrics["estimated_completion_time"]
    span = datetime.fromisoformat(ends["latest"]) - datetime.fromisoformat(ends["earliest"])
    left = metrics["estimated_seconds"]
    assert span.total_seconds() == pytest.approx(left["high"] - left["low"], abs=1e-3)
    picker.finish(picker.choose(), spent=0.25)
    metrics = metrics_of(_outlook(connection, job_id))
    assert times["running"] <= metrics["timestamps"]["finished"]
    assert metrics["estimated_completion_time"] is None


def test_a_time_beyond_all_dates(client: redis.Redis, connection: Connection) -> None:
    outlook = _outlook(connection, submit(client))._replace(time=Estimate(0.0, 1e18))
    latest = metrics_of(outlook)["estimated_completion_time"]["latest"]
    assert datetime.fromisoformat(latest) == datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)


def test_what_workers_of_0_1_ran_has_no_usage(client: redis.Redis, connection: Connection) -> None:
    job_id, picker = submit(client), Picker(client)
    picker.finish(picker.choose(), spent=0.25)
    client.hdel(keys.job(job_id), "usage", "began")
    metrics = metrics_of(_outlook(connection, job_id))
    assert metrics["usage"] == {"seconds": None, "quantum_seconds": None}
    assert metrics["timestamps"]["running"] is None
