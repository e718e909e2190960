# SPDX-License-Identifier: Apache-2.0
"""Inboxes: what tenants put there is admitted once, and whatever else they write changes nothing for others."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import redis
from make_jobs import make_job
from picker import Picker

from qfleet.ledger import NewJob
from qfleet.ledger.confined import ConfinedLedger
from qfleet.wire.cost.tiers import LOWEST_TIER_BYTES, Tier
from qfleet.wire.lua import Scripts
from qfleet.wire.redis import keys
from qfleet.wire.redis.fields import JobField, SchedField
from qfleet.wire.redis.references import id_of, reference
from qfleet_worker.search import Search
from qfleet_worker.unplaceable import Capacity, Unplaceable


@pytest.fixture
def client(store_client: redis.Redis) -> Iterator[redis.Redis]:
    store_client.flushdb()
    yield store_client
    store_client.flushdb()


def put(client: redis.Redis, tenant: str = "alice", shards: int = 2, **changed: Any) -> NewJob:
    """Store a job as a tenant does, and ring."""
    job = make_job(shards, tenant=tenant, **changed)
    job = make_job(shards, tenant=tenant, job_id=reference(tenant, job.job_id), **changed)
    ConfinedLedger(client, tenant).store(job)
    return job


def admit(client: redis.Redis, ref: str) -> list[bytes]:
    answer: list[bytes] = Scripts(client).call("admit", ref)
    return answer


def look(client: redis.Redis) -> tuple[int, list[tuple[bytes, bytes]]]:
    more, *found = Scripts(client).of_fleet("inbox")
    return more, list(zip(found[::2], found[1::2], strict=True))


def untouched(client: redis.Redis) -> bool:
    """Tell whether nothing waits, and no tenant is known."""
    return not client.exists(keys.UNFINISHED, keys.SCHED, keys.TENANTS, keys.ready(0), keys.tokens(0), keys.STARTED)


def test_a_job_is_admitted_once(client: redis.Redis) -> None:
    job = put(client, shards=3)
    assert look(client) == (0, [(b"alice", f"run {id_of(job.job_id)}".encode())])
    assert not client.exists(keys.BELL)
    assert admit(client, job.job_id) == [b"run"]
    # Its client's word isn't enough: scripts would load whatever is there.
    assert client.hget(keys.job(job.job_id), JobField.INLINE) is None
    assert client.llen(keys.tokens(0)) == 3
    assert client.hget(keys.SCHED, SchedField.waiting(0)) == b"3"
    assert client.zrange(keys.UNFINISHED, 0, -1) == [job.job_id.encode()]
    assert client.smembers(keys.TENANTS) == {b"alice"}
    assert client.keys("qfleet:{alice}:in:job:*") == []
    before = client.hgetall(keys.job(job.job_id))
    # Sent again, as by a client whose connection broke.
    ConfinedLedger(client, "alice").store(job)
    assert admit(client, job.job_id) == [b"twice"]
    assert client.hgetall(keys.job(job.job_id)) == before
    assert client.keys("qfleet:{alice}:in:job:*") == []
    picker = Picker(client)
    for _ in range(3):
        choice = picker.choose()
        assert (choice.job_id, choice.tenant) == (job.job_id, "alice")
        assert picker.finish(choice)
    ledger = ConfinedLedger(client, "alice")
    assert ledger.snapshot(job.job_id).is_final
    assert 0 < client.ttl(keys.work(job.job_id)) <= 1000


def test_a_job_without_shards(client: redis.Redis) -> None:
    job = put(client, shards=0, programs={})
    assert admit(client, job.job_id) == [b"run"]
    assert ConfinedLedger(client, "alice").snapshot(job.job_id).is_final
    assert client.ttl(keys.job(job.job_id)) > 0


def test_a_job_that_nobody_stored(client: redis.Redis) -> None:
    assert admit(client, "alice/nothing") == [b"gone"]
    assert untouched(client)


TIER = ("first", "end", "next", "need", "slow", "seconds", "qubits")
BAD: dict[str, Any] = {
    "negative shards": lambda client, key: client.hset(key, JobField.SHARDS, -1),
    "a million shards": lambda client, key: client.hset(key, JobField.SHARDS, 10**6),
    "more shards than work": lambda client, key: client.hset(key, JobField.SHARDS, 3),
    "less work": lambda client, key: client.hdel(f"{key}:work", "0"),
    "more work": lambda client, key: client.hset(f"{key}:work", "9", b""),
    "a weight": lambda client, key: client.hset(key, JobField.WEIGHT, 1000),
    "retention": lambda client, key: client.hset(key, JobField.RETENTION, "for ever"),
    "no retention": lambda client, key: client.hset(key, JobField.RETENTION, 0),
    "shards with zeros before": lambda client, key: client.hset(key, JobField.SHARDS, "02"),
    "long numbers": lambda client, key: client.hset(key, JobField.CIRCUITS, "0" * 10**6),
    "long tiers": lambda client, key: client.hset(key, JobField.TIERS, "0" + " " * 10**6),
    "no record": lambda client, key: client.hdel(key, JobField.RECORD),
    "no backend": lambda client, key: client.hdel(key, JobField.BACKEND),
    "a large backend": lambda client, key: client.hset(key, JobField.BACKEND, b"b" * (1 << 21)),
    "many fields": lambda client, key: client.hset(key, mapping={f"f{number}": 1 for number in range(200)}),
    "no tiers": lambda client, key: client.hdel(key, JobField.TIERS),
    "a tier that isn't there": lambda client, key: client.hset(key, JobField.TIERS, "0 5"),
    "a tier twice": lambda client, key: client.hset(key, JobField.TIERS, "0 0"),
    "tier 99": lambda client, key: client.hset(key, JobField.TIERS, "99"),
    "tiers of another kind": lambda client, key: client.hset(key, JobField.TIERS, "0 ]]"),
    "a tier's end": lambda client, key: client.hset(key, JobField.of_tier(0, "end"), 10**9),
    "a tier's start": lambda client, key: client.hset(key, JobField.of_tier(0, "first"), -5),
    "negative bytes": lambda client, key: client.hset(key, JobField.of_tier(0, "need"), -(2**40)),
    "negative seconds": lambda client, key: client.hset(key, JobField.of_tier(0, "seconds"), "-1e9"),
    "infinite seconds": lambda client, key: client.hset(key, JobField.of_tier(0, "seconds"), "inf"),
    "no seconds": lambda client, key: client.hset(key, JobField.of_tier(0, "seconds"), ".."),
    "more bytes than its tier": lambda client, key: client.hset(
        key, mapping={JobField.of_tier(0, name): LOWEST_TIER_BYTES + 1 for name in ("need", "slow")}
    ),
    "fewer bytes than its tier": lambda client, key: client.hset(
        key, mapping={JobField.TIERS: "3", **{f"t3:{name}": 2 if name == "end" else 0 for name in TIER}}
    ),
    "fewer bytes on the slower engine": lambda client, key: client.hset(key, JobField.of_tier(0, "need"), 100),
    "very many seconds": lambda client, key: client.hset(key, JobField.of_tier(0, "seconds"), "1e14"),
    "another type": lambda client, key: (client.delete(key), client.set(key, "x")),
    "work of another type": lambda client, key: (client.delete(f"{key}:work"), client.lpush(f"{key}:work", "x")),
}


@pytest.mark.parametrize("what", BAD)
def test_a_job_that_no_client_writes_is_dropped_whole(what: str, client: redis.Redis) -> None:
    job = put(client)
    BAD[what](client, keys.incoming(job.job_id))
    assert admit(client, job.job_id)[0] == b"bad"
    assert client.keys("qfleet:{alice}:in:job:*") == client.keys("qfleet:{alice}:job:*") == []
    assert untouched(client)


def test_what_only_scripts_write_isnt_taken_from_a_tenant(client: redis.Redis) -> None:
    job = put(client)
    forged = {
        JobField.TENANT: "bob",
        JobField.CREATED: "1",
        JobField.ENDED: "2",
        JobField.HELD: "paused",
        JobField.STOPPING: "-7",
        JobField.CIRCUITS_DONE: "-3",
        **{JobField.count(state): "-9" for state in ("PENDING", "STARTED", "SUCCESS", "FAILURE", "REVOKED")},
        JobField.of_tier(0, "next"): "-1000",
        JobField.of_tier(0, "again"): "1000",
    }
    client.hset(keys.incoming(job.job_id), mapping=forged)
    assert admit(client, job.job_id) == [b"run"]
    found = ConfinedLedger(client, "alice").snapshot(job.job_id)
    assert (found.tenant, found.states["PENDING"], found.circuits_done, found.held) == ("alice", 2, 0, "")
    assert found.created > 1e9
    assert client.hget(keys.SCHED, SchedField.waiting(0)) == b"2"
    assert client.zrange(keys.ready(0), 0, -1) == [b"alice"]
    picker = Picker(client)
    assert {picker.choose().index for _ in range(2)} == {0, 1}
    assert picker.pick() is None


def test_a_job_of_00_shards(client: redis.Redis) -> None:
    job = put(client, shards=0, programs={})
    client.hset(keys.incoming(job.job_id), JobField.SHARDS, "00")
    assert admit(client, job.job_id)[0] == b"bad"
    assert untouched(client)


def test_states_of_shards_arent_taken_from_a_tenant(client: redis.Redis) -> None:
    job = put(client, shards=1500)
    assert not client.exists(f"{keys.incoming(job.job_id)}:shards")
    forged = {"x": "y", "0:counted": "[1]", "0:deaths:0": "many", "0:state": "STARTED", "0:owner": "a@test/1/1"}
    client.hset(f"{keys.incoming(job.job_id)}:shards", mapping={**forged, "blocks:0": "-5"})
    assert admit(client, job.job_id) == [b"run"]
    assert client.hgetall(keys.shards(job.job_id)) == {f"{index}:state".encode(): b"PENDING" for index in range(1500)}
    assert client.keys("qfleet:{alice}:in:job:*") == []
    # What lies there although there was no job.
    other = put(client)
    client.hset(keys.shards(other.job_id), "9:state", "PENDING")
    assert admit(client, other.job_id) == [b"run"]
    assert client.hlen(keys.shards(other.job_id)) == 2


@pytest.mark.parametrize("qubits", [46, 50])
def test_a_job_that_no_worker_holds_waits(qubits: int, client: redis.Redis) -> None:
    need = 5 * (16 << qubits)
    job = put(client, tiers=(Tier(11, 0, 2, need, 2 * need, 1e9, qubits, 2e9),))
    assert admit(client, job.job_id) == [b"run"]
    assert Picker(client, pool=2**39).pick(11) == 11
    Unplaceable(client, Scripts(client), None).look([Capacity(2**39, "numba")])
    assert (
        f"its {qubits} qubits need {need / 2**30:.2f} GiB" in ConfinedLedger(client, "alice").snapshot(job.job_id).held
    )


def test_several_tiers(client: redis.Redis) -> None:
    tiers = (Tier(0, 0, 2, 10, 30, 0.1), Tier(3, 2, 3, LOWEST_TIER_BYTES << 3, LOWEST_TIER_BYTES << 5, 0.1))
    job = put(client, shards=3, tiers=tiers)
    assert admit(client, job.job_id) == [b"run"]
    assert [client.llen(keys.tokens(tier)) for tier in (0, 3)] == [2, 1]


def test_inboxes_take_turns(client: redis.Redis) -> None:
    client.lpush(keys.inbox("alice"), *[f"run {number}" for number in range(100_000)])
    client.sadd(keys.INBOXES, "alice", "bob")
    client.lpush(keys.inbox("bob"), "run b")
    more, found = look(client)
    assert more == 1
    assert (b"bob", b"run b") in found
    assert [entry for tenant, entry in found if tenant == b"alice"] == [f"run {number}".encode() for number in range(4)]


def test_names_of_nobody_are_forgotten(client: redis.Redis) -> None:
    client.sadd(keys.INBOXES, *(f"nobody-{number}" for number in range(50)), "a b", "a}:job:x", b"\xff", "x" * 100)
    client.set(keys.inbox("eve"), "not a list")
    client.sadd(keys.INBOXES, "eve")
    assert look(client) == (0, [])
    assert not client.exists(keys.INBOXES, keys.inbox("eve"))


def test_a_hundred_thousand_names_keep_no_job_waiting_long(client: redis.Redis) -> None:
    job = put(client, tenant="bob")
    for start in range(0, 100_000, 10_000):
        client.sadd(keys.INBOXES, *(f"n{number}" for number in range(start, start + 10_000)))
    looks = 0
    while True:
        looks += 1
        _, found = look(client)
        if found:
            break
    assert found == [(b"bob", f"run {id_of(job.job_id)}".encode())]
    assert looks <= 1001


def test_a_long_entry_is_dropped(client: redis.Redis) -> None:
    client.lpush(keys.inbox("alice"), b"x" * 10_000, "run a")
    client.sadd(keys.INBOXES, "alice")
    assert look(client)[1] == [(b"alice", b"run a")]
    assert client.llen(keys.inbox("alice")) == 1


@pytest.mark.parametrize("store_client", ["real"], indirect=True)
def test_what_takes_long_to_read_is_dropped_unread(client: redis.Redis) -> None:
    client.lpush(keys.inbox("alice"), "run a", b"x" * (65 << 20))
    client.lpush(keys.inbox("bob"), "run b")
    client.sadd(keys.INBOXES, "alice", "bob")
    assert look(client)[1] == [(b"bob", b"run b")]
    assert not client.exists(keys.inbox("alice"))
    # Names: not many of them are read at once.
    client.sadd(keys.INBOXES, *(bytes([97 + number]) * 100_000 for number in range(20)))
    assert look(client)[0] == 1
    assert client.scard(keys.INBOXES) >= 20
    while client.scard(keys.INBOXES) > 1:
        look(client)
    assert client.smembers(keys.INBOXES) == {b"bob"}


def test_old_ids_are_forgotten_when_a_job_is_admitted(client: redis.Redis) -> None:
    for place, score in ((keys.jobs("alice"), 1e9), (keys.ids("alice"), 0)):
        client.zadd(place, {f"old-{number:02}": score for number in range(25)})
    client.hset(keys.job("alice/old-03"), JobField.CREATED, "1e9")
    job = put(client)
    assert admit(client, job.job_id) == [b"run"]
    left = {raw.decode() for raw in client.zrange(keys.jobs("alice"), 0, -1)}
    assert len(left) == 25 + 1 - 9
    assert {"old-03", id_of(job.job_id)} <= left
    assert {raw.decode() for raw in client.zrange(keys.ids("alice"), 0, -1)} == left


def test_a_job_that_was_cancelled_before_is_admitted_and_never_runs(client: redis.Redis) -> None:
    job = put(client)
    ConfinedLedger(client, "alice").cancel(job.job_id)
    assert admit(client, job.job_id) == [b"run"]
    assert Picker(client).pick() is None
    # Whoever serves the inbox next finishes it, or the next search.
    Search(client, "a@test").look()
    found = ConfinedLedger(client, "alice").snapshot(job.job_id)
    assert (found.is_final, found.states["REVOKED"]) == (True, 2)
    assert not client.exists(keys.CANCELLING, keys.UNFINISHED)
