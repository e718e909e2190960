# SPDX-License-Identifier: Apache-2.0
"""Facts about a fleet: each trouble is provoked on an imitated or on a real Redis."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
import redis
from connections import connection_to
from make_jobs import make_job, make_presence, run_shard, store_as_0_1
from processes import redis_server
from waiting import until

from qfleet.ledger import Connection, Facts, Ledger, gather_facts, publish, send
from qfleet.ledger.facts import shown
from qfleet.wire.lua import UNPUBLISHED_SECONDS, Scripts
from qfleet.wire.messages.presence import STALE_SECONDS
from qfleet.wire.redis import keys
from qfleet.wire.redis.broker import parse_broker
from qfleet.wire.redis.fields import JobField
from qfleet_worker.store import Store


@pytest.fixture
def connection(store_client: redis.Redis) -> Connection:
    """Return a connection to the fixture's Redis, imitated or real."""
    return connection_to(store_client)


@pytest.fixture
def own() -> Iterator[Connection]:
    """Yield a connection to a real Redis that this test has for itself."""
    with redis_server() as port:
        connection = Connection(parse_broker(f"redis://127.0.0.1:{port}/0"), "lab")
        yield connection
        connection.close()


def _orphans(facts: Facts, job_id: str) -> list[str]:
    return [key for key in facts.orphan_keys if job_id in key]


@pytest.mark.parametrize(
    "key",
    [
        *(keys.jobs(""), keys.ids(""), keys.UNFINISHED, keys.ACTIVE, keys.STARTED, keys.UNPLACEABLE, keys.ready(0)),
        *(keys.WORKERS, keys.SCHED, keys.VT, keys.WEIGHTS, keys.USED, keys.CANCELLING),
        *(f"{keys.PREFIX}{keys.QUEUE}", keys.tokens(0), keys.tokens(11)),
    ],
)
def test_a_key_of_the_fleet_of_another_type_is_named(key: str, own: Connection) -> None:
    send(own, make_job(1))
    own.client.delete(key)
    own.client.set(key, "junk")
    facts = gather_facts(own)
    assert [named.partition(" ")[0] for named in facts.damaged_keys] == [key]


def test_what_belongs_to_no_job_is_found_and_nothing_else(store_client: redis.Redis, connection: Connection) -> None:
    whole, lost, deleted = make_job(2), make_job(2), make_job(2)
    ledger = Ledger(store_client)
    for job in (whole, lost, deleted):
        ledger.store(job)
        run_shard(store_client, job.job_id, 0)
    # Left by a worker of version 0.1.
    store_client.set(keys.celery_meta(f"{lost.job_id}.0"), "{}")
    store_client.delete(keys.job(lost.job_id))
    ledger.delete(deleted.job_id)
    store_client.hset(keys.job(deleted.job_id), JobField.PUBLISHED, 1)  # said too late
    facts = gather_facts(connection)
    assert _orphans(facts, whole.job_id) == []
    assert {
        keys.celery_meta(f"{lost.job_id}.0"),
        *(read(lost.job_id) for read in (keys.shards, keys.work, keys.programs, keys.results)),
    } == set(_orphans(facts, lost.job_id)) - {keys.again(lost.job_id)}
    assert _orphans(facts, deleted.job_id) == [keys.job(deleted.job_id)]
    assert lost.job_id in facts.gone_jobs
    assert not {whole.job_id, deleted.job_id} & set(facts.gone_jobs)
    for job in (whole, lost, deleted):
        ledger.delete(job.job_id)
    assert _orphans(gather_facts(connection), lost.job_id) != []  # it isn't known which of its tasks left a record
    store_client.delete(keys.celery_meta(f"{lost.job_id}.0"))


def test_workers_that_are_up_and_those_that_fell_silent(store_client: redis.Redis, connection: Connection) -> None:
    up = make_presence("up@test", version="0.0.1", concurrency=3, memory_bytes=5)
    Store(store_client, "up@test").renew_presence(up)
    seen = store_client.time()[0] - STALE_SECONDS - 5
    record = f'{{"name": "gone@test", "version": "", "concurrency": 1, "memory_bytes": 1, "seen": {seen}}}'
    store_client.hset(keys.WORKERS, "gone@test", record)
    facts = gather_facts(connection)
    assert [worker.version for worker in facts.workers if worker.name == "up@test"] == ["0.0.1"]
    assert "gone@test" in facts.silent_workers
    assert "up@test" not in facts.silent_workers
    store_client.hdel(keys.WORKERS, "gone@test", "up@test")


