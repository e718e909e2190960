# SPDX-License-Identifier: Apache-2.0
"""The choice of the shard that a free slot runs next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import pytest
import redis
from late_jobs import make_tier, submit
from picker import MIB, Picker

from qfleet.wire.cost.tiers import TIERS
from qfleet.wire.lua import INLINE_BYTES, Scripts
from qfleet.wire.redis import keys
from qfleet.wire.redis.fields import JobField, SchedField
from qfleet_worker.picked import Picked

GIB = 1024 * MIB


def _forget(client: redis.Redis) -> None:
    found = list(client.scan_iter(match=f"{keys.PREFIX}*", count=10_000))
    if found:
        client.delete(*found)


@pytest.fixture
def client(store_client: redis.Redis) -> Iterator[redis.Redis]:
    """Yield a Redis without any waiting shard."""
    _forget(store_client)
    yield store_client
    _forget(store_client)


@pytest.fixture
def picker(client: redis.Redis) -> Picker:
    return Picker(client)


def _waiting(client: redis.Redis) -> tuple[list[int], list[int]]:
    """Return for each tier the number of shards that are said to wait, and the number of tokens."""
    waiting = [int(client.hget(keys.SCHED, SchedField.waiting(tier)) or 0) for tier in range(TIERS)]
    return waiting, [client.llen(keys.tokens(tier)) for tier in range(TIERS)]


# --- A choice ---


def test_nothing_waits(picker: Picker) -> None:
    assert picker.pick() is None


def test_a_choice_brings_all_that_the_process_needs(client: redis.Redis, picker: Picker) -> None:
    job_id = submit(client, make_tier(2, need=5 * MIB, seconds=0.25), tenant="a.b@c-d_1", work=b"w")
    for index in range(2):
        choice = picker.choose()
        expected = Picked(job_id, index, choice.owner, 1, "", "a.b@c-d_1", 5 * MIB, 0.25, b"w", circuits=1)
        assert choice == replace(expected, others_wait=index == 0)
    assert picker.pick() is None
    assert _waiting(client) == ([0] * TIERS, [0] * TIERS)
    assert client.exists(keys.ready(0), keys.ready(0, "a.b@c-d_1")) == 0
    assert set(client.zrange(keys.STARTED, 0, -1)) == {f"{job_id}.{index}".encode() for index in range(2)}


def test_large_work_is_left_to_the_process(client: redis.Redis, picker: Picker) -> None:
    job_id = submit(client, work=b"w" * (INLINE_BYTES + 1))
    client.hdel(keys.job(job_id), JobField.INLINE)
    assert picker.choose().work == b""


def test_small_work_comes_with_the_choice_of_an_older_job_too(client: redis.Redis, picker: Picker) -> None:
    job_id = submit(client, work=b"w" * INLINE_BYTES)
    client.hdel(keys.job(job_id), JobField.INLINE)
    assert picker.choose().work == b"w" * INLINE_BYTES


def test_others_wait_in_another_tier(client: redis.Redis, picker: Picker) -> None:
    submit(client, make_tier(1))
    submit(client, make_tier(1, number=3, need=900 * MIB))
    assert [picker.choose(0).others_wait, picker.choose(3).others_wait] == [True, False]


def test_shares_follow_the_seconds(client: redis.Redis, picker: Picker) -> None:
    submit(client, make_tier(300, seconds=0.1), tenant="alice")
    submit(client, make_tier(300, seconds=0.3), tenant="bob")
    used = Counter[str]()
    for _ in range(200):
        choice = picker.choose()
        used[choice.tenant] += choice.seconds
        assert abs(used["alice"] - used["bob"]) < 0.31


def test_shares_follow_the_weights(client: redis.Redis, picker: Picker) -> None:
    client.hset(keys.WEIGHTS, "alice", 3)
    client.hset(keys.SCHED, SchedField.WEIGHTED, 1)
    for tenant in ("alice", "bob"):
        submit(client, make_tier(300), tenant=tenant)
    used = Counter[str]()
    for _ in range(200):
        used[picker.choose().tenant] += 1
        assert abs(used["alice"] - 3 * used["bob"]) <= 3


def test_a_tenant_that_comes_back_has_saved_nothing_up(client: redis.Redis, picker: Picker) -> None:
    submit(client, make_tier(100), tenant="alice")
    for _ in range(50):
        picker.choose()
    submit(client, make_tier(100), tenant="bob")
    assert abs(Counter(picker.choose().tenant for _ in range(20))["bob"] - 10) <= 1


def test_a_tenant_that_comes_back_keeps_its_debt(client: redis.Redis, picker: Picker) -> None:
    submit(client, make_tier(100), tenant="alice")
    submit(client, make_tier(1, seconds=1.0), tenant="bob")
    assert {picker.choose().tenant for _ in range(2)} == {"alice", "bob"}
    submit(client, make_tier(100), tenant="bob")
    assert [picker.choose().tenant for _ in range(8)] == ["alice"] * 8


def test_tenants_without_debts_are_forgotten(client: redis.Redis, picker: Picker) -> None:
    submit(client, make_tier(1, seconds=100.0), tenant="indebted")
    for tenant in ("alice", "bob"):
        submit(client, make_tier(1), tenant=tenant)
    while picker.pick() is not None:
        pass
    assert client.hlen(keys.VT) == 3
    submit(client, make_tier(9), tenant="carol")
    for _ in range(9):
        picker.choose()
    Scripts(client).of_fleet("tokens")
    assert set(client.hkeys(keys.VT)) == {b"indebted", b"carol"}


def test_what_ran_longer_than_predicted_is_charged(client: redis.Redis, picker: Picker) -> None:
    for tenant in ("alice", "bob"):
        submit(client, make_tier(100), tenant=tenant)
    # Each once, whether it is the one that gets the shard, one that waits, or one that doesn't.
    picker.pick(corrections={"alice": 1.0, "carol": 3.0, "bob": 0.5})
    assert client.zscore(keys.ready(0), "alice") == pytest.approx(1.1)
    assert client.zscore(keys.ready(0), "bob") == pytest.approx(0.5)
    assert float(client.hget(keys.VT, "carol") or 0) == pytest.approx(3.0)
    assert Counter(picker.choose().tenant for _ in range(6))["alice"] == 0


# --- Within a tenant ---


def test_the_job_with_the_least_left_goes_first(client: redis.Redis, picker: Picker) -> None:
    long = submit(client, make_tier(100))
    short = submit(client, make_tier(3))
    assert [picker.choose().job_id for _ in range(4)] == [short] * 3 + [long]


def test_of_jobs_that_differ_in_nothing_the_first_goes_first(client: redis.Redis, picker: Picker) -> None:
    # Ids are in no order.
    jobs = [submit(client) for _ in range(8)]
    assert [picker.choose().job_id for _ in jobs] == jobs


def test_a_job_of_more_weight_goes_before_one_that_is_a_bit_shorter(client: redis.Redis, picker: Picker) -> None:
    short = submit(client, make_tier(10), weight=1)
    high = submit(client, make_tier(70), weight=8)
    assert picker.choose().job_id == high
    assert short != high


def test_a_job_that_waits_long_enough_goes_first(client: redis.Redis, picker: Picker) -> None:
    long = submit(client, make_tier(100))
    client.hincrbyfloat(keys.job(long), "created", -10_000)
    submit(client, make_tier(3))
    Scripts(client).call("age", long)
    assert picker.choose().job_id == long


def test_a_short_job_goes_first_also_if_it_needs_less_memory(client: redis.Redis, picker: Picker) -> None:
    submit(client, make_tier(100, 4))
    small = submit(client, make_tier(1, 0))
    assert picker.choose(4).job_id == small
    # The token was one of the other tier: each has as many as it has shards.
    assert _waiting(client)[0] == _waiting(client)[1]


# --- Memory ---


def test_what_does_not_fit_is_left_to_others(client: redis.Redis, picker: Picker) -> None:
    submit(client, make_tier(2, 8, need=20 * GIB), tenant="large")
    submit(client, make_tier(1), tenant="small")
    assert picker.choose(8, free=16 * GIB).tenant == "small"
    assert picker.pick(8, free=16 * GIB) == 8
    assert picker.choose(8, free=24 * GIB).tenant == "large"
    assert _waiting(client)[0] == _waiting(client)[1]


def test_within_a_tier_each_need_counts(client: redis.Redis, picker: Picker) -> None:
    submit(client, make_tier(1, 8, need=30 * GIB, seconds=0.1))
    fits = submit(client, make_tier(1, 8, need=20 * GIB, seconds=0.2))
    assert picker.choose(8, free=24 * GIB).job_id == fits
    assert picker.pick(8, free=24 * GIB) == 8


def test_a_worker_with_the_slower_engine_needs_more(client: redis.Redis, picker: Picker) -> None:
    submit(client, make_tier(1, 1, need=200 * MIB, slow=600 * MIB))
    picker.slow = True
    assert picker.pick(1, free=400 * MIB) == 1
    assert picker.choose(1, free=600 * MIB).need == 600 * MIB


def test_memory_is_kept_for_what_waits_long(client: redis.Redis, picker: Picker) -> None:
    picker.pool = 32 * GIB
    submit(client, make_tier(1, 8, need=20 * GIB), tenant="large")
    submit(client, make_tier(9), tenant="small")
    assert picker.choose(0, free=16 * GIB).tenant == "small"
    picker.ahead = 4.0
    # From now on what comes free is for the large one.
    assert picker.pick(0, free=16 * GIB) == 0
    assert picker.pick(0, free=19 * GIB) == 0
    other = Picker(client, "b@test", pool=16 * GIB, ahead=4.0)
    assert other.choose(0).tenant == "small"
    assert picker.choose(0, free=20 * GIB + 200 * MIB).tenant == "large"
    assert picker.choose(0, free=200 * MIB).tenant == "small"


def test_what_was_kept_is_free_again_once_another_worker_runs_it(client: redis.Redis, picker: Picker) -> None:
    picker.pool, picker.ahead = 32 * GIB, 4.0
    submit(client, make_tier(1, 8, need=20 * GIB), tenant="large")
    submit(client, make_tier(9), tenant="small")
    assert picker.pick(0, free=16 * GIB) == 0
    other = Picker(client, "b@test", pool=32 * GIB, ahead=4.0)
    assert other.choose(8).tenant == "large"
    assert picker.choose(0, free=16 * GIB).tenant == "small"


def test_nothing_is_kept_for_what_the_worker_never_holds(client: redis.Redis, picker: Picker) -> None:
    picker.pool, picker.ahead = 18 * GIB, 4.0
    submit(client, make_tier(1, 8, need=20 * GIB), tenant="large")
    submit(client, make_tier(9), tenant="small")
    assert picker.choose(8, free=GIB).tenant == "small"
    assert not client.hexists(keys.SCHED, SchedField.reserved(8))


def test_a_tenant_gains_little_by_what_its_client_claims(client: redis.Redis, picker: Picker) -> None:
    for _ in range(3):
        submit(client, make_tier(seconds=1e6), tenant="alice")
    picker.choose()
    picker.choose()
    submit(client, make_tier(50, seconds=10), tenant="bob")
    # Both of alice's took no time, and the first claim has moved the present time.
    picker.pick(corrections={"alice": -2e6})
    now = float(client.hget(keys.SCHED, SchedField.NOW) or 0)
    assert now == 1e6
    assert float(client.zscore(keys.ready(0), "alice") or 0) >= now - 100
