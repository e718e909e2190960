# SPDX-License-Identifier: Apache-2.0
"""Where a job stands among all that waits; on an imitated and on a real Redis."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import redis
from late_jobs import make_tier, submit
from make_jobs import make_job, store_as_0_1
from picker import MIB, Picker

from qfleet.ledger import Ledger
from qfleet.ledger.overview import read_overviews
from qfleet.ledger.place import Place, WaitingTier
from qfleet.wire.redis import keys
from qfleet.wire.redis.fields import SchedField


@pytest.fixture
def client(store_client: redis.Redis) -> Iterator[redis.Redis]:
    """Yield a Redis without any waiting shard."""
    store_client.flushdb()
    yield store_client
    store_client.flushdb()


def _place(client: redis.Redis, job_id: str) -> Place:
    (overview,) = read_overviews(client, [job_id])
    assert overview.place is not None
    return overview.place


def test_a_job_alone(client: redis.Redis) -> None:
    job_id = submit(client, make_tier(3, need=5 * MIB, seconds=0.25), make_tier(2, 2, first=3, need=500 * MIB))
    tiers = (WaitingTier(3, 5 * MIB, 15 * MIB, 0.25, 0.25), WaitingTier(2, 500 * MIB, 1500 * MIB, 0.1, 0.1))
    assert _place(client, job_id) == Place(0, 0, 1.0, 0.0, 0.0, 0, 0.0, tiers)
    assert _place(client, job_id).left == 5


def test_jobs_of_its_tenant_with_less_left_come_before_it(client: redis.Redis) -> None:
    last = submit(client, make_tier(10, seconds=1.0))
    first = submit(client, make_tier(1, seconds=1.0))
    # Of two tiers: one job. The part with 20 s left comes after all others.
    submit(client, make_tier(3, seconds=1.0), make_tier(10, 2, first=3, seconds=2.0))
    assert (_place(client, last).jobs, _place(client, last).before) == (2, pytest.approx(4.0))
    assert (_place(client, first).jobs, _place(client, first).before) == (0, 0.0)
    urgent = submit(client, make_tier(3, seconds=1.0), weight=8)
    assert _place(client, urgent).jobs == 0
    assert (_place(client, last).jobs, _place(client, last).before) == (3, pytest.approx(7.0))


def test_of_a_job_with_two_tiers_the_first_part_counts_for_its_place(client: redis.Redis) -> None:
    job_id = submit(client, make_tier(1, seconds=1.0), make_tier(10, 2, first=1, seconds=2.0))
    submit(client, make_tier(5, seconds=1.0))
    place = _place(client, job_id)
    assert (place.jobs, place.before) == (0, pytest.approx(5.0))


def test_what_was_chosen_waits_no_longer(client: redis.Redis) -> None:
    job_id, picker = submit(client, make_tier(2, seconds=3.0)), Picker(client)
    picker.choose()
    place = _place(client, job_id)
    assert (place.left, place.running, place.longest) == (1, 1, 3.0)
    choice = picker.choose()
    assert (_place(client, job_id).left, _place(client, job_id).running) == (0, 2)
    picker.scripts.call("release", job_id, choice.index, choice.owner)
    assert _place(client, job_id).left == 1


def test_the_longest_shard_of_a_tier_is_known(client: redis.Redis) -> None:
    job_id = submit(client, make_tier(3, seconds=0.25)._replace(longest=7.5))
    assert [(tier.seconds, tier.longest) for tier in _place(client, job_id).tiers] == [(0.25, 7.5)]
    Picker(client).choose()
    assert _place(client, job_id).longest == 7.5


def test_tenants_share_by_weight_and_those_with_less_come_first(client: redis.Redis) -> None:
    client.hset(keys.WEIGHTS, "bob", 3)
    client.hset(keys.SCHED, SchedField.WEIGHTED, 1)
    job_id = submit(client, make_tier(10, seconds=2.0))
    Picker(client).choose()
    submit(client, make_tier(10, seconds=1.0), tenant="bob")
    client.zadd(keys.ready(0), {"bob": 0.5})
    place = _place(client, job_id)
    assert (place.jobs, place.tenants, place.share) == (0, 1, 0.25)
    assert place.others_first == pytest.approx((2.0 - 0.5) * 3)


@pytest.mark.parametrize("read", [250])
def test_many_jobs_are_counted_and_few_are_read(client: redis.Redis, read: int) -> None:
    for _ in range(read):
        submit(client, make_tier(1, seconds=1.0))
    job_id = submit(client, make_tier(10, seconds=1.0))
    place = _place(client, job_id)
    assert (place.jobs, place.before) == (read, pytest.approx(read))


def test_jobs_that_wait_for_nobody_have_no_place(client: redis.Redis) -> None:
    paused, old = submit(client), make_job()
    Ledger(client).pause(paused)
    store_as_0_1(client, old)
    overviews = read_overviews(client, [paused, old.job_id, "missing"])
    assert [overview.place for overview in overviews] == [None, None, None]
    assert [overview.snapshot is not None for overview in overviews] == [True, True, False]


def test_damaged_jobs_count_as_little_as_can_be(client: redis.Redis) -> None:
    submit(client, make_tier(1, seconds=1.0))
    damaged, job_id = submit(client), submit(client, make_tier(10, seconds=1.0))
    client.delete(keys.job(damaged))
    client.set(keys.job(damaged), "junk")
    client.zadd(keys.STARTED, {"junk": 1.0, f"{damaged}.0": 2.0, b"\xff.1": 3.0})
    place = _place(client, job_id)
    assert (place.jobs, place.before, place.running) == (2, pytest.approx(1.0), 3)
