# SPDX-License-Identifier: Apache-2.0
"""What the scripts do when processes, workers and messages are gone; on an imitated and on a real Redis."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any, cast

import msgspec
import pytest
import redis
from make_jobs import make_job, make_presence

from qfleet.ledger import Ledger, NewJob
from qfleet.wire.messages.presence import STALE_SECONDS
from qfleet.wire.redis import keys
from qfleet.wire.redis.keys import JobField, ShardField
from qfleet.wire.redis.states import task_id
from qfleet_worker.store import FORGOTTEN_SECONDS, Store, Taken

QUEUE = f"{keys.PREFIX}{keys.QUEUE}"


@pytest.fixture
def ledger(store_client: redis.Redis) -> Ledger:
    return Ledger(store_client)


@pytest.fixture
def store(store_client: redis.Redis) -> Iterator[Store]:
    store_client.delete(keys.WORKERS, QUEUE)
    yield Store(store_client, "a@test")
    store_client.delete(keys.WORKERS, QUEUE)


@pytest.fixture
def other(store_client: redis.Redis) -> Store:
    return Store(store_client, "b@test")


@pytest.fixture
def job(ledger: Ledger, store: Store) -> Iterator[NewJob]:
    """A stored and published job of three shards."""
    job = make_job(3)
    ledger.store(job)
    ledger.published(job.job_id)
    yield job
    ledger.delete(job.job_id)


def _show(store: Store, *holds: str) -> None:
    store.renew_presence(make_presence(store._worker, holds=holds))


def _take(store: Store, job: NewJob, index: int = 0) -> Taken:
    taken = store.take(job.job_id, index)
    assert taken is not None
    return taken


def _field(client: redis.Redis, job: NewJob, name: str, index: int = 0) -> bytes | None:
    value = client.hget(keys.shards(job.job_id), ShardField.of(index, name))
    assert value is None or isinstance(value, bytes)
    return value


def _lost(store: Store, job: NewJob, patience: float = 0.0, *, later_taken: bool = False) -> list[int]:
    last_taken = 1e12 if later_taken else 0
    answer: list[int] = store._scripts.call("reconcile", job.job_id, "PENDING", patience, last_taken)
    return answer[1:]


def _process(taken: Taken) -> int:
    return int(taken.owner.split("/")[1])


# --- take ---


def test_the_shard_of_a_worker_that_is_up_is_not_taken(store: Store, other: Store, job: NewJob) -> None:
    first = _take(store, job)
    _show(store)
    assert other.take(job.job_id, 0) is None
    assert store.finish(first, b"result", whole=1, blocks=[], error="") is True


def test_the_shard_of_a_worker_that_is_gone_is_taken(
    store_client: redis.Redis, store: Store, other: Store, job: NewJob
) -> None:
    first = _take(store, job)
    _show(store)
    said = msgspec.json.decode(store_client.hget(keys.WORKERS, "a@test") or b"")
    store_client.hset(keys.WORKERS, "a@test", msgspec.json.encode(said | {"seen": said["seen"] - STALE_SECONDS}))
    second = _take(other, job)
    assert second.attempt == 2
    assert store.finish(first, b"late", whole=1, blocks=[], error="") is False
    assert other.finish(second, b"result", whole=1, blocks=[], error="") is True


def test_what_no_worker_wrote_counts_as_no_worker(store_client: redis.Redis, store: Store, job: NewJob) -> None:
    _take(store, job)
    store_client.hset(keys.WORKERS, "a@test", "{broken")
    assert _take(store, job).attempt == 2


@pytest.mark.parametrize(
    ("machine", "process", "is_taken"),
    [("here", 4_999_999, True), ("here", None, False), ("elsewhere", 4_999_999, False), ("", 4_999_999, False)],
    ids=["dead here", "alive here", "unknown elsewhere", "of a worker that does not say where"],
)
def test_a_process_is_known_to_be_dead_only_where_its_id_means_something(
    machine: str, process: int | None, is_taken: bool, store_client: redis.Redis, store: Store, job: NewJob
) -> None:
    owner = f"a@test/{process or os.getpid()}/abcdefgh"
    assert store._scripts.call("take", job.job_id, "STARTED", 0, owner, "")[0] == 1
    store.renew_presence(make_presence("a@test", machine=machine))
    other = Store(store_client, "b@test", machine="here")
    assert (other.take(job.job_id, 0) is not None) is is_taken


# --- stopped ---


def test_a_shard_whose_process_died_is_for_any_worker(
    store_client: redis.Redis, store: Store, other: Store, job: NewJob
) -> None:
    first = _take(store, job)
    _show(store)
    store.stopped(job.job_id, 0, _process(first), "signal 9 (SIGKILL)")
    assert _field(store_client, job, ShardField.STATE) == b"PENDING"
    second = _take(other, job)
    assert (second.attempt, second.cause) == (2, "signal 9 (SIGKILL)")


def test_another_process_that_died_changes_nothing(store_client: redis.Redis, store: Store, job: NewJob) -> None:
    first = _take(store, job)
    store.stopped(job.job_id, 0, _process(first) + 1, "signal 9")
    assert _field(store_client, job, ShardField.STATE) == b"STARTED"
    assert _field(store_client, job, ShardField.CAUSE) is None


def test_a_process_that_died_before_it_said_which_it_was(store_client: redis.Redis, store: Store, job: NewJob) -> None:
    _take(store, job)
    store.stopped(job.job_id, 0, None, "signal 9")
    assert _field(store_client, job, ShardField.STATE) == b"PENDING"


# --- cancel ---


def test_a_cancelled_shard_is_not_over_before_its_process_is(store: Store, ledger: Ledger, job: NewJob) -> None:
    taken = _take(store, job)
    _show(store)
    assert ledger.cancel(job.job_id) == [0, 1, 2]
    snapshot = ledger.snapshot(job.job_id)
    assert (snapshot.states["STARTED"], snapshot.states["REVOKED"], snapshot.is_final) == (1, 2, False)
    store.stopped(job.job_id, 0, _process(taken))
    snapshot = ledger.snapshot(job.job_id)
    assert (snapshot.states["REVOKED"], snapshot.is_final) == (3, True)
    assert snapshot.ended is not None


def test_a_cancelled_shard_whose_worker_is_gone_is_over_once_it_is_missed(
    store: Store, ledger: Ledger, job: NewJob
) -> None:
    _take(store, job)
    _show(store, task_id(job.job_id, 0))
    ledger.cancel(job.job_id)
    assert _lost(store, job) == _lost(store, job) == []
    assert not ledger.snapshot(job.job_id).is_final
    store.withdraw_presence()
    assert _lost(store, job) == _lost(store, job) == []
    assert ledger.snapshot(job.job_id).is_final


# --- begin ---


def test_processes_that_die_are_counted_for_the_circuit_that_they_ran(store: Store, job: NewJob) -> None:
    for deaths in range(3):
        taken = _take(store, job)
        assert store.begin(taken, 5) == 0
        assert store.begin(taken, 6) == deaths
    assert store.begin(_take(store, job), 6) == 3


def test_who_lost_a_shard_is_told_so_when_it_begins_a_circuit(store: Store, job: NewJob) -> None:
    first = _take(store, job)
    _take(store, job)
    assert store.begin(first, 0) is None


# --- fail, release ---


def test_a_shard_whose_time_was_over(
    store_client: redis.Redis, store: Store, other: Store, ledger: Ledger, job: NewJob
) -> None:
    taken = _take(store, job)
    other.fail(job.job_id, 0, "too long")
    assert _field(store_client, job, ShardField.STATE) == b"STARTED"
    store.fail(job.job_id, 0, "too long")
    assert _field(store_client, job, ShardField.STATE) == b"FAILURE"
    assert ledger.snapshot(job.job_id).error == "too long"
    assert store.finish(taken, b"late", whole=1, blocks=[], error="") is False


def test_a_shard_that_is_handed_back_was_no_attempt(
    store_client: redis.Redis, store: Store, other: Store, job: NewJob
) -> None:
    first = _take(store, job)
    _show(store)
    assert other.release(job.job_id, 0) is False
    assert store.release(job.job_id, 0) is True
    assert store.release(job.job_id, 0) is False
    assert _field(store_client, job, ShardField.STATE) == b"PENDING"
    assert _take(other, job).attempt == 1
    assert store.finish(first, b"late", whole=1, blocks=[], error="") is False


# --- excuse ---


def test_the_end_of_a_worker_that_was_told_to_stop_is_no_attempt(
    store_client: redis.Redis, store: Store, other: Store, job: NewJob
) -> None:
    first = _take(store, job)
    assert store.begin(first, 0) == 0
    store.excuse(job.job_id, 0)
    # Killed: its presence grows stale, and nobody hands the shard back.
    second = _take(other, job)
    assert (second.attempt, other.begin(second, 0)) == (1, 0)
    assert store.finish(first, b"late", whole=1, blocks=[], error="") is False
    # The excuse was for that end alone.
    third = _take(store, job)
    assert (third.attempt, store.begin(third, 0)) == (2, 1)


def test_an_excuse_outlives_the_look_for_lost_shards(store: Store, other: Store, job: NewJob) -> None:
    _take(store, job)
    store.excuse(job.job_id, 0)
    assert [0 in _lost(store, job) for _ in range(2)] == [False, True]
    assert _take(other, job).attempt == 1


def test_a_process_that_dies_by_itself_meanwhile_has_no_excuse(store: Store, other: Store, job: NewJob) -> None:
    taken = _take(store, job)
    store.excuse(job.job_id, 0)
    store.stopped(job.job_id, 0, _process(taken), "signal 11 (SIGSEGV)")
    assert _take(other, job).attempt == 2


def test_a_shard_that_is_handed_back_is_excused_once(store: Store, other: Store, job: NewJob) -> None:
    _take(store, job)
    store.excuse(job.job_id, 0)
    assert store.release(job.job_id, 0)
    assert _take(other, job).attempt == 1
    assert _take(store, job).attempt == 2


def test_a_worker_excuses_only_what_it_runs(store_client: redis.Redis, store: Store, other: Store, job: NewJob) -> None:
    _take(store, job)
    other.excuse(job.job_id, 0)
    store.excuse(job.job_id, 1)
    for index in (0, 1):
        assert not store_client.hexists(keys.shards(job.job_id), ShardField.of(index, ShardField.EXCUSED))


# --- reconcile ---


def test_shards_wait_in_peace_while_their_messages_may_be_on_the_queue(
    store_client: redis.Redis, store: Store, job: NewJob
) -> None:
    store_client.lpush(QUEUE, "a message")
    assert [_lost(store, job) for _ in range(3)] == [[]] * 3


def test_with_an_empty_queue_every_shard_that_nobody_holds_is_lost(store: Store, job: NewJob) -> None:
    _show(store, task_id(job.job_id, 1))
    assert _lost(store, job) == []
    assert _lost(store, job) == [2, 0]


def test_messages_in_front_of_one_that_was_taken_must_be_gone(
    store_client: redis.Redis, store: Store, job: NewJob
) -> None:
    store_client.lpush(QUEUE, "a message")
    _take(store, job, 1)
    _show(store, task_id(job.job_id, 1))
    assert [_lost(store, job) for _ in range(2)] == [[], [0]]


def test_messages_in_front_of_a_later_jobs_must_be_gone(store_client: redis.Redis, store: Store, job: NewJob) -> None:
    store_client.lpush(QUEUE, "a message")
    assert [_lost(store, job, later_taken=True) for _ in range(2)] == [[], [2, 1, 0]]


def test_a_job_that_waits_beside_one_of_a_client_whose_clock_is_ahead_is_not_lost(
    store_client: redis.Redis, store: Store, ledger: Ledger, job: NewJob
) -> None:
    store_client.lpush(QUEUE, "a message")
    # Published before the job, and by its client's clock an hour later.
    now, _ = cast("tuple[int, int]", store_client.time())
    ahead = make_job(1, created=now + 3600.0)
    ledger.store(ahead)
    store_client.hset(keys.job(ahead.job_id), JobField.PUBLISHED, f"{now - 5}.0")
    _take(store, ahead)
    began, *_ = store._scripts.call("reconcile", ahead.job_id, "PENDING", 0.0, 0)
    assert 0 < float(began) <= now - 5
    for _ in range(3):
        assert store._scripts.call("reconcile", job.job_id, "PENDING", 0.0, began)[1:] == []
    # Even before it is published whole.
    store_client.hdel(keys.job(ahead.job_id), JobField.PUBLISHED)
    began, *_ = store._scripts.call("reconcile", ahead.job_id, "PENDING", 0.0, 0)
    assert 0 < float(began) <= now + 60
    ledger.delete(ahead.job_id)


def test_shards_that_are_published_while_a_later_job_is_taken_are_not_lost(
    store_client: redis.Redis, store: Store, ledger: Ledger, job: NewJob
) -> None:
    """The later job began to be published while the messages of this one still went on the queue."""
    store_client.lpush(QUEUE, "a message")
    published = float(store_client.hget(keys.job(job.job_id), JobField.PUBLISHED) or 0)
    store_client.hset(keys.job(job.job_id), JobField.CREATED, repr(published - 10))
    for later, lost in ((published - 0.001, []), (published + 0.001, [2, 1, 0])):
        answers = [store._scripts.call("reconcile", job.job_id, "PENDING", 0.0, repr(later))[1:] for _ in range(2)]
        assert answers == [[], lost]


def test_a_job_that_an_older_client_published(store_client: redis.Redis, store: Store, job: NewJob) -> None:
    store_client.lpush(QUEUE, "a message")
    store_client.hset(keys.job(job.job_id), JobField.PUBLISHED, 1)
    assert [_lost(store, job) for _ in range(3)] == [[]] * 3
    assert [_lost(store, job, later_taken=True) for _ in range(2)] == [[], [2, 1, 0]]


def test_a_shard_must_look_lost_for_a_while(store: Store, job: NewJob) -> None:
    assert [_lost(store, job, patience=1000.0) for _ in range(3)] == [[]] * 3


def test_what_a_client_may_still_publish_is_not_lost(store: Store, ledger: Ledger) -> None:
    job = make_job(2)
    ledger.store(job)
    assert [_lost(store, job) for _ in range(3)] == [[]] * 3
    ledger.delete(job.job_id)


def test_the_shard_of_a_lost_worker_is_pending_again(store_client: redis.Redis, store: Store, job: NewJob) -> None:
    first = _take(store, job)
    assert _lost(store, job) == []
    assert 0 in _lost(store, job)
    assert _field(store_client, job, ShardField.STATE) == b"PENDING"
    assert store.finish(first, b"late", whole=1, blocks=[], error="") is False
    assert _take(store, job).attempt == 2


def test_a_job_that_is_gone_is_no_longer_looked_at(store_client: redis.Redis, store: Store, ledger: Ledger) -> None:
    job = make_job(1)
    ledger.store(job)
    store_client.delete(*keys.of_job(job.job_id))
    assert _lost(store, job) == []
    assert store_client.zscore(keys.ACTIVE, job.job_id) is None


def test_a_worker_that_went_without_leave_is_forgotten_after_a_day(
    store_client: redis.Redis, store: Store, other: Store
) -> None:
    _show(store)
    now, _ = cast("tuple[int, int]", store_client.time())
    record = make_presence("")
    for name, age in {"silent": FORGOTTEN_SECONDS - 60, "gone": FORGOTTEN_SECONDS + 60}.items():
        told = msgspec.structs.replace(record, name=name, seen=float(now - age))
        store_client.hset(keys.WORKERS, name, msgspec.json.encode(told))
    store_client.hset(keys.WORKERS, "not a worker", "{")
    store_client.delete(keys.RECONCILER)
    other.lost(1.0)
    assert set(store_client.hkeys(keys.WORKERS)) == {store._worker.encode(), b"silent"}


def test_one_worker_looks_at_a_time(store_client: redis.Redis, store: Store, other: Store) -> None:
    calls: list[Any] = []
    for each in (store, other):
        each._scripts.call = lambda *arguments, **_: calls.append(arguments) or [0]  # type: ignore[method-assign]
    store_client.delete(keys.RECONCILER)
    store_client.zadd(keys.ACTIVE, {"some-job": 1.0})
    store.lost(1.0)
    looked = len(calls)
    assert looked > 0
    assert other.lost(1.0) == []
    assert len(calls) == looked
    store_client.zrem(keys.ACTIVE, "some-job")
    store_client.delete(keys.RECONCILER)


# --- retry ---


def test_what_failed_runs_again_as_if_for_the_first_time(
    store_client: redis.Redis, store: Store, ledger: Ledger, job: NewJob
) -> None:
    for index in (1, 2):
        assert store.finish(_take(store, job, index), b"result", whole=1, blocks=[], error="") is True
    taken = _take(store, job)
    store.begin(taken, 0)
    # It looks lost for a moment, and then fails.
    assert _lost(store, job) == []
    assert store.finish(taken, b"result", whole=0, blocks=[], error="no") is True
    assert ledger.snapshot(job.job_id).is_final
    assert ledger.retry(job.job_id) == [0]
    snapshot = ledger.snapshot(job.job_id)
    assert (snapshot.states["PENDING"], snapshot.states["SUCCESS"], snapshot.error) == (1, 2, "")
    assert snapshot.ended is None
    assert all(store_client.ttl(key) == -1 for key in store_client.scan_iter(match=f"*{job.job_id}*", count=1000))
    left = {name for name in store_client.hkeys(keys.shards(job.job_id)) if name.startswith(b"0:")}
    assert left == {b"0:state", b"0:counted"}
    # Its message is new: nobody misses it yet.
    assert _lost(store, job) == []
    assert _take(store, job).attempt == 1


def test_retrying_a_job_without_failures_does_nothing(ledger: Ledger, job: NewJob) -> None:
    before = ledger.snapshot(job.job_id)
    assert ledger.retry(job.job_id) == []
    assert ledger.snapshot(job.job_id) == before
