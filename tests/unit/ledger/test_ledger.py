# SPDX-License-Identifier: Apache-2.0
"""A client reads jobs and workers from an imitated and from a real Redis."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
import pytest
import redis
from make_jobs import claim_shard, make_circuit_result, make_job, make_presence, run_shard, store_as_0_1
from processes import keys_with

from qfleet.errors import CapacityError, DamagedDataError, JobExpiredError, JobNotFoundError
from qfleet.ledger import Ledger
from qfleet.wire.codec.shards import encode_shard
from qfleet.wire.lua import TOLD_BYTES
from qfleet.wire.messages.presence import STALE_SECONDS
from qfleet.wire.messages.result import ShardResult
from qfleet.wire.redis import keys
from qfleet.wire.redis.fields import JobField
from qfleet_worker.health import is_up_on
from qfleet_worker.store import Store


@pytest.fixture
def ledger(store_client: redis.Redis) -> Ledger:
    return Ledger(store_client)


@pytest.fixture
def store(store_client: redis.Redis) -> Store:
    return Store(store_client, "unit@test")


def test_a_job_that_was_deleted_while_it_was_published_leaves_nothing(
    store_client: redis.Redis, ledger: Ledger
) -> None:
    job = make_job(1)
    ledger.store(job)
    ledger.delete(job.job_id)
    ledger.published(job.job_id)
    assert not store_client.exists(keys.job(job.job_id))


def test_a_snapshot_is_what_was_stored(ledger: Ledger) -> None:
    job = make_job(3, tags=("a", "ü"), tenant="bob", weight=8)
    created = ledger.store(job)
    snapshot = ledger.snapshot(job.job_id)
    assert (snapshot.backend, snapshot.circuits, snapshot.circuits_done) == ("automatic", 3, 0)
    assert (snapshot.created, snapshot.ended, snapshot.tags) == (created, None, ("a", "ü"))
    assert (snapshot.tenant, snapshot.weight, snapshot.held) == ("bob", 8, "")
    assert snapshot.states["PENDING"] == 3


def test_a_job_of_version_0_1_is_read_too(store_client: redis.Redis, ledger: Ledger) -> None:
    job = make_job(3, created=1_700_000_000.123456)
    store_as_0_1(store_client, job)
    snapshot = ledger.snapshot(job.job_id)
    assert (snapshot.created, snapshot.tenant, snapshot.weight, snapshot.held) == (1_700_000_000.123456, "", 2, "")
    assert ledger.record(job.job_id) == job.record


def test_a_record_that_no_value_holds_is_refused_before_anything_is_stored(store_client: redis.Redis) -> None:
    job = make_job(2, metadata={"notes": "x" * 2**21})
    with pytest.raises(CapacityError, match=r"has 2 MiB, and a Redis value holds 1 MiB; give less metadata") as caught:
        Ledger(store_client, max_value_bytes=2**20).store(job)
    assert caught.value.available_bytes == 2**20
    assert keys_with(store_client, job.job_id) == []


def test_the_record_comes_back(ledger: Ledger) -> None:
    job = make_job(2, metadata={"a": [1, {"b": None}]})
    created = ledger.store(job)
    assert ledger.record(job.job_id) == msgspec.structs.replace(job.record, created=created)


def test_a_job_that_never_was_and_one_that_expired(store_client: redis.Redis, ledger: Ledger) -> None:
    job = make_job()
    for read in (ledger.snapshot, ledger.record):
        with pytest.raises(JobNotFoundError, match=job.job_id):
            read(job.job_id)
    ledger.store(job)
    store_client.delete(*keys.of_job(job.job_id))  # as Redis does when they expire
    for read in (ledger.snapshot, ledger.record):
        with pytest.raises(JobExpiredError, match=job.job_id):
            read(job.job_id)


@pytest.mark.parametrize("version", ["0.1", "1"])
def test_deleting_leaves_no_key(version: str, store_client: redis.Redis, ledger: Ledger) -> None:
    job = make_job(3)
    if version == "0.1":
        store_as_0_1(store_client, job)
        for index in range(3):
            store_client.set(keys.celery_meta(f"{job.job_id}.{index}"), "{}")
    else:
        ledger.store(job)
    claim_shard(store_client, job.job_id, 1)
    ledger.cancel(job.job_id)
    ledger.delete(job.job_id)
    assert list(store_client.scan_iter(match=f"*{job.job_id}*", count=1000)) == []
    assert store_client.zscore(keys.jobs(""), job.job_id) is None
    ledger.delete(job.job_id)


def test_jobs_by_time_and_page(store_client: redis.Redis, ledger: Ledger) -> None:
    # A day of their own, since others write to the same Redis.
    day = time.time() - 200 * 86_400
    jobs = [make_job(1, created=day + number) for number in range(250)]
    for job in reversed(jobs):
        store_as_0_1(store_client, job)
    ids = [job.job_id for job in jobs]

    def found(first: int, last: int, *, descending: bool) -> list[str]:
        return [summary.job_id for summary in ledger.jobs(day + first, day + last, descending=descending)]

    assert found(0, 249, descending=False) == ids
    assert found(0, 249, descending=True) == ids[::-1]
    assert found(10, 12, descending=False) == ids[10:13]
    store_client.delete(keys.job(ids[11]))
    assert found(10, 12, descending=True) == [ids[12], ids[10]]
    for job_id in ids:
        ledger.delete(job_id)


@pytest.mark.parametrize("descending", [False, True])
def test_jobs_that_come_and_go_shift_no_page(descending: bool, store_client: redis.Redis, ledger: Ledger) -> None:
    day = time.time() - 100 * 86_400
    # More of one moment than a page holds, too.
    jobs = [make_job(1, created=day + max(0, number - 150)) for number in range(300)]
    for job in jobs:
        store_as_0_1(store_client, job)
    ids = [job.job_id for job in jobs]
    listed = ledger.jobs(day, day + 1000, descending=descending)
    found = [next(listed).job_id for _ in range(120)]
    # One that was listed goes, and one comes that is before those that were.
    ledger.delete(found[7])
    late = make_job(1, created=day + (500 if descending else 0))
    if descending:
        store_as_0_1(store_client, late)
    found += [summary.job_id for summary in listed]
    assert sorted(found) == sorted(ids)
    times = dict(zip(ids, (job.record.created for job in jobs), strict=True))
    assert [times[job_id] for job_id in found] == sorted(times.values(), reverse=descending)
    for job_id in (*ids, late.job_id):
        ledger.delete(job_id)


def test_results_come_in_order_and_without_gaps(store: Store, ledger: Ledger, store_client: redis.Redis) -> None:
    job = make_job(40)
    ledger.store(job)
    written = {}
    for index in (39, 3, 17, 0):
        part = make_circuit_result(index)
        written[index] = ShardResult(circuits=(part,))
        taken = claim_shard(store_client, job.job_id, index)
        store.finish(taken, encode_shard(written[index]), whole=1, blocks=[], error="")
    assert list(ledger.results(job.job_id, range(40))) == [written[index] for index in (0, 3, 17, 39)]
    store_client.hset(keys.results(job.job_id), "17", b"damaged")
    with pytest.raises(DamagedDataError, match=f"result of shard 17 of job {job.job_id}"):
        list(ledger.results(job.job_id, range(40)))


def test_a_worker_shows_itself_and_leaves(store_client: redis.Redis, store: Store, ledger: Ledger) -> None:
    presence = make_presence(version="1.2", concurrency=3, memory_bytes=5, machine="m", process_id=7)
    store.renew_presence(presence)
    (found,) = [worker for worker in ledger.workers() if worker.name == "unit@test"]
    assert (found.version, found.concurrency, found.memory_bytes) == ("1.2", 3, 5)
    assert (found.machine, found.process_id) == ("m", 7)
    assert (is_up_on(store_client, "m"), is_up_on(store_client, "another")) == (True, False)
    store.withdraw_presence()
    assert [worker for worker in ledger.workers() if worker.name == "unit@test"] == []
    assert not is_up_on(store_client, "m")


def test_a_worker_that_was_long_silent_isnt_up(store_client: redis.Redis, ledger: Ledger) -> None:
    seconds, _ = store_client.time()
    for age in (STALE_SECONDS - 5, STALE_SECONDS + 1):
        seen = seconds - age
        record = f'{{"name": "w{age}", "version": "", "concurrency": 1, "memory_bytes": 1, "seen": {seen}}}'
        store_client.hset(keys.WORKERS, f"w{age}", record)
    names = [worker.name for worker in ledger.workers()]
    assert f"w{STALE_SECONDS - 5}" in names
    assert f"w{STALE_SECONDS + 1}" not in names
    for age in (STALE_SECONDS - 5, STALE_SECONDS + 1):
        store_client.hdel(keys.WORKERS, f"w{age}")


def test_a_worker_that_was_seen_in_the_future_isnt_up(store_client: redis.Redis, ledger: Ledger) -> None:
    seconds, _ = store_client.time()
    record = f'{{"name": "ahead", "version": "", "concurrency": 1, "memory_bytes": 1, "seen": {seconds + 1000}}}'
    store_client.hset(keys.WORKERS, "ahead", record)
    assert "ahead" not in [worker.name for worker in ledger.workers()]
    store_client.hdel(keys.WORKERS, "ahead")


@pytest.mark.parametrize("shards", ["junk", "1e9", "-1", "999999999999", ""])
def test_a_job_of_a_number_of_shards_that_no_client_stores_can_be_deleted(
    shards: str, store_client: redis.Redis, ledger: Ledger
) -> None:
    job = make_job(2)
    ledger.store(job)
    store_client.hset(keys.job(job.job_id), JobField.SHARDS, shards)
    ledger.delete(job.job_id)
    assert not store_client.exists(*keys.of_job(job.job_id))


def test_a_record_that_no_worker_wrote_is_left_out(store_client: redis.Redis, store: Store, ledger: Ledger) -> None:
    store.renew_presence(make_presence(version="1.2", concurrency=3, memory_bytes=5))
    for name, junk in (
        (b"odd", b"junk"),
        (b"\xff", b"[]"),
        (b"deep", b"[" * 100_000),
        (b"no utf", b'{"name": "\xff"}'),
    ):
        store_client.hset(keys.WORKERS, name, junk)
    assert "unit@test" in [worker.name for worker in ledger.workers()]
    records = ledger.worker_records()
    assert {name for name, record in records.items() if record is None} >= {b"odd", b"\xff", b"deep", b"no utf"}
    assert records[b"unit@test"] is not None
    store_client.hdel(keys.WORKERS, b"odd", b"\xff", b"deep", b"no utf", b"unit@test")


def _junk_ledgers() -> dict[str, dict[str, bytes]]:
    many = b"[" * 100_000
    return {
        "created": {JobField.CREATED: b"yesterday"},
        "time": {JobField.CREATED: b"nan"},
        "late": {JobField.ENDED: b"1e300"},
        "circuits": {JobField.CIRCUITS: b"many"},
        "negative": {JobField.count("SUCCESS"): b"-3"},
        "huge": {JobField.CIRCUITS: b"9" * 5000},
        "tags": {JobField.TAGS: b'{"a": 1}'},
        "deep": {JobField.TAGS: many},
        "not utf": {JobField.BACKEND: b"\xff"},
        "error": {JobField.ERROR: b"\xff"},
    }


@pytest.mark.parametrize("kind", [*_junk_ledgers(), "string"])
def test_a_job_that_cant_be_read_is_an_error_of_its_own(kind: str, store_client: redis.Redis, ledger: Ledger) -> None:
    day = time.time() - 300 * 86_400
    jobs = [make_job(1, created=day + number) for number in range(3)]
    for job in jobs:
        store_as_0_1(store_client, job)
    bad = jobs[1].job_id
    if kind == "string":
        store_client.delete(keys.job(bad))
        store_client.set(keys.job(bad), "no hash")
    else:
        store_client.hset(keys.job(bad), mapping=_junk_ledgers()[kind])
    with pytest.raises(DamagedDataError, match=f"job {bad} can't be read: .*doctor"):
        ledger.snapshot(bad)
    with pytest.raises(DamagedDataError):
        ledger.find(bad[:30])
    damaged: list[str] = []
    found = [job.job_id for job in ledger.jobs(day, day + 9, descending=False, damaged=damaged)]
    assert (found, damaged) == ([jobs[0].job_id, jobs[2].job_id], [bad])
    if kind == "string":
        with pytest.raises(DamagedDataError):
            ledger.record(bad)
    store_client.delete(keys.job(bad))
    for job in jobs:
        ledger.delete(job.job_id)


@pytest.mark.parametrize("moves", [False, True])
@pytest.mark.parametrize("is_own", [False, True])
def test_jobs_are_told_to_those_that_listen(
    is_own: bool, moves: bool, store_client: redis.Redis, ledger: Ledger
) -> None:
    job = make_job(3, listener="c0ffee")
    ledger.store(job)
    run_shard(store_client, job.job_id, 0)
    with _messages(store_client) as told:
        Ledger(store_client).hear(job.job_id, is_own=is_own, moves=moves)
        run_shard(store_client, job.job_id, 1)
        run_shard(store_client, job.job_id, 2)
    # Each shard starts and ends.
    expected = [b"moved"] * 3 * moves + [b"ended"]
    own = [message for channel, message in told if channel == keys.client("", "c0ffee")]
    assert own == [message + b" " + job.job_id.encode() for message in expected]
    others = [message for channel, message in told if channel == keys.events(job.job_id)]
    assert others == ([] if is_own else expected)
    assert len(told) == len(own) + len(others)


@contextmanager
def _messages(client: redis.Redis) -> Iterator[list[tuple[str, bytes]]]:
    """Yield a list of all messages and their channels, filled when the block ends."""
    told: list[tuple[str, bytes]] = []
    with client.pubsub(ignore_subscribe_messages=True) as messages:
        messages.psubscribe("qfleet:*")
        messages.get_message(timeout=5)
        yield told
        client.publish("qfleet:last", b"")
        while not told or told[-1][0] != "qfleet:last":
            message = messages.get_message(timeout=5)
            if message is not None:
                told.append((message["channel"].decode(), message["data"]))
        del told[-1]


@pytest.mark.parametrize(
    ("size", "is_told"), [(1, True), (TOLD_BYTES, True), (TOLD_BYTES + 1, False)], ids=["small", "just", "large"]
)
def test_a_small_result_of_a_job_of_one_shard_comes_with_its_end(
    size: int, is_told: bool, store_client: redis.Redis, ledger: Ledger, store: Store
) -> None:
    job, longer = (make_job(number, listener="c0ffee") for number in (1, 2))
    result = bytes(range(256)) * (size // 256) + b" " * (size % 256)
    with _messages(store_client) as told:
        for each in (job, longer):
            ledger.store(each)
            for index in range(len(each.shards)):
                assert store.finish(claim_shard(store_client, each.job_id, index), result, whole=1, blocks=[], error="")
    numbers = store_client.hmget(keys.job(job.job_id), JobField.ENDED, JobField.BEGAN, JobField.USAGE)
    end = b" ".join([b"", *(number or b"?" for number in numbers), result])
    assert [message for _, message in told] == [
        b"ended " + job.job_id.encode() + (end if is_told else b""),
        b"ended " + longer.job_id.encode(),
    ]


def test_the_result_of_a_job_that_failed_does_not_come_with_its_end(
    store_client: redis.Redis, ledger: Ledger, store: Store
) -> None:
    job = make_job(1, listener="c0ffee")
    ledger.store(job)
    with _messages(store_client) as told:
        store.finish(claim_shard(store_client, job.job_id, 0), b"result", whole=0, blocks=[], error="bad")
        ledger.retry(job.job_id)
        ledger.cancel(job.job_id)
    assert b" ".join((b"ended", job.job_id.encode())) in [message for _, message in told]
    assert not any(b"result" in message for _, message in told)


@pytest.mark.parametrize("name", [b"not hex", b"", b"x" * 40])
def test_no_other_channel_than_a_clients_is_told(name: bytes, store_client: redis.Redis, ledger: Ledger) -> None:
    job = make_job(1)
    ledger.store(job)
    store_client.hset(keys.job(job.job_id), JobField.LISTENER, name)
    with _messages(store_client) as told:
        run_shard(store_client, job.job_id, 0)
    assert told == []


def test_nobody_hears_of_a_job_that_is_gone(store_client: redis.Redis) -> None:
    Ledger(store_client).hear("no-such-job", is_own=False, moves=True)
    assert not store_client.exists(keys.job("no-such-job"))
