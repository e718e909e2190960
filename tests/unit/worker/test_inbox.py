# SPDX-License-Identifier: Apache-2.0
"""A worker serves the inboxes of tenants: each wish is fulfilled once, and answered."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
import redis
from make_jobs import make_job, make_presence, run_shard
from picker import Picker
from processes import redis_server

from qfleet.ledger import Ledger, NewJob
from qfleet.ledger.confined import ConfinedLedger
from qfleet.wire.lua import MOST_AT_ONCE
from qfleet.wire.messages.wish import Wish, read_wish
from qfleet.wire.redis import keys
from qfleet.wire.redis.references import id_of, reference
from qfleet_worker.inbox import Inbox
from qfleet_worker.search import Search
from qfleet_worker.store import Store


@pytest.fixture
def client(store_client: redis.Redis) -> Iterator[redis.Redis]:
    store_client.flushdb()
    yield store_client
    store_client.flushdb()


@pytest.fixture
def revoked() -> list[str]:
    return []


@pytest.fixture
def inbox(client: redis.Redis, revoked: list[str]) -> Inbox:
    return Inbox(client, revoked.extend)


def put(client: redis.Redis, tenant: str = "alice", shards: int = 2) -> NewJob:
    """Store a job as a tenant does, and ring."""
    job = make_job(shards, tenant=tenant, job_id=reference(tenant, make_job().job_id))
    ConfinedLedger(client, tenant).store(job)
    return job


def wish(client: redis.Redis, verb: str, job: NewJob, tenant: str = "alice", token: str = "a" * 32) -> None:
    client.lpush(keys.inbox(tenant), f"{verb} {id_of(job.job_id)} {token}")
    client.sadd(keys.INBOXES, tenant)
    client.lpush(keys.BELL, "")


def answer(client: redis.Redis, tenant: str = "alice", token: str = "a" * 32) -> object:
    raw = client.rpop(keys.answer(tenant, token))
    assert isinstance(raw, bytes), "there is no answer"
    assert client.llen(keys.inbox(tenant)) == 0
    return json.loads(raw)


def test_a_job_runs_once_a_worker_was_rung_for(client: redis.Redis, inbox: Inbox) -> None:
    job = put(client)
    assert inbox.wait(1) is True
    assert client.llen(keys.inbox("alice")) == 0
    assert {Picker(client).choose().job_id for _ in range(2)} == {job.job_id}
    assert inbox.wait(0.01) is False


def test_a_worker_that_dies_when_it_was_rung_for_loses_nothing(client: redis.Redis, inbox: Inbox) -> None:
    put(client)
    assert client.rpop(keys.BELL) is not None
    search = Search(client, "a@test")
    search.look()
    assert inbox.wait(1) is True
    assert client.llen(keys.tokens(0)) == 2


def test_two_workers_fulfil_a_wish_once(client: redis.Redis, inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    job = put(client)
    inbox.serve()
    wish(client, "cancel", job)
    other = Inbox(client, lambda _: None)
    found = client.lrange(keys.inbox("alice"), 0, -1)
    inbox.serve()
    other._fulfil("alice", found[0])  # it had seen the same entry
    assert client.llen(keys.answer("alice", "a" * 32)) == 1
    assert answer(client) == 2


@pytest.mark.parametrize("verb", ["pause", "cancel", "delete", "moves"])
def test_a_wish_that_another_worker_has_fulfilled_changes_nothing_later(
    verb: str, client: redis.Redis, inbox: Inbox
) -> None:
    """Two workers have read the same entry, and meanwhile the client has wished for something else."""
    job = put(client)
    inbox.serve()
    wish(client, verb, job)
    (entry,) = client.lrange(keys.inbox("alice"), 0, -1)
    client.lrem(keys.inbox("alice"), -1, entry)
    before = {key: client.dump(key) for key in client.keys("*")}
    Inbox(client, lambda _: None)._fulfil("alice", entry)
    assert {key: client.dump(key) for key in client.keys("*")} == before


@pytest.mark.parametrize("verb", ["cancel", "delete"])
def test_what_frees_room_is_done_although_redis_is_full(verb: str) -> None:
    with redis_server("--maxmemory-policy", "noeviction") as port, redis.Redis(port=port) as client:
        inbox = Inbox(client, lambda _: None)
        job = put(client)
        inbox.serve()
        if verb == "delete":
            Ledger(client).cancel(job.job_id)
        wish(client, verb, job)
        client.config_set("maxmemory", 1000)
        inbox.serve()
        assert client.exists(keys.job(job.job_id)) == (verb == "cancel")
        assert client.llen(keys.inbox("alice")) == 0
        assert client.zcard(keys.UNFINISHED) == 0
        assert client.llen(keys.answer("alice", "a" * 32)) == 0


def test_a_wish_that_cannot_be_fulfilled_is_dropped_and_answered(client: redis.Redis, inbox: Inbox) -> None:
    job = put(client)
    inbox.serve()
    wish(client, "cancel", job)
    client.delete(keys.job(job.job_id))
    client.set(keys.job(job.job_id), "damaged")
    inbox.serve()
    assert answer(client) == 0


def test_cancel(client: redis.Redis, inbox: Inbox, revoked: list[str]) -> None:
    job = put(client, shards=MOST_AT_ONCE + 10)
    inbox.serve()
    Store(client, "a@test").renew_presence(make_presence("a@test"))
    choice = Picker(client).choose()
    wish(client, "cancel", job)
    inbox.serve()
    assert answer(client) == MOST_AT_ONCE + 10
    assert revoked == [f"{job.job_id}.{choice.index}"]
    assert Ledger(client).snapshot(job.job_id).states["REVOKED"] == MOST_AT_ONCE + 9
    wish(client, "cancel", job)
    inbox.serve()
    assert answer(client) == 0


def test_a_job_that_is_cancelled_before_it_was_admitted_never_runs(client: redis.Redis, inbox: Inbox) -> None:
    job = put(client)
    wish(client, "cancel", job)
    inbox.serve()
    assert answer(client) == 2
    assert Picker(client).pick() is None


def test_pause_resume_retry_and_delete(client: redis.Redis, inbox: Inbox) -> None:
    job = put(client)
    inbox.serve()
    for verb, expected in (("pause", 1), ("pause", 0), ("resume", 1), ("resume", 0), ("retry", [])):
        wish(client, verb, job)
        inbox.serve()
        assert answer(client) == expected, verb
    run_shard(client, job.job_id, 0)
    run_shard(client, job.job_id, 1, "bad")
    wish(client, "retry", job)
    inbox.serve()
    assert answer(client) == [1]
    wish(client, "moves", job)
    inbox.serve()
    assert answer(client) == 1
    assert client.hget(keys.job(job.job_id), "moves") == b"1"
    wish(client, "delete", job)
    inbox.serve()
    assert answer(client) == 0
    before = client.hgetall(keys.job(job.job_id))
    wish(client, "delete", job)
    inbox.serve()
    assert (answer(client), client.hgetall(keys.job(job.job_id))) == (0, before)
    run_shard(client, job.job_id, 1)
    wish(client, "delete", job)
    inbox.serve()
    assert answer(client) == 1
    assert client.keys("qfleet:{alice}:job*") == []
    assert client.zcard(keys.UNFINISHED) == 0


@pytest.mark.parametrize("verb", ["cancel", "pause", "resume", "retry", "delete", "moves"])
def test_the_inbox_tells_whose_job_is_meant(verb: str, client: redis.Redis, inbox: Inbox) -> None:
    job = put(client, "bob")
    for _ in range(2):
        inbox.serve()
    before = {key: client.dump(key) for key in client.keys("*")}
    wish(client, verb, job, tenant="alice")
    client.lpush(keys.inbox("alice"), f"{verb} {job.job_id} {'b' * 32}")
    inbox.serve()
    inbox.serve()
    client.delete(keys.answer("alice", "a" * 32))
    assert {key: client.dump(key) for key in client.keys("*")} == before


def test_junk_is_dropped_and_the_next_is_served(client: redis.Redis, inbox: Inbox) -> None:
    client.lpush(keys.inbox("alice"), b"\xff\xfe", "run", "run a b c", "stop everything", "cancel x" * 30, "run ../x")
    job = put(client)
    for _ in range(3):
        inbox.serve()
    assert client.llen(keys.inbox("alice")) == 0
    assert client.llen(keys.tokens(0)) == len(job.shards)


def test_a_damaged_job_is_dropped_and_the_next_is_served(client: redis.Redis, inbox: Inbox) -> None:
    damaged, job = put(client), put(client)
    client.hset(keys.incoming(damaged.job_id), "shards", -1)
    inbox.serve()
    assert client.llen(keys.inbox("alice")) == 0
    assert client.zrange(keys.UNFINISHED, 0, -1) == [job.job_id.encode()]


@pytest.mark.parametrize("text", ["run 0a-B_z", "cancel 0a " + "0f" * 16])
def test_a_wish_is_read_as_it_was_written(text: str) -> None:
    found = read_wish(text.encode())
    assert found is not None
    assert str(found) == text
    assert read_wish(str(Wish("moves", "a")).encode()) == Wish("moves", "a", "")


@pytest.mark.parametrize(
    "entry", [b"", b"run", b"run a/b", b"run a.b", b"RUN a", b"run a ", b"run a\n", b"run \xc3\xa4"]
)
def test_other_entries_are_no_wishes(entry: bytes) -> None:
    assert read_wish(entry) is None
