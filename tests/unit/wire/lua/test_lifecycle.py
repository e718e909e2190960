# SPDX-License-Identifier: Apache-2.0
"""The scripts find processes, workers and messages that are gone; on an imitated and on a real Redis."""

from __future__ import annotations

import os

import msgspec
import pytest
import redis
from make_jobs import make_presence
from processes import shard_field
from taken_shards import lost_shards, process_of, show_presence, take

from qfleet.ledger import Ledger, NewJob
from qfleet.wire.lua import Scripts
from qfleet.wire.messages.presence import STALE_SECONDS
from qfleet.wire.redis import keys
from qfleet.wire.redis.fields import ShardField
from qfleet.wire.redis.states import task_id
from qfleet_worker.store import Store

QUEUE = f"{keys.PREFIX}{keys.QUEUE}"


# --- take ---


def test_the_shard_of_a_worker_that_is_up_is_not_taken(store: Store, other: Store, job: NewJob) -> None:
    first = take(store, job)
    show_presence(store)
    assert other.take(job.job_id, 0) is None
    assert store.finish(first, b"result", whole=1, blocks=[], error="") is True


def test_the_shard_of_a_worker_that_is_gone_is_taken(
    store_client: redis.Redis, store: Store, other: Store, job: NewJob
) -> None:
    first = take(store, job)
    show_presence(store)
    said = msgspec.json.decode(store_client.hget(keys.WORKERS, "a@test") or b"")
    store_client.hset(keys.WORKERS, "a@test", msgspec.json.encode(said | {"seen": said["seen"] - STALE_SECONDS}))
    second = take(other, job)
    assert second.attempt == 2
    assert store.finish(first, b"late", whole=1, blocks=[], error="") is False
    assert other.finish(second, b"result", whole=1, blocks=[], error="") is True


def test_what_no_worker_wrote_counts_as_no_worker(store_client: redis.Redis, store: Store, job: NewJob) -> None:
    take(store, job)
    store_client.hset(keys.WORKERS, "a@test", "{broken")
    assert take(store, job).attempt == 2


@pytest.mark.parametrize(
    ("machine", "process", "is_taken"),
    [("here", 4_999_999, True), ("here", None, False), ("elsewhere", 4_999_999, False), ("", 4_999_999, False)],
    ids=["dead here", "alive here", "unknown elsewhere", "of a worker that does not say where"],
)
def test_a_process_is_known_to_be_dead_only_where_its_id_means_something(
    machine: str,
    process: int | None,
    is_taken: bool,
    store_client: redis.Redis,
    store: Store,
    job: NewJob,
    scripts: Scripts,
) -> None:
    owner = f"a@test/{process or os.getpid()}/abcdefgh"
    assert scripts.call("take", job.job_id, 0, owner, "")[0] == 1
    store.renew_presence(make_presence("a@test", machine=machine))
    other = Store(store_client, "b@test", machine="here")
    assert (other.take(job.job_id, 0) is not None) is is_taken


# --- stopped ---


def test_a_shard_whose_process_died_is_for_any_worker(
    store_client: redis.Redis, store: Store, other: Store, job: NewJob
) -> None:
    first = take(store, job)
    show_presence(store)
    store.stopped(job.job_id, 0, store.owner_of(process_of(first)), "signal 9 (SIGKILL)")
    assert shard_field(store_client, job.job_id, 0, ShardField.STATE) == "PENDING"
    second = take(other, job)
    assert (second.attempt, second.cause) == (2, "signal 9 (SIGKILL)")


def test_another_process_that_died_changes_nothing(store_client: redis.Redis, store: Store, job: NewJob) -> None:
    first = take(store, job)
    store.stopped(job.job_id, 0, store.owner_of(process_of(first) + 1), "signal 9")
    assert shard_field(store_client, job.job_id, 0, ShardField.STATE) == "STARTED"
    assert shard_field(store_client, job.job_id, 0, ShardField.CAUSE) is None


def test_a_process_that_died_before_it_said_which_it_was(store_client: redis.Redis, store: Store, job: NewJob) -> None:
    take(store, job)
    store.stopped(job.job_id, 0, store.owner_of(None), "signal 9")
    assert shard_field(store_client, job.job_id, 0, ShardField.STATE) == "PENDING"


# --- cancel ---


def test_a_cancelled_shard_is_not_over_before_its_process_is(store: Store, ledger: Ledger, job: NewJob) -> None:
    taken = take(store, job)
    show_presence(store)
    assert ledger.cancel(job.job_id) == (3, [0])
    snapshot = ledger.snapshot(job.job_id)
    assert (snapshot.states["STARTED"], snapshot.states["REVOKED"], snapshot.is_final) == (1, 2, False)
    store.stopped(job.job_id, 0, store.owner_of(process_of(taken)))
    snapshot = ledger.snapshot(job.job_id)
    assert (snapshot.states["REVOKED"], snapshot.is_final) == (3, True)
    assert snapshot.ended is not None


