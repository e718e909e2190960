# SPDX-License-Identifier: Apache-2.0
"""Every move of a shard through the scripts, and every move that must not be; on an imitated and on a real Redis."""

from __future__ import annotations

from typing import Any

import pytest
import redis
from make_jobs import make_circuit_result, make_job, store_as_0_1

from qfleet.ledger import Ledger, NewJob
from qfleet.wire.codec.shards import decode_work, encode_shard
from qfleet.wire.lua import Scripts
from qfleet.wire.messages.result import ShardResult
from qfleet.wire.redis import keys
from qfleet.wire.redis.fields import JobField
from qfleet.wire.redis.states import SHARD_STATES
from qfleet_worker.picked import ClaimedShard
from qfleet_worker.store import Store

RESULT = encode_shard(ShardResult(circuits=(make_circuit_result(),)))


@pytest.fixture
def ledger(store_client: redis.Redis) -> Ledger:
    return Ledger(store_client)


@pytest.fixture
def store(store_client: redis.Redis) -> Store:
    return Store(store_client, "unit@test")


@pytest.fixture
def job(store_client: redis.Redis) -> NewJob:
    """Return a stored job of two shards."""
    job = make_job(2)
    store_as_0_1(store_client, job)
    return job


def _take(store: Store, job: NewJob, index: int = 0) -> ClaimedShard:
    taken = store.take(job.job_id, index)
    assert taken is not None
    return taken


def _succeed(store: Store, taken: ClaimedShard) -> bool:
    return store.finish(taken, RESULT, whole=1, blocks=[], error="")


def _fail(store: Store, taken: ClaimedShard, error: str = "circuit 0: too bad") -> bool:
    return store.finish(taken, RESULT, whole=0, blocks=[], error=error)


def _states(client: redis.Redis, job: NewJob) -> list[str]:
    names = [f"{index}:state" for index in range(len(job.shards))]
    return [state.decode() for state in client.hmget(keys.shards(job.job_id), names) if state]


def _everything(client: redis.Redis, job: NewJob) -> dict[str, object]:
    """Return all that Redis holds of a job."""
    found: dict[str, object] = {}
    for key in client.scan_iter(match=f"*{job.job_id}*", count=1000):
        name = key.decode()
        found[name] = client.get(key) if "celery" in name else client.hgetall(key)
    return found


def _check_counters(client: redis.Redis, ledger: Ledger, job: NewJob) -> None:
    """Assert that the counters of the ledger agree with the shards."""
    states = _states(client, job)
    assert {state: states.count(state) for state in SHARD_STATES} == ledger.snapshot(job.job_id).states


def test_a_new_job_is_stored_whole(store_client: redis.Redis, ledger: Ledger, job: NewJob) -> None:
    assert _states(store_client, job) == ["PENDING", "PENDING"]
    _check_counters(store_client, ledger, job)
    work = store_client.hgetall(keys.work(job.job_id))
    assert {int(index): decode_work(blob) for index, blob in work.items()} == dict(enumerate(job.shards))
    assert store_client.hgetall(keys.programs(job.job_id)) == {b"p": b"program"}
    assert store_client.zscore(keys.jobs(""), job.job_id) == job.record.created
    assert all(store_client.ttl(key) == -1 for key in _everything(store_client, job))


def test_take_gives_the_work_and_counts_the_attempts(store: Store, ledger: Ledger, job: NewJob) -> None:
    first, second = _take(store, job, 1), _take(store, job, 1)
    assert (first.job_id, first.index, first.attempt) == (job.job_id, 1, 1)
    assert decode_work(first.work) == job.shards[1]
    assert (second.attempt, second.work) == (2, first.work)
    assert first.owner != second.owner
    assert ledger.snapshot(job.job_id).states == {"PENDING": 1, "STARTED": 1, "SUCCESS": 0, "FAILURE": 0, "REVOKED": 0}


def test_take_of_a_shard_without_work_gives_none_of_it(store_client: redis.Redis, store: Store, job: NewJob) -> None:
    store_client.hdel(keys.work(job.job_id), "0")
    assert _take(store, job).work == b""


def test_a_finished_shard(store_client: redis.Redis, store: Store, ledger: Ledger, job: NewJob) -> None:
    assert _succeed(store, _take(store, job)) is True
    assert _states(store_client, job) == ["SUCCESS", "PENDING"]
    assert store_client.hgetall(keys.results(job.job_id)) == {b"0": RESULT}
    snapshot = ledger.snapshot(job.job_id)
    assert (snapshot.circuits_done, snapshot.circuits, snapshot.ended, snapshot.error) == (1, 2, None, "")
    assert not snapshot.is_final
    _check_counters(store_client, ledger, job)


