# SPDX-License-Identifier: Apache-2.0
"""The ids of jobs: listed by time, found by their beginning, and forgotten; on an imitated and on a real Redis."""

from __future__ import annotations

import math
import random
import uuid
from collections.abc import Iterator

import pytest
import redis
from monitored import monitored
from processes import redis_server

from qfleet.ledger.job_index import TOMBSTONE_SECONDS, IndexSlices, JobIndex
from qfleet.wire.redis import keys
from qfleet.wire.redis.references import reference

TENANT = "index-test"


@pytest.fixture
def index(store_client: redis.Redis) -> Iterator[JobIndex]:
    """Ids that this test has for itself."""
    yield JobIndex(store_client, TENANT)
    store_client.delete(keys.jobs(TENANT), keys.ids(TENANT), keys.trimmed(TENANT))


def add(client: redis.Redis, times: dict[str, float], *, expired: bool) -> None:
    """Store ids as a client does, with a ledger for each if they haven't expired."""
    client.zadd(keys.jobs(TENANT), times)
    client.zadd(keys.ids(TENANT), dict.fromkeys(times, 0))
    if not expired:
        with client.pipeline(transaction=False) as pipe:
            for job_id in times:
                pipe.hset(keys.job(reference(TENANT, job_id)), "created", 1)
                pipe.expire(keys.job(reference(TENANT, job_id)), 300)
            pipe.execute()


def ids(number: int) -> list[str]:
    return [str(uuid.uuid4()) for _ in range(number)]


def listed(
    index: JobIndex, oldest: float = -math.inf, newest: float = math.inf, *, descending: bool = False
) -> list[str]:
    return [job_id for some in index.ids(keys.jobs(TENANT), oldest, newest, descending=descending) for job_id in some]


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 1.0])
def test_jobs_among_expired_ones_are_listed_in_order(
    share: float, descending: bool, index: JobIndex, store_client: redis.Redis
) -> None:
    index = JobIndex(store_client, TENANT, slices=IndexSlices(3, 4, 40))
    draw = random.Random(f"{share}{descending}")
    # Many of the same time: their order is that of their names.
    times = {job_id: float(draw.randrange(20)) for job_id in ids(300)}
    alive = {job_id: time for job_id, time in times.items() if draw.random() < share}
    add(store_client, {job_id: times[job_id] for job_id in times.keys() - alive.keys()} or {"none": 1.0}, expired=True)
    if alive:
        add(store_client, alive, expired=False)
    for oldest, newest in ((-math.inf, math.inf), (3.0, 17.0), (5.0, 5.0), (4.5, 4.6), (-math.inf, 0.0), (19.0, 99.0)):
        expected = sorted((time, job_id) for job_id, time in alive.items() if oldest <= time <= newest)
        expected = expected[::-1] if descending else expected
        assert listed(index, oldest, newest, descending=descending) == [job_id for _, job_id in expected]


