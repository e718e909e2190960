# SPDX-License-Identifier: Apache-2.0
"""Lost shards are found, and no others; on an imitated and on a real Redis."""

from __future__ import annotations

from typing import Any, cast

import msgspec
import pytest
import redis
from make_jobs import make_job, make_presence, store_as_0_1
from processes import shard_field
from taken_shards import lost_shards, show_presence, take

from qfleet.ledger import Ledger, NewJob
from qfleet.wire.lua import Scripts
from qfleet.wire.redis import keys
from qfleet.wire.redis.fields import JobField, ShardField
from qfleet.wire.redis.states import task_id
from qfleet_worker.search import FORGOTTEN_SECONDS, Search
from qfleet_worker.store import Store

QUEUE = f"{keys.PREFIX}{keys.QUEUE}"


def test_shards_wait_in_peace_while_their_messages_may_be_on_the_queue(
    store_client: redis.Redis, store: Store, job: NewJob, scripts: Scripts
) -> None:
    store_client.lpush(QUEUE, "a message")
    assert [lost_shards(scripts, job) for _ in range(3)] == [[]] * 3


def test_with_an_empty_queue_every_shard_that_nobody_holds_is_lost(store: Store, job: NewJob, scripts: Scripts) -> None:
    show_presence(store, task_id(job.job_id, 1))
    assert lost_shards(scripts, job) == []
    assert lost_shards(scripts, job) == [2, 0]


def test_messages_in_front_of_one_that_was_taken_must_be_gone(
    store_client: redis.Redis, store: Store, job: NewJob, scripts: Scripts
) -> None:
    store_client.lpush(QUEUE, "a message")
    take(store, job, 1)
    show_presence(store, task_id(job.job_id, 1))
    assert [lost_shards(scripts, job) for _ in range(2)] == [[], [0]]


def test_messages_in_front_of_a_later_jobs_must_be_gone(
    store_client: redis.Redis, store: Store, job: NewJob, scripts: Scripts
) -> None:
    store_client.lpush(QUEUE, "a message")
    assert [lost_shards(scripts, job, later_taken=True) for _ in range(2)] == [[], [2, 1, 0]]


def test_a_job_that_waits_beside_one_of_a_client_whose_clock_is_ahead_is_not_lost(
    store_client: redis.Redis, store: Store, ledger: Ledger, job: NewJob, scripts: Scripts
) -> None:
    store_client.lpush(QUEUE, "a message")
    # Published before the job, and by its client's clock an hour later.
    now, _ = cast("tuple[int, int]", store_client.time())
    ahead = make_job(1, created=now + 3600.0)
    store_as_0_1(store_client, ahead)
    store_client.hset(keys.job(ahead.job_id), JobField.PUBLISHED, f"{now - 5}.0")
    take(store, ahead)
    began, *_ = scripts.call("reconcile", ahead.job_id, 0.0, 0)
    assert 0 < float(began) <= now - 5
    for _ in range(3):
        assert scripts.call("reconcile", job.job_id, 0.0, began)[1:] == []
    # Even before it is published whole.
    store_client.hdel(keys.job(ahead.job_id), JobField.PUBLISHED)
    began, *_ = scripts.call("reconcile", ahead.job_id, 0.0, 0)
    assert 0 < float(began) <= now + 60
    ledger.delete(ahead.job_id)


def test_shards_that_are_published_while_a_later_job_is_taken_are_not_lost(
    store_client: redis.Redis, store: Store, ledger: Ledger, job: NewJob, scripts: Scripts
) -> None:
    """The later job began to be published while the messages of this one still went on the queue."""
    store_client.lpush(QUEUE, "a message")
    published = float(store_client.hget(keys.job(job.job_id), JobField.PUBLISHED) or 0)
    store_client.hset(keys.job(job.job_id), JobField.CREATED, repr(published - 10))
    for later, lost in ((published - 0.001, []), (published + 0.001, [2, 1, 0])):
        answers = [scripts.call("reconcile", job.job_id, 0.0, repr(later))[1:] for _ in range(2)]
        assert answers == [[], lost]


def test_a_job_that_an_older_client_published(
    store_client: redis.Redis, store: Store, job: NewJob, scripts: Scripts
) -> None:
    store_client.lpush(QUEUE, "a message")
    store_client.hset(keys.job(job.job_id), JobField.PUBLISHED, 1)
    assert [lost_shards(scripts, job) for _ in range(3)] == [[]] * 3
    assert [lost_shards(scripts, job, later_taken=True) for _ in range(2)] == [[], [2, 1, 0]]


def test_a_shard_must_look_lost_for_a_while(store: Store, job: NewJob, scripts: Scripts) -> None:
    assert [lost_shards(scripts, job, patience=1000.0) for _ in range(3)] == [[]] * 3


def test_what_a_client_may_still_publish_is_not_lost(
    store_client: redis.Redis, ledger: Ledger, scripts: Scripts
) -> None:
    job = make_job(2)
    store_as_0_1(store_client, job)
    assert [lost_shards(scripts, job) for _ in range(3)] == [[]] * 3
    ledger.delete(job.job_id)


def test_the_shard_of_a_lost_worker_is_pending_again(
    store_client: redis.Redis, store: Store, job: NewJob, scripts: Scripts
) -> None:
    first = take(store, job)
    assert lost_shards(scripts, job) == []
    assert 0 in lost_shards(scripts, job)
    assert shard_field(store_client, job.job_id, 0, ShardField.STATE) == "PENDING"
    assert store.finish(first, b"late", whole=1, blocks=[], error="") is False
    assert take(store, job).attempt == 2


def test_a_job_that_is_gone_is_no_longer_looked_at(
    store_client: redis.Redis, store: Store, ledger: Ledger, scripts: Scripts
) -> None:
    job = make_job(1)
    store_as_0_1(store_client, job)
    store_client.delete(*keys.of_job(job.job_id))
    assert lost_shards(scripts, job) == []
    assert store_client.zscore(keys.ACTIVE, job.job_id) is None


def test_a_worker_that_went_without_leave_is_forgotten_after_a_day(store_client: redis.Redis, store: Store) -> None:
    show_presence(store)
    now, _ = cast("tuple[int, int]", store_client.time())
    record = make_presence("")
    for name, age in {"silent": FORGOTTEN_SECONDS - 60, "gone": FORGOTTEN_SECONDS + 60}.items():
        told = msgspec.structs.replace(record, name=name, seen=float(now - age))
        store_client.hset(keys.WORKERS, name, msgspec.json.encode(told))
    store_client.hset(keys.WORKERS, "not a worker", "{")
    store_client.delete(keys.RECONCILER)
    Search(store_client, "b@test").look()
    assert set(store_client.hkeys(keys.WORKERS)) == {b"a@test", b"silent"}


def test_one_worker_looks_at_a_time(store_client: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Any] = []
    monkeypatch.setattr(Scripts, "call", lambda *arguments, **_: calls.append(arguments) or [0])
    store_client.delete(keys.RECONCILER)
    store_client.zadd(keys.ACTIVE, {"some-job": 1.0})
    first, second = Search(store_client, "a@test"), Search(store_client, "b@test")
    first.look()
    looked = len(calls)
    assert looked > 0
    assert second.look() == []
    assert len(calls) == looked
    store_client.zrem(keys.ACTIVE, "some-job")
    store_client.delete(keys.RECONCILER)
