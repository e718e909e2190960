# SPDX-License-Identifier: Apache-2.0
"""The states of several jobs and their places, by few reads; on an imitated and on a real Redis."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import redis
from late_jobs import make_tier, submit
from picker import Picker

from qfleet.ledger.overview import read_overviews
from qfleet.wire.redis import keys
from qfleet.wire.redis.fields import JobField


@pytest.fixture
def client(store_client: redis.Redis) -> Iterator[redis.Redis]:
    """Yield a Redis without any job."""
    store_client.flushdb()
    yield store_client
    store_client.flushdb()


def test_each_job_has_its_own_state_and_place(client: redis.Redis) -> None:
    first, second = submit(client, make_tier(1)), submit(client, make_tier(5))
    Picker(client).choose()
    running, waiting = read_overviews(client, [first, second])
    assert running.snapshot is not None
    assert running.snapshot.states["STARTED"] == 1
    assert running.place is not None
    assert (running.place.left, running.place.running) == (0, 1)
    assert waiting.snapshot is not None
    assert waiting.snapshot.states["PENDING"] == 5
    assert waiting.place is not None
    assert (waiting.place.left, waiting.place.jobs) == (5, 0)


@pytest.mark.parametrize("jobs", [1, 100, 101])
def test_a_hundred_jobs_are_one_round_trip(client: redis.Redis, jobs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = [submit(client, make_tier(1)) for _ in range(3)]
    read_overviews(client, ids)
    sent: list[Any] = []
    pipeline = client.pipeline
    monkeypatch.setattr(client, "pipeline", lambda **how: sent.append(how) or pipeline(**how))
    found = read_overviews(client, (ids * jobs)[:jobs])
    assert len(found) == jobs
    assert all(overview.place is not None for overview in found)
    assert sent == [{"transaction": False}] * (1 + (jobs > 100))


def test_a_redis_that_was_restarted_gets_the_script_again(client: redis.Redis) -> None:
    job_id = submit(client)
    client.script_flush()
    (overview,) = read_overviews(client, [job_id])
    assert overview.place is not None


def test_jobs_that_cannot_be_read_do_not_hide_the_others(client: redis.Redis) -> None:
    good, junk, odd = submit(client), submit(client), submit(client)
    client.delete(keys.job(junk))
    client.set(keys.job(junk), "junk")
    client.hset(keys.job(odd), JobField.USAGE, "much")
    found = read_overviews(client, [junk, good, odd, "missing"])
    assert [overview.snapshot is not None for overview in found] == [False, True, False, False]
    assert [overview.place is not None for overview in found] == [False, True, False, False]


def test_a_script_that_fails_is_an_error(client: redis.Redis) -> None:
    job_id = submit(client)
    client.set(keys.SCHED, "junk")
    with pytest.raises(redis.ResponseError):
        read_overviews(client, [job_id])
