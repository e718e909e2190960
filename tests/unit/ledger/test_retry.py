# SPDX-License-Identifier: Apache-2.0
"""Failed shards run again in the same job, and results stay until then; on an imitated and on a real Redis."""

from __future__ import annotations

import msgspec
import pytest
import redis
from make_jobs import claim_shard, make_circuit_result, make_job, run_shard

from qfleet.ledger import Ledger, NewJob
from qfleet.wire.codec.shards import encode_shard
from qfleet.wire.messages.result import ShardResult
from qfleet.wire.redis import keys
from qfleet.wire.redis.fields import ShardField
from qfleet.wire.redis.states import SHARD_STATES
from qfleet_worker.store import Store


@pytest.fixture
def ledger(store_client: redis.Redis) -> Ledger:
    return Ledger(store_client)


@pytest.fixture
def job(store_client: redis.Redis, ledger: Ledger) -> NewJob:
    """Return a job that has ended: shards 0 and 2 of three failed."""
    job = make_job(3)
    ledger.store(job)
    for index, error in enumerate(("circuit 0: bad", "", "circuit 2: bad")):
        assert run_shard(store_client, job.job_id, index, error)
    return job


def _of_job(client: redis.Redis, job: NewJob) -> list[str]:
    return sorted(key.decode() for key in client.scan_iter(match=f"*{job.job_id}*", count=1000))


def test_what_failed_waits_again_and_the_rest_stays(store_client: redis.Redis, ledger: Ledger, job: NewJob) -> None:
    assert ledger.retry(job.job_id) == [0, 2]
    snapshot = ledger.snapshot(job.job_id)
    assert {state: snapshot.states[state] for state in ("PENDING", "SUCCESS", "FAILURE")} == {
        "PENDING": 2,
        "SUCCESS": 1,
        "FAILURE": 0,
    }
    assert (snapshot.circuits_done, snapshot.ended, snapshot.error, snapshot.is_final) == (1, None, "", False)
    assert sorted(store_client.hkeys(keys.results(job.job_id))) == [b"0", b"1", b"2"]
    assert [ledger.shard_state(job.job_id, index)[0] for index in range(3)] == ["PENDING", "SUCCESS", "PENDING"]
    assert store_client.zscore(keys.UNFINISHED, job.job_id) == pytest.approx(snapshot.created, abs=1e-6)
    fields = {field.decode() for field in store_client.hkeys(keys.shards(job.job_id))}
    assert {field for field in fields if not field.startswith("1:")} == {
        "0:state",
        "0:counted",
        "2:state",
        "2:counted",
    }


def test_no_key_expires_before_the_job_has_ended_again(store_client: redis.Redis, ledger: Ledger, job: NewJob) -> None:
    assert all(store_client.ttl(key) > 0 for key in _of_job(store_client, job))
    ledger.retry(job.job_id)
    assert all(store_client.ttl(key) == -1 for key in _of_job(store_client, job))
    run_shard(store_client, job.job_id, 0)
    assert all(store_client.ttl(key) == -1 for key in _of_job(store_client, job))
    run_shard(store_client, job.job_id, 2)
    assert len(_of_job(store_client, job)) == 5
    assert all(0 < store_client.ttl(key) <= job.retention for key in _of_job(store_client, job))
    assert store_client.zscore(keys.UNFINISHED, job.job_id) is None
    snapshot = ledger.snapshot(job.job_id)
    assert (snapshot.circuits_done, snapshot.states["SUCCESS"], snapshot.error) == (3, 3, "")
    assert snapshot.ended is not None


def test_the_attempts_begin_anew(store_client: redis.Redis, ledger: Ledger, job: NewJob) -> None:
    shards = keys.shards(job.job_id)
    store_client.hset(shards, ShardField.of(0, f"{ShardField.DEATHS}:0"), 2)
    store_client.hset(shards, ShardField.of(0, ShardField.DIED), "0 ")
    ledger.retry(job.job_id)
    store = Store(store_client, "unit@test")
    taken = claim_shard(store_client, job.job_id, 0)
    assert (taken.attempt, taken.cause) == (1, "")
    assert store.begin(taken, 0) == 0


def test_it_may_fail_again_and_be_tried_again(store_client: redis.Redis, ledger: Ledger, job: NewJob) -> None:
    for _ in range(2):
        assert ledger.retry(job.job_id) == [0, 2]
        run_shard(store_client, job.job_id, 0, "circuit 0: still bad")
        run_shard(store_client, job.job_id, 2, "circuit 2: still bad")
        snapshot = ledger.snapshot(job.job_id)
        assert (snapshot.states["FAILURE"], snapshot.circuits_done) == (2, 1)
        assert snapshot.error == "circuit 0: still bad"
        assert snapshot.is_final