def test_a_cancelled_shard_whose_worker_is_gone_is_over_once_it_is_missed(
    store: Store, ledger: Ledger, job: NewJob, scripts: Scripts
) -> None:
    take(store, job)
    show_presence(store, task_id(job.job_id, 0))
    ledger.cancel(job.job_id)
    assert lost_shards(scripts, job) == lost_shards(scripts, job) == []
    assert not ledger.snapshot(job.job_id).is_final
    store.withdraw_presence()
    assert lost_shards(scripts, job) == lost_shards(scripts, job) == []
    assert ledger.snapshot(job.job_id).is_final


# --- begin ---


def test_processes_that_die_are_counted_for_the_circuit_that_they_ran(store: Store, job: NewJob) -> None:
    for deaths in range(3):
        taken = take(store, job)
        assert store.begin(taken, 5) == 0
        assert store.begin(taken, 6) == deaths
    assert store.begin(take(store, job), 6) == 3


def test_who_lost_a_shard_is_told_so_when_it_begins_a_circuit(store: Store, job: NewJob) -> None:
    first = take(store, job)
    take(store, job)
    assert store.begin(first, 0) is None


# --- fail, release ---


def test_a_shard_whose_time_was_over(
    store_client: redis.Redis, store: Store, other: Store, ledger: Ledger, job: NewJob
) -> None:
    taken = take(store, job)
    other.fail(job.job_id, 0, other.owner_of(None), "too long")
    assert shard_field(store_client, job.job_id, 0, ShardField.STATE) == "STARTED"
    store.fail(job.job_id, 0, store.owner_of(None), "too long")
    assert shard_field(store_client, job.job_id, 0, ShardField.STATE) == "FAILURE"
    assert ledger.snapshot(job.job_id).error == "too long"
    assert store.finish(taken, b"late", whole=1, blocks=[], error="") is False


def test_a_shard_that_is_handed_back_was_no_attempt(
    store_client: redis.Redis, store: Store, other: Store, job: NewJob
) -> None:
    first = take(store, job)
    show_presence(store)
    assert other.release(job.job_id, 0, other.owner_of(None)) == 0
    assert store.release(job.job_id, 0, store.owner_of(None)) > 0
    assert store.release(job.job_id, 0, store.owner_of(None)) == 0
    assert shard_field(store_client, job.job_id, 0, ShardField.STATE) == "PENDING"
    assert take(other, job).attempt == 1
    assert store.finish(first, b"late", whole=1, blocks=[], error="") is False


# --- excuse ---


def test_the_end_of_a_worker_that_was_told_to_stop_is_no_attempt(
    store_client: redis.Redis, store: Store, other: Store, job: NewJob
) -> None:
    first = take(store, job)
    assert store.begin(first, 0) == 0
    store.excuse(job.job_id, 0, store.owner_of(None))
    # Killed: its presence grows stale, and nobody hands the shard back.
    second = take(other, job)
    assert (second.attempt, other.begin(second, 0)) == (1, 0)
    assert store.finish(first, b"late", whole=1, blocks=[], error="") is False
    # The excuse was for that end alone.
    third = take(store, job)
    assert (third.attempt, store.begin(third, 0)) == (2, 1)


def test_an_excuse_outlives_the_look_for_lost_shards(store: Store, other: Store, job: NewJob, scripts: Scripts) -> None:
    take(store, job)
    store.excuse(job.job_id, 0, store.owner_of(None))
    assert [0 in lost_shards(scripts, job) for _ in range(2)] == [False, True]
    assert take(other, job).attempt == 1


def test_a_process_that_dies_by_itself_meanwhile_has_no_excuse(store: Store, other: Store, job: NewJob) -> None:
    taken = take(store, job)
    store.excuse(job.job_id, 0, store.owner_of(None))
    store.stopped(job.job_id, 0, store.owner_of(process_of(taken)), "signal 11 (SIGSEGV)")
    assert take(other, job).attempt == 2


def test_a_shard_that_is_handed_back_is_excused_once(store: Store, other: Store, job: NewJob) -> None:
    take(store, job)
    store.excuse(job.job_id, 0, store.owner_of(None))
    assert store.release(job.job_id, 0, store.owner_of(None))
    assert take(other, job).attempt == 1
    assert take(store, job).attempt == 2


def test_a_worker_excuses_only_what_it_runs(store_client: redis.Redis, store: Store, other: Store, job: NewJob) -> None:
    take(store, job)
    other.excuse(job.job_id, 0, other.owner_of(None))
    store.excuse(job.job_id, 1, store.owner_of(None))
    for index in (0, 1):
        assert not store_client.hexists(keys.shards(job.job_id), ShardField.of(index, ShardField.EXCUSED))


# --- retry ---


def test_what_failed_runs_again_as_if_for_the_first_time(
    store_client: redis.Redis, store: Store, ledger: Ledger, job: NewJob, scripts: Scripts
) -> None:
    for index in (1, 2):
        assert store.finish(take(store, job, index), b"result", whole=1, blocks=[], error="") is True
    taken = take(store, job)
    store.begin(taken, 0)
    # It looks lost for a moment, and then fails.
    assert lost_shards(scripts, job) == []
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
    assert lost_shards(scripts, job) == []
    assert take(store, job).attempt == 1


def test_retrying_a_job_without_failures_does_nothing(ledger: Ledger, job: NewJob) -> None:
    before = ledger.snapshot(job.job_id)
    assert ledger.retry(job.job_id) == []
    assert ledger.snapshot(job.job_id) == before
