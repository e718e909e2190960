# SPDX-License-Identifier: Apache-2.0
"""The core seconds of jobs and tenants, whatever becomes of their shards; on an imitated and on a real Redis."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
import redis
from late_jobs import make_tier, submit
from make_jobs import make_presence
from picker import Picker

from qfleet.ledger import Ledger
from qfleet.ledger.shares import read_usage
from qfleet.ledger.snapshot import END_OF_TIME
from qfleet.wire.redis import keys
from qfleet.wire.redis.fields import JobField
from qfleet_worker.picked import ClaimedShard, Picked
from qfleet_worker.store import Store


@pytest.fixture
def client(store_client: redis.Redis) -> Iterator[redis.Redis]:
    """Yield a Redis without any job."""
    store_client.flushdb()
    yield store_client
    store_client.flushdb()


def _usage(client: redis.Redis, job_id: str) -> float | None:
    return Ledger(client).snapshot(job_id).usage


def _choose(client: redis.Redis) -> Picked:
    """Choose a shard for a worker that is up."""
    Store(client, "a@test").renew_presence(make_presence("a@test"))
    return Picker(client).choose()


def test_shards_that_end_add_what_they_took(client: redis.Redis) -> None:
    job_id, picker = submit(client, make_tier(3)), Picker(client)
    assert _usage(client, job_id) == 0
    for spent, error in ((0.5, ""), (0.25, "no"), (0.125, "")):
        assert picker.finish(picker.choose(), spent=spent, error=error)
    assert _usage(client, job_id) == pytest.approx(0.875)
    assert read_usage(client, "alice") == pytest.approx(0.875)


def test_an_account_grows_while_a_job_runs_and_has_it_all_at_its_end(client: redis.Redis) -> None:
    job_id, picker = submit(client, make_tier(40)), Picker(client)
    seen = []
    for _ in range(40):
        picker.finish(picker.choose(), spent=0.1)
        seen.append(round(read_usage(client, "alice"), 6))
    assert _usage(client, job_id) == pytest.approx(4.0)
    assert (seen[14], seen[15], seen[31], seen[38], seen[39]) == (0, 1.6, 3.2, 3.2, 4.0)
    assert read_usage(client, "bob") == 0


@pytest.mark.parametrize(
    ("script", "own"), [("stopped", ("signal 9", "1.5")), ("release", ("1.5",)), ("fail", ("too long", "1.5"))]
)
def test_attempts_that_give_no_result_count(client: redis.Redis, script: str, own: tuple[str, ...]) -> None:
    job_id, picker = submit(client), Picker(client)
    first = picker.choose()
    for owner in ("nobody/1/x", first.owner, first.owner):  # the second time, it isn't there any more
        picker.scripts.call(script, job_id, first.index, owner, *own)
    assert _usage(client, job_id) == 1.5
    if script != "fail":
        picker.finish(picker.choose(), spent=0.25)
        assert _usage(client, job_id) == 1.75
    assert read_usage(client, "alice") == _usage(client, job_id)


@pytest.mark.parametrize("how", ["killed", "ended by itself"])
def test_a_cancelled_shard_counts_once(client: redis.Redis, how: str) -> None:
    job_id = submit(client, make_tier(2))
    choice, picker = _choose(client), Picker(client)
    Ledger(client).cancel(job_id)
    assert not Ledger(client).snapshot(job_id).is_final
    if how == "killed":
        picker.scripts.call("stopped", job_id, choice.index, choice.owner, "", "2.5")
    else:
        assert not picker.finish(choice, spent=2.5)
    picker.scripts.call("stopped", job_id, choice.index, choice.owner, "", "2.5")
    assert not picker.finish(choice, spent=2.5)
    assert Ledger(client).snapshot(job_id).is_final
    assert (_usage(client, job_id), read_usage(client, "alice")) == (2.5, 2.5)


def test_a_retry_adds_to_what_was_used_before(client: redis.Redis) -> None:
    job_id, picker = submit(client), Picker(client)
    picker.finish(picker.choose(), spent=1.0, error="no")
    assert Ledger(client).retry(job_id) == [0]
    picker.finish(picker.choose(), spent=0.5)
    assert (_usage(client, job_id), read_usage(client, "alice")) == (1.5, 1.5)


def test_the_result_of_an_attempt_that_was_given_away_counts_for_nothing(client: redis.Redis) -> None:
    job_id, picker = submit(client), Picker(client)
    late = picker.choose()
    picker.scripts.call("lost", job_id, late.index, late.owner)
    second = picker.choose()
    assert not picker.finish(late, spent=9.0)
    picker.finish(second, spent=0.5)
    assert _usage(client, job_id) == 0.5


def test_a_worker_counts_its_processor_time(client: redis.Redis) -> None:
    job_id, choice = submit(client), _choose(client)
    shard = ClaimedShard(job_id, choice.index, choice.owner, 1, choice.work)
    while time.process_time() < shard.began + 0.05:
        sum(range(1000))
    assert Store(client, "a@test").finish(shard, b"result", whole=1, blocks=[], error="")
    assert 0.05 <= (_usage(client, job_id) or 0) < 5


@pytest.mark.parametrize("junk", [None, b"much"])
def test_accounts_that_cannot_be_written_keep_no_job_from_its_end(client: redis.Redis, junk: bytes | None) -> None:
    if junk is None:
        client.set(keys.USED, "junk")
    else:
        client.hset(keys.USED, "alice", junk)
    job_id, picker = submit(client), Picker(client)
    assert picker.finish(picker.choose(), spent=1.0)
    picker.scripts.of_fleet("tokens")
    assert Ledger(client).snapshot(job_id).is_final
    assert client.hget(keys.job(job_id), JobField.BILLED) == b"0"


def test_a_usage_that_no_worker_wrote_keeps_no_job_from_its_end(client: redis.Redis) -> None:
    job_id, picker = submit(client, make_tier(2)), Picker(client)
    client.hset(keys.job(job_id), JobField.USAGE, "much")
    released = picker.choose()
    picker.scripts.call("release", job_id, released.index, released.owner, "1.0")
    for _ in range(2):
        assert picker.finish(picker.choose(), spent=1.0)
    assert _usage(client, job_id) == pytest.approx(2.0)


def test_of_very_many_accounts_the_largest_are_kept(client: redis.Redis) -> None:
    client.hset(keys.USED, mapping={f"tenant-{number}": 1.0 for number in range(10_000)})
    client.hset(keys.USED, mapping={f"large-{number}": 1000.0 for number in range(40)})
    for _ in range(5):
        Picker(client).scripts.of_fleet("tokens")
    assert client.hlen(keys.USED) == 10_000 - 10
    assert all(read_usage(client, f"large-{number}") == 1000.0 for number in range(40))


@pytest.mark.parametrize("ahead", [-1e12, 0.0, 100.0, 1e18])
def test_a_job_tells_when_its_first_shard_began(client: redis.Redis, ahead: float) -> None:
    job_id, picker, ledger = submit(client, make_tier(2)), Picker(client, ahead=ahead), Ledger(client)
    assert ledger.snapshot(job_id).began is None
    first = picker.choose()
    began, created = ledger.snapshot(job_id).began, ledger.snapshot(job_id).created
    assert began is not None
    # A worker's clock may be wrong.
    assert began == pytest.approx(min(created + max(ahead, 0.0), END_OF_TIME), abs=30)
    picker.scripts.call("release", job_id, first.index, first.owner)
    picker.ahead = 1000.0
    picker.choose()
    assert ledger.snapshot(job_id).began == began