def test_the_clock(store_client: redis.Redis, connection: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    assert abs(gather_facts(connection).clock_ahead_seconds) < 1
    monkeypatch.setattr("qfleet.ledger.facts.time", SimpleNamespace(time=lambda: time.time() + 100))
    assert 99 < gather_facts(connection).clock_ahead_seconds < 101


def test_messages_and_the_shards_that_wait_for_one(own: Connection) -> None:
    job = make_job(4)
    send(own, job)
    seen = gather_facts(own)
    assert (seen.tokens, seen.waiting_shards) == (4, 4)
    run_shard(own.client, job.job_id, 0)
    own.client.lpop(keys.tokens(0), 2)
    seen = gather_facts(own)
    assert (seen.tokens, seen.waiting_shards) == (1, 3)
    # Of a job of version 0.1 each shard has a message.
    old = make_job(4)
    store_as_0_1(own.client, old)
    publish(own, old.job_id, range(3))
    seen = gather_facts(own)
    assert (seen.tokens, seen.waiting_shards) == (4, 7)


def test_a_job_of_version_0_1_that_is_being_published_has_lost_nothing(own: Connection) -> None:
    now = own.client.time()[0]
    store_as_0_1(own.client, make_job(3, created=now))
    assert gather_facts(own).waiting_shards == 0
    store_as_0_1(own.client, make_job(5, created=now - UNPUBLISHED_SECONDS - 10))
    assert gather_facts(own).waiting_shards == 5


def test_jobs_that_no_worker_can_hold(own: Connection) -> None:
    assert gather_facts(own).unplaceable_jobs == {}
    job = make_job(2)
    send(own, job)
    Scripts(own.client).call("hold", job.job_id, "its 40 qubits need 16 TiB")
    seen = gather_facts(own)
    assert seen.unplaceable_jobs == {job.job_id: "its 40 qubits need 16 TiB"}
    assert seen.waiting_shards == 0


def test_the_settings_of_redis(own: Connection) -> None:
    seen = gather_facts(own)
    assert (seen.maxmemory_policy, seen.append_only, seen.save, seen.writes_succeed) == ("noeviction", False, "", True)
    server = own.client.info("server")
    assert (seen.redis_version, seen.valkey_version) == (server["redis_version"], server.get("valkey_version"))
    assert seen.in_memory is False
    own.client.config_set("maxmemory-policy", "allkeys-lru")
    own.client.config_set("appendonly", "yes")
    own.client.config_set("save", "3600 1")
    seen = gather_facts(own)
    assert (seen.maxmemory_policy, seen.append_only, seen.save) == ("allkeys-lru", True, "3600 1")


def test_a_redis_that_doesnt_show_its_settings(own: Connection) -> None:
    own.client.config_set("maxmemory-policy", "allkeys-lru")
    own.client.acl_setuser(
        "guest", enabled=True, nopass=True, keys=["qfleet:*"], channels=["*"], commands=["+@all", "-config"]
    )
    guest = Connection(parse_broker(own.broker.url.replace("redis://", "redis://guest:x@")))
    seen = gather_facts(guest)
    # INFO still tells these two.
    assert (seen.maxmemory_policy, seen.append_only, seen.save) == ("allkeys-lru", False, None)
    own.client.acl_setuser(
        "guest", enabled=True, nopass=True, keys=["qfleet:*"], channels=["*"], commands=["+@all", "-config", "-info"]
    )
    seen = gather_facts(guest)
    assert (seen.redis_version, seen.maxmemory_policy, seen.append_only, seen.writes_succeed) == (None,) * 4
    guest.close()


def test_a_disk_that_cant_be_written(own: Connection) -> None:
    shutil.rmtree(own.client.config_get("dir")["dir"])
    own.client.bgsave()
    until(lambda: gather_facts(own).writes_succeed is False, "the snapshot has failed")


@pytest.mark.parametrize(
    ("name", "text"),
    [(b"job", "job"), ("é".encode(), "é"), (b"", ""), (b"\xffjob", r"\xffjob"), (b"a\x1b[2J", r"a\x1b[2J")],
)
def test_names_that_cannot_be_printed_are_escaped(name: bytes, text: str) -> None:
    assert shown(name) == text
