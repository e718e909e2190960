# SPDX-License-Identifier: Apache-2.0
"""One bad entry among the active jobs or the workers' records stops recovery for nobody else."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import msgspec
import pytest
import redis
from make_jobs import make_job, make_presence, store_as_0_1
from taken_shards import lost_shards

from qfleet.ledger import Ledger, NewJob
from qfleet.wire.limits import MAX_RECORD_BYTES
from qfleet.wire.lua import Scripts
from qfleet.wire.redis import keys
from qfleet.wire.redis.fields import JobField
from qfleet_worker.health import is_up_on
from qfleet_worker.search import Search
from qfleet_worker.store import Store

QUEUE = f"{keys.PREFIX}{keys.QUEUE}"


@pytest.fixture
def store(store_client: redis.Redis) -> Iterator[Store]:
    store_client.delete(keys.WORKERS, keys.ACTIVE, QUEUE, keys.RECONCILER)
    yield Store(store_client, "a@test", machine="here")
    store_client.delete(keys.WORKERS, keys.ACTIVE, QUEUE, keys.RECONCILER)


@pytest.fixture
def job(store_client: redis.Redis, store: Store) -> Iterator[NewJob]:
    """Yield a job whose message is lost: the queue is empty."""
    job, ledger = make_job(1), Ledger(store_client)
    store_as_0_1(store_client, job)
    ledger.published(job.job_id)
    yield job
    ledger.delete(job.job_id)


@pytest.fixture
def search(store_client: redis.Redis) -> Search:
    return Search(store_client, "a@test", patience_seconds=0.0)


def _look(client: redis.Redis, search: Search) -> list[tuple[str, int]]:
    client.delete(keys.RECONCILER)
    return search.look()


def _finds(client: redis.Redis, search: Search, job: NewJob) -> bool:
    return [_look(client, search) for _ in range(2)] == [[], [(job.job_id, 0)]]


@pytest.mark.parametrize(
    "job_id",
    [b"\xff\xfe", b"", b"with space", b"a.b", b"..", b"x" * 1000, "café".encode(), b"gone"],
    ids=["not text", "empty", "space", "dot", "dots", "long", "not ascii", "of no job"],
)
def test_a_name_that_is_no_jobs(
    job_id: bytes, store_client: redis.Redis, store: Store, search: Search, job: NewJob
) -> None:
    store_client.zadd(keys.ACTIVE, {job_id: 9e15})
    assert _finds(store_client, search, job)


@pytest.mark.parametrize("key", range(5), ids=["ledger", "shards", "work", "programs", "results"])
def test_a_key_of_another_type(key: int, store_client: redis.Redis, store: Store, search: Search, job: NewJob) -> None:
    store_client.hset(keys.job("odd"), mapping={JobField.SHARDS: 1, JobField.CREATED: 1})
    store_client.delete(keys.of_job("odd")[key])
    store_client.set(keys.of_job("odd")[key], "no hash")
    store_client.zadd(keys.ACTIVE, {"odd": 9e15})
    try:
        assert _finds(store_client, search, job)
    finally:
        store_client.delete(*keys.of_job("odd"))


@pytest.mark.parametrize("shards", ["1e15", "-1", "0.5", "nan", "inf", "many", ""])
def test_a_number_of_shards_that_no_client_stores(
    shards: str, store_client: redis.Redis, store: Store, search: Search, job: NewJob, caplog: pytest.LogCaptureFixture
) -> None:
    store_client.hset(keys.job("odd"), mapping={JobField.SHARDS: shards, JobField.CREATED: 1})
    store_client.zadd(keys.ACTIVE, {"odd": 9e15})
    try:
        with caplog.at_level(logging.WARNING):
            assert _finds(store_client, search, job)
            _look(store_client, search)
        # Once, and not every few seconds.
        assert caplog.text.count("skipped b'odd'") == 1
        with pytest.raises(redis.ResponseError, match="does not have"):
            Ledger(store_client).cancel("odd")
    finally:
        store_client.delete(*keys.of_job("odd"))


def test_a_redis_that_refuses_everything_is_no_damaged_entry(
    store_client: redis.Redis, store: Store, search: Search, job: NewJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise redis.exceptions.OutOfMemoryError("full")

    with monkeypatch.context() as patched:
        patched.setattr(Scripts, "call", full)
        with pytest.raises(redis.exceptions.OutOfMemoryError):
            _look(store_client, search)


def _record(seen: float, **changed: object) -> bytes:
    presence = make_presence("odd", seen=seen, machine="here")
    return msgspec.json.encode(msgspec.to_builtins(presence) | changed)


@pytest.mark.parametrize(
    "record",
    [
        b"junk",
        b"",
        b"5",
        b"null",
        b'"text"',
        b"[1]",
        b"\xff\xfe",
        b"[" * 5000,
        b'{"seen": "now"}',
        b'{"seen": null}',
        _record(1e18),
        _record(1e18, holds=5),
        b'{"seen": 1e999}',
    ],
    ids=lambda record: repr(record[:24]),
)
def test_a_workers_record_that_no_worker_wrote(
    record: bytes, store_client: redis.Redis, store: Store, search: Search, job: NewJob
) -> None:
    taken = store.take(job.job_id, 0)
    assert taken is not None
    # As if the odd worker had the shard.
    store_client.hset(keys.shards(job.job_id), "0:owner", "odd/1/abcdefgh")
    store_client.hset(keys.WORKERS, "odd", record)
    assert not is_up_on(store_client, "here")
    for lost in ([], [0]):
        assert lost_shards(Scripts(store_client), job) == lost
    taken = store.take(job.job_id, 0)
    assert taken is not None
    store_client.hset(keys.shards(job.job_id), "0:owner", "odd/1/abcdefgh")
    # The gate, too, takes it for the record of nobody.
    assert store.take(job.job_id, 0) is not None
    # It is dropped, as the records of workers that are long gone are.
    assert _finds(store_client, search, job)
    assert not store_client.hexists(keys.WORKERS, "odd")


def test_a_workers_record_of_a_megabyte(store_client: redis.Redis, store: Store, search: Search, job: NewJob) -> None:
    assert store.take(job.job_id, 0) is not None
    store_client.hset(keys.shards(job.job_id), "0:owner", "odd/1/abcdefgh")
    seconds, _ = store_client.time()  # type: ignore[misc]
    for padding, is_taken in ((10, False), (MAX_RECORD_BYTES, True)):
        store_client.hset(keys.WORKERS, "odd", _record(float(seconds), padding="x" * padding))
        assert is_up_on(store_client, "here") is not is_taken
        assert (store.take(job.job_id, 0) is not None) is is_taken


@pytest.mark.parametrize("holds", [5, "text", {"a": 1}, [1, None, {}, [[]]], None])
def test_a_worker_that_says_odd_things_of_what_it_holds(
    holds: object, store_client: redis.Redis, store: Store, search: Search, job: NewJob
) -> None:
    seconds, _ = store_client.time()  # type: ignore[misc]
    store_client.hset(keys.WORKERS, "odd", _record(float(seconds), holds=holds))
    assert _finds(store_client, search, job)


def test_the_name_of_a_worker_may_be_anything(
    store_client: redis.Redis, store: Store, search: Search, job: NewJob
) -> None:
    store_client.hset(keys.WORKERS, b"\xff\xfe", b"junk")
    assert not is_up_on(store_client, "here")
    assert _finds(store_client, search, job)
