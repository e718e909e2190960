# SPDX-License-Identifier: Apache-2.0
"""One bad job among those that wait keeps no other from running; nor does a full Redis."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import redis
from late_jobs import make_tier, submit
from picker import Picker

from qfleet.ledger.client import connect
from qfleet.wire.lua import Scripts
from qfleet.wire.redis import keys
from qfleet.wire.redis.broker import parse_broker
from qfleet.wire.redis.fields import JobField, SchedField, TierField
from qfleet_worker.store import Store


@pytest.fixture
def client(store_client: redis.Redis) -> Iterator[redis.Redis]:
    store_client.flushdb()
    yield store_client
    store_client.flushdb()


def _field(name: str, value: object) -> Callable[[redis.Redis, str], object]:
    return lambda client, job_id: client.hset(keys.job(job_id), JobField.of_tier(0, name), str(value))


def _replace(key: Callable[[str], str]) -> Callable[[redis.Redis, str], object]:
    def damage(client: redis.Redis, job_id: str) -> None:
        client.delete(key(job_id))
        client.set(key(job_id), "no hash")

    return damage


_DAMAGES: dict[str, Callable[[redis.Redis, str], object]] = {
    "ledger of another type": _replace(keys.job),
    "shards of another type": _replace(keys.shards),
    "work of another type": _replace(keys.work),
    "expired": lambda client, job_id: client.delete(*keys.of_job(job_id)),
    "no tiers": lambda client, job_id: client.hdel(keys.job(job_id), JobField.of_tier(0, TierField.END)),
    "seconds are text": _field(TierField.SECONDS, "long"),
    "seconds are nan": _field(TierField.SECONDS, "nan"),
    "seconds are infinite": _field(TierField.SECONDS, "-inf"),
    "need is text": _field(TierField.NEED, "much"),
    "end before next": _field(TierField.END, -5),
    "end is nan": _field(TierField.END, "nan"),
    "end far away": _field(TierField.END, 1e14),
    "put back nowhere": _field(TierField.AGAIN, 1e9),
    "weight is nan": lambda client, job_id: client.hset(keys.job(job_id), JobField.WEIGHT, "nan"),
    "fewer wait": lambda client, job_id: client.hset(keys.job(job_id), JobField.count("PENDING"), "0"),
}


@pytest.mark.parametrize("damage", _DAMAGES.values(), ids=_DAMAGES)
def test_a_damaged_job_keeps_no_other_from_running(
    damage: Callable[[redis.Redis, str], object], client: redis.Redis
) -> None:
    odd = submit(client, make_tier(2, seconds=0.001), tenant="alice")
    sound = submit(client, make_tier(20), tenant="alice")
    other = submit(client, make_tier(20), tenant="bob")
    damage(client, odd)
    picker, chosen = Picker(client), set()
    for _ in range(46):
        choice = picker.pick()
        if choice is None:
            break
        if not isinstance(choice, int):
            chosen.add((choice.job_id, choice.index))
        Scripts(client).of_fleet("tokens")
    assert {(job_id, index) for job_id in (sound, other) for index in range(20)} <= chosen
    Scripts(client).of_fleet("tokens")
    assert picker.pick() is None


def test_a_job_that_cannot_be_run_says_why(client: redis.Redis) -> None:
    odd = submit(client)
    _replace(keys.shards)(client, odd)
    assert Picker(client).pick() is None
    held = client.hget(keys.job(odd), JobField.HELD)
    assert held is not None
    assert held.startswith(b"its data are damaged")
    assert client.zcard(keys.ready(0, "alice")) == 0


def test_what_a_client_of_0_1_cancelled_is_not_chosen(client: redis.Redis) -> None:
    cancelled, other = submit(client, make_tier(3)), submit(client, make_tier(3))
    picker = Picker(client)
    client.hset(keys.shards(cancelled), mapping={f"{index}:state": "REVOKED" for index in range(3)})
    client.hset(keys.job(cancelled), mapping={"n:PENDING": 0, "n:REVOKED": 3, JobField.ENDED: 1})
    assert {picker.choose().job_id for _ in range(3)} == {other}
    assert picker.pick() is None
    assert client.hget(keys.SCHED, SchedField.waiting(0)) == b"0"
    Scripts(client).call("age", cancelled)
    assert client.zscore(keys.UNFINISHED, cancelled) is None


def test_a_shard_that_a_client_of_0_1_retried_is_chosen(client: redis.Redis) -> None:
    job_id = submit(client, make_tier(2))
    picker = Picker(client)
    for _ in range(2):
        assert picker.finish(picker.choose(), error="no")
    client.hset(keys.shards(job_id), "1:state", "PENDING")
    client.hset(keys.job(job_id), mapping={"n:FAILURE": 1, "n:PENDING": 1})
    client.hdel(keys.job(job_id), JobField.ENDED)
    store = Store(client, "a@test")
    assert [store.is_named(job_id, 1) for _ in range(2)] == [False] * 2
    assert picker.choose().index == 1
    assert picker.pick() is None


@pytest.mark.parametrize("tiers", ["", "x", "12", "0 99", "0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0"])
def test_tiers_that_no_client_stores_are_refused(tiers: str, client: redis.Redis) -> None:
    job_id = submit(client)
    client.hset(keys.job(job_id), JobField.TIERS, tiers)
    client.hdel(keys.job(job_id), JobField.CREATED)
    client.delete(keys.jobs(""), keys.SCHED)
    with pytest.raises(redis.ResponseError, match="tier"):
        Scripts(client).call("submit", job_id, 1)
    assert not client.exists(keys.jobs(""), keys.SCHED)


@pytest.mark.parametrize("tenant", ["", "a:b", "a b", "x" * 65, "ä", "{a}"])
def test_a_tenant_that_no_client_stores_is_refused(tenant: str, client: redis.Redis) -> None:
    job_id = submit(client)
    client.hset(keys.job(job_id), JobField.TENANT, tenant)
    client.hdel(keys.job(job_id), JobField.CREATED)
    with pytest.raises(redis.ResponseError, match="no tenant"):
        Scripts(client).call("submit", job_id, 1)


def test_a_job_without_all_its_programs_is_not_run(client: redis.Redis) -> None:
    job_id = submit(client)
    client.hdel(keys.job(job_id), JobField.CREATED)
    client.delete(keys.jobs(""))
    assert Scripts(client).call("submit", job_id, 2) == b""
    assert not client.exists(keys.jobs(""))
    assert not client.hexists(keys.job(job_id), JobField.CREATED)


def test_a_full_redis_runs_what_waits(redis_url: str) -> None:
    with connect(parse_broker(redis_url)) as client:
        client.flushdb()
        job_id, scripts, picker = submit(client, make_tier(6)), Scripts(client), Picker(client)
        submit(client, make_tier(1, 8), tenant="large")
        client.config_set("maxmemory", 1)
        try:
            with pytest.raises(redis.exceptions.OutOfMemoryError):
                client.set(keys.trimmed(""), 1)
            first, second, third, fourth = (picker.choose(free=2**30) for _ in range(4))
            assert scripts.call("begin", job_id, first.index, first.owner, 0) == 0
            assert scripts.call("stopped", job_id, first.index, first.owner, "signal 9") == 1
            again = picker.choose(free=2**30)
            assert (again.index, again.attempt, again.cause) == (first.index, 2, "signal 9")
            assert scripts.call("release", job_id, second.index, second.owner) == 1
            assert scripts.call("lost", job_id, third.index, third.owner) == 1
            assert scripts.call("fail", job_id, fourth.index, fourth.owner, "too long") == 1
            picker.ahead = 10.0
            assert picker.pick(8, free=2**30, corrections={"alice": 1.0}) is not None
            assert picker.pick(8, free=1) == 0
            scripts.of_fleet("tokens")
            for name, why in (("age", ""), ("hold", "paused"), ("let_go", "paused"), ("hold", "needs 64 GiB")):
                scripts.call(name, job_id, why)
            assert scripts.call("cancel", job_id, 0, 10) == [-1, 5, again.index]
        finally:
            client.config_set("maxmemory", 0)
            client.flushdb()