@pytest.mark.parametrize("descending", [False, True])
def test_none_is_missed_or_told_twice_while_ids_come_and_go(
    descending: bool, index: JobIndex, store_client: redis.Redis
) -> None:
    index = JobIndex(store_client, TENANT, slices=IndexSlices(5, 5))
    times = {job_id: float(number // 12) for number, job_id in enumerate(ids(60))}
    add(store_client, times, expired=False)
    found: list[str] = []
    for some in index.ids(keys.jobs(TENANT), -math.inf, math.inf, descending=descending):
        found += some
        # The one at which the list goes on is deleted, and one comes that is before it.
        if some:
            store_client.zrem(keys.jobs(TENANT), some[-1])
            add(store_client, {str(uuid.uuid4()): 99.0 if descending else -1.0}, expired=False)
    assert sorted(found) == sorted(times)


def test_active_jobs_are_read_from_their_own_set(index: JobIndex, store_client: redis.Redis) -> None:
    old, active = ids(500), ids(3)
    add(store_client, dict.fromkeys(old, 1.0), expired=True)
    add(store_client, {job_id: float(at) for at, job_id in enumerate(active)}, expired=False)
    store_client.zadd(keys.ACTIVE, {job_id: float(at) for at, job_id in enumerate(active)})
    store_client.zadd(keys.ACTIVE, {b"\xff\xfe": 9e15, "gone": 8.0})
    store_client.hset(f"{keys.home(TENANT)}job:".encode() + b"\xff\xfe", "created", 1)
    for descending in (False, True):
        (found,) = index.ids(keys.ACTIVE, -math.inf, math.inf, descending=descending)
        assert found == (active[::-1] if descending else active)
    store_client.delete(f"{keys.home(TENANT)}job:".encode() + b"\xff\xfe")


def test_a_hundred_thousand_expired_ids_take_few_commands() -> None:
    with redis_server() as port, redis.Redis(port=port) as client:
        for part in range(100):
            client.zadd(keys.jobs(TENANT), dict.fromkeys(ids(1000), 1e9 + part))
        jobs = ids(3)
        add(client, dict.fromkeys(jobs, 1e9 + 50.5), expired=False)
        for descending in (False, True):
            with monitored(client) as commands:
                assert sorted(listed(JobIndex(client, TENANT), descending=descending)) == sorted(jobs)
            assert len(commands) < 250
            assert len([command for command in commands if command.startswith("EVALSHA")]) < 40


# --- By their beginning ---


def test_ids_are_found_by_their_beginning(index: JobIndex, store_client: redis.Redis) -> None:
    one, two, old = "1d8c2f0e-aaaa", "1d8c2f0e-bbbb", "1d8c9999-cccc"
    add(store_client, {one: 1.0, two: 2.0}, expired=False)
    add(store_client, {old: 3.0} | dict.fromkeys(ids(100), 4.0), expired=True)
    assert index.starting_with("1d8c2f0e-a") == ([one], [])
    assert index.starting_with("1d8c2f0e") == ([one, two], [])
    assert index.starting_with("1d8c9") == ([], [old])
    assert index.starting_with("1d8c") == ([one, two], [old])
    for strange in ("1d8", "", "1d8c*", "1D8C", "[1d8", "1d8c\x00", "é" * 5, "1d8c2f0e-aaaa" * 3, "+", "- +"):
        assert index.starting_with(strange) == ([], [])


def test_only_some_candidates_are_read(index: JobIndex, store_client: redis.Redis) -> None:
    add(store_client, {f"abcd{number:06}": 1.0 for number in range(1000)}, expired=True)
    jobs, expired = JobIndex(store_client, TENANT, most_candidates=3).starting_with("abcd")
    assert jobs == []
    assert len(expired) == 3


# --- Forgetting ---


def test_ids_of_jobs_that_expired_long_ago_are_forgotten(index: JobIndex, store_client: redis.Redis) -> None:
    now = store_client.time()[0]
    old, young, kept = ids(30), ids(30), ids(30)
    long_ago = now - TOMBSTONE_SECONDS - 60
    add(store_client, {job_id: long_ago + at for at, job_id in enumerate(old)}, expired=True)
    # Between them: jobs whose retention is very long.
    add(store_client, {job_id: long_ago + at + 0.5 for at, job_id in enumerate(kept)}, expired=False)
    add(store_client, dict.fromkeys(young, now - 60), expired=True)
    few_at_once = JobIndex(store_client, TENANT, most_trimmed=7)
    forgotten = [few_at_once.trim() for _ in range(20)]
    assert sum(forgotten) == 30
    assert max(forgotten) <= 7
    left = {raw.decode() for raw in store_client.zrange(keys.jobs(TENANT), 0, -1)}
    assert left == {*young, *kept}
    assert {raw.decode() for raw in store_client.zrange(keys.ids(TENANT), 0, -1)} == left


def test_of_too_many_ids_those_of_the_oldest_expired_jobs_are_forgotten(
    index: JobIndex, store_client: redis.Redis
) -> None:
    now = store_client.time()[0]
    expired, kept = ids(80), ids(20)
    add(store_client, {job_id: now - 1000 + at for at, job_id in enumerate(expired)}, expired=True)
    add(store_client, dict.fromkeys(kept, now - 2000), expired=False)
    for _ in range(30):
        JobIndex(store_client, TENANT, most_ids=50, most_trimmed=10).trim()
    left = {raw.decode() for raw in store_client.zrange(keys.jobs(TENANT), 0, -1)}
    assert left >= {*kept, *expired[-20:]}
    assert 40 <= len(left) <= 50