def test_a_block_of_shots_that_failed_leaves_the_other_blocks(store_client: redis.Redis, ledger: Ledger) -> None:
    job = make_job(6, blocks=3)
    ledger.store(job)
    for index in range(6):
        run_shard(store_client, job.job_id, index, "circuit 0: bad" if index == 1 else "")
    assert ledger.snapshot(job.job_id).circuits_done == 1
    assert ledger.retry(job.job_id) == [1]
    assert ledger.snapshot(job.job_id).circuits_done == 1
    run_shard(store_client, job.job_id, 1)
    assert ledger.snapshot(job.job_id).circuits_done == 2


def test_what_ran_in_a_shard_that_failed_counts_once(store_client: redis.Redis, ledger: Ledger) -> None:
    # Shard 0 has three circuits that ran whole, and the last block of circuit 7; and it failed by another one.
    job = make_job(2, circuits=8)
    ledger.store(job)
    store = Store(store_client, "unit@test")

    def finish(index: int, whole: int, blocks: list[tuple[int, int]], error: str) -> int:
        taken = claim_shard(store_client, job.job_id, index)
        assert store.finish(taken, b"result", whole=whole, blocks=blocks, error=error)
        return ledger.snapshot(job.job_id).circuits_done

    assert finish(1, 1, [(7, 2)], "") == 1
    assert finish(0, 3, [(7, 2)], "circuit 4: bad") == 5
    assert ledger.retry(job.job_id) == [0]
    assert ledger.snapshot(job.job_id).circuits_done == 5
    assert finish(0, 2, [], "circuits 4 and 5: bad") == 3
    assert ledger.retry(job.job_id) == [0]
    assert finish(0, 4, [(7, 2)], "") == 6


@pytest.mark.parametrize("end", ["cancel", "given up", "refused"])
def test_what_ran_stays_if_it_does_not_run_again(end: str, store_client: redis.Redis, ledger: Ledger) -> None:
    job = make_job(1, circuits=3)
    ledger.store(job)
    store = Store(store_client, "unit@test")
    ran = [make_circuit_result(index) for index in range(3)]
    result = ShardResult(circuits=(ran[0], msgspec.structs.replace(ran[1], error="bad"), ran[2]))
    taken = claim_shard(store_client, job.job_id, 0)
    assert store.finish(taken, encode_shard(result), whole=2, blocks=[], error="circuit 1: bad")
    assert ledger.retry(job.job_id) == [0]
    taken = claim_shard(store_client, job.job_id, 0)
    if end == "cancel":
        assert ledger.cancel(job.job_id).number == 1
    elif end == "given up":
        store.fail(job.job_id, 0, store.owner_of(None), "too slow")
    else:
        assert store.finish(taken, b"", whole=0, blocks=[], error="too large")
    assert list(ledger.results(job.job_id, range(1))) == [result]
    assert ledger.snapshot(job.job_id).circuits_done == 2


def test_a_job_given_up_by_its_worker_is_tried_again(store_client: redis.Redis, ledger: Ledger) -> None:
    job = make_job(1)
    ledger.store(job)
    store = Store(store_client, "unit@test")
    claimed = claim_shard(store_client, job.job_id, 0)
    store.fail(job.job_id, 0, claimed.owner, "too slow")
    assert ledger.snapshot(job.job_id).error == "too slow"
    assert ledger.retry(job.job_id) == [0]
    run_shard(store_client, job.job_id, 0)
    assert ledger.snapshot(job.job_id).circuits_done == 1


@pytest.mark.parametrize("state", ["new", "done", "cancelled", "gone"])
def test_without_a_failure_nothing_changes(state: str, store_client: redis.Redis, ledger: Ledger) -> None:
    job = make_job(1)
    if state != "gone":
        ledger.store(job)
    if state == "done":
        run_shard(store_client, job.job_id, 0)
    if state == "cancelled":
        ledger.cancel(job.job_id)
    before = {key: (store_client.type(key), store_client.ttl(key) > 0) for key in _of_job(store_client, job)}
    assert ledger.retry(job.job_id) == []
    assert {key: (store_client.type(key), store_client.ttl(key) > 0) for key in _of_job(store_client, job)} == before


def test_the_counters_say_what_the_shards_say(store_client: redis.Redis, ledger: Ledger, job: NewJob) -> None:
    ledger.retry(job.job_id)
    run_shard(store_client, job.job_id, 0)
    names = [ShardField.of(index, ShardField.STATE) for index in range(3)]
    states = [state.decode() for state in store_client.hmget(keys.shards(job.job_id), names)]
    assert {state: states.count(state) for state in SHARD_STATES} == ledger.snapshot(job.job_id).states