def test_a_failed_shard_keeps_what_its_other_circuits_gave(
    store_client: redis.Redis, store: Store, ledger: Ledger, job: NewJob
) -> None:
    assert _fail(store, _take(store, job, 1), "circuit 1: the first error") is True
    assert _fail(store, _take(store, job, 0), "circuit 0: the second") is True
    snapshot = ledger.snapshot(job.job_id)
    assert snapshot.error == "circuit 1: the first error"
    assert snapshot.is_final
    assert set(store_client.hkeys(keys.results(job.job_id))) == {b"0", b"1"}
    _check_counters(store_client, ledger, job)


def test_a_failure_without_a_result(store_client: redis.Redis, store: Store, job: NewJob) -> None:
    assert store.finish(_take(store, job), b"", whole=0, blocks=[], error="shard 0 can't be read") is True
    assert not store_client.exists(keys.results(job.job_id))
    assert _states(store_client, job) == ["FAILURE", "PENDING"]


@pytest.mark.parametrize("result", [RESULT, b""], ids=["result", "none"])
def test_a_full_redis_makes_a_result_an_error(
    result: bytes, store_client: redis.Redis, ledger: Ledger, job: NewJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(store_client, "unit@test", room_seconds=0)
    taken = _take(store, job)
    call, calls = Scripts.call, []

    def full_at_first(scripts: Scripts, *arguments: Any, **error: Any) -> object:
        calls.append(arguments)
        if len(calls) == 1:
            raise redis.exceptions.OutOfMemoryError("command not allowed when used memory > 'maxmemory'")
        return call(scripts, *arguments, **error)

    monkeypatch.setattr(Scripts, "call", full_at_first)
    assert store.finish(taken, result, whole=1, blocks=[], error="") is True
    assert ledger.snapshot(job.job_id).error.startswith("Redis is out of memory")
    assert ledger.snapshot(job.job_id).circuits_done == 0
    assert list(ledger.results(job.job_id, range(2))) == []


def _end(how: str, store: Store, ledger: Ledger, job: NewJob) -> None:
    """Bring shard 0 to its end."""
    if how == "SUCCESS":
        _succeed(store, _take(store, job))
    elif how == "FAILURE":
        _fail(store, _take(store, job))
    else:
        ledger.cancel(job.job_id)


@pytest.mark.parametrize("end", ["SUCCESS", "FAILURE", "REVOKED"])
def test_nothing_moves_a_shard_that_is_over(
    end: str, store_client: redis.Redis, store: Store, ledger: Ledger, job: NewJob
) -> None:
    early = _take(store, job)
    _end(end, store, ledger, job)
    ledger.cancel(job.job_id)
    before = _everything(store_client, job)
    assert _states(store_client, job)[0] == end
    assert store.take(job.job_id, 0) is None
    assert _succeed(store, early) is False
    assert _fail(store, early) is False
    assert ledger.cancel(job.job_id) == (0, [])
    assert _everything(store_client, job) == before


def test_a_shard_that_nobody_took_cant_be_finished(
    store_client: redis.Redis, store: Store, ledger: Ledger, job: NewJob
) -> None:
    before = _everything(store_client, job)
    assert _succeed(store, ClaimedShard(job.job_id, 0, "somebody", 1, b"")) is False
    assert _everything(store_client, job) == before


def test_only_who_took_a_shard_last_may_finish_it(
    store_client: redis.Redis, store: Store, ledger: Ledger, job: NewJob
) -> None:
    first, second = _take(store, job), _take(store, job)
    before = _everything(store_client, job)
    assert _succeed(store, first) is False
    assert _fail(store, first) is False
    assert _everything(store_client, job) == before
    assert _succeed(store, second) is True
    assert ledger.snapshot(job.job_id).circuits_done == 1
    _check_counters(store_client, ledger, job)


@pytest.mark.parametrize("index", [2, -1, 10**6])
def test_a_shard_that_isnt_there(index: int, store_client: redis.Redis, store: Store, job: NewJob) -> None:
    before = _everything(store_client, job)
    assert store.take(job.job_id, index) is None
    assert _succeed(store, ClaimedShard(job.job_id, index, "somebody", 1, b"")) is False
    assert _everything(store_client, job) == before


def test_a_job_that_isnt_there_isnt_made(store_client: redis.Redis, store: Store, ledger: Ledger) -> None:
    job = make_job()
    assert store.take(job.job_id, 0) is None
    assert _succeed(store, ClaimedShard(job.job_id, 0, "somebody", 1, b"")) is False
    assert ledger.cancel(job.job_id) == (0, [])
    assert _everything(store_client, job) == {}


def test_cancel_stops_what_isnt_over(store_client: redis.Redis, store: Store, ledger: Ledger) -> None:
    job = make_job(4)
    store_as_0_1(store_client, job)
    _succeed(store, _take(store, job, 0))
    _fail(store, _take(store, job, 2))
    running = _take(store, job, 3)
    assert ledger.cancel(job.job_id) == (2, [3])
    assert _states(store_client, job) == ["SUCCESS", "REVOKED", "FAILURE", "REVOKED"]
    assert _succeed(store, running) is False
    assert ledger.snapshot(job.job_id).circuits_done == 1
    assert ledger.snapshot(job.job_id).is_final
    _check_counters(store_client, ledger, job)


def test_blocks_of_shots_make_one_circuit(store_client: redis.Redis, store: Store, ledger: Ledger) -> None:
    job = make_job(6, blocks=3)
    store_as_0_1(store_client, job)

    def finish(index: int) -> tuple[int, int]:
        assert store.finish(_take(store, job, index), RESULT, whole=0, blocks=[(index // 3, 3)], error="")
        snapshot = ledger.snapshot(job.job_id)
        return snapshot.circuits_done, snapshot.circuits

    assert [finish(index) for index in (0, 3, 2, 1, 4, 5)] == [(0, 2), (0, 2), (0, 2), (1, 2), (1, 2), (2, 2)]


def test_a_block_that_runs_twice_counts_once(store_client: redis.Redis, store: Store, ledger: Ledger) -> None:
    job = make_job(2, blocks=2)
    store_as_0_1(store_client, job)
    lost, kept = _take(store, job, 0), _take(store, job, 0)
    assert store.finish(kept, RESULT, whole=0, blocks=[(0, 2)], error="") is True
    assert store.finish(lost, RESULT, whole=0, blocks=[(0, 2)], error="") is False
    assert ledger.snapshot(job.job_id).circuits_done == 0
    assert store.finish(_take(store, job, 1), RESULT, whole=0, blocks=[(0, 2)], error="") is True
    assert ledger.snapshot(job.job_id).circuits_done == 1


@pytest.mark.parametrize("end", ["SUCCESS", "FAILURE", "REVOKED"])
def test_every_key_expires_with_the_end_and_none_before(
    end: str, store_client: redis.Redis, store: Store, ledger: Ledger, job: NewJob
) -> None:
    _succeed(store, _take(store, job, 1))
    taken = _take(store, job)
    assert all(store_client.ttl(key) == -1 for key in _everything(store_client, job))
    if end == "REVOKED":
        ledger.cancel(job.job_id)
    else:
        (_succeed if end == "SUCCESS" else _fail)(store, taken)
    found = _everything(store_client, job)
    assert len(found) == 5
    assert all(0 < store_client.ttl(key) <= job.retention for key in found)
    snapshot = ledger.snapshot(job.job_id)
    assert snapshot.is_final
    assert snapshot.ended is not None
    assert snapshot.ended >= snapshot.created


def test_who_listens_hears_moves_and_the_end(store: Store, ledger: Ledger, store_client: redis.Redis) -> None:
    job = make_job(1)
    store_as_0_1(store_client, job)
    with store_client.pubsub(ignore_subscribe_messages=True) as heard:
        heard.subscribe(keys.events(job.job_id))
        heard.get_message(timeout=1)
        _succeed(store, _take(store, job))
        messages = []
        while len(messages) < 2:
            message = heard.get_message(timeout=5)
            if message is not None:
                messages.append(message["data"])
    assert messages == [b"moved", b"ended"]


def test_programs(store: Store, job: NewJob) -> None:
    assert store.programs(job.job_id, ["p", "q", "p"]) == [b"program", None, b"program"]


def test_fields_of_the_ledger_are_all_documented(store_client: redis.Redis, store: Store, job: NewJob) -> None:
    _succeed(store, _take(store, job, 0))
    _fail(store, _take(store, job, 1))
    known = {value for name, value in vars(JobField).items() if name.isupper()}
    known |= {JobField.count(state) for state in SHARD_STATES}
    assert {name.decode() for name in store_client.hkeys(keys.job(job.job_id))} <= known
