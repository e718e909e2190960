# SPDX-License-Identifier: Apache-2.0
"""Nothing of a paused job is chosen; on an imitated and on a real Redis."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import redis
from late_jobs import make_tier, submit
from make_jobs import make_job, make_presence, store_as_0_1
from picker import Picker

from qfleet.ledger import Ledger
from qfleet.wire.redis import keys
from qfleet.wire.redis.fields import SchedField
from qfleet_worker.store import Store


@pytest.fixture
def client(store_client: redis.Redis) -> Iterator[redis.Redis]:
    """Yield a Redis without any waiting shard."""
    store_client.flushdb()
    yield store_client
    store_client.flushdb()


def _held(client: redis.Redis, job_id: str) -> str:
    return Ledger(client).snapshot(job_id).held


def _waiting(client: redis.Redis) -> int:
    return int(client.hget(keys.SCHED, SchedField.waiting(0)) or 0)


def test_what_runs_ends_and_nothing_else_starts_until_it_is_resumed(client: redis.Redis) -> None:
    job_id, picker = submit(client, make_tier(3)), Picker(client)
    running = picker.choose()
    assert Ledger(client).pause(job_id) is True
    assert (_held(client, job_id), _waiting(client), picker.pick(0)) == ("paused", 0, None)
    assert picker.finish(running)
    assert picker.pick(0) is None
    assert Ledger(client).resume(job_id) is True
    assert (_held(client, job_id), _waiting(client), client.llen(keys.tokens(0))) == ("", 2, 2)
    for _ in range(2):
        assert picker.finish(picker.choose())
    assert Ledger(client).snapshot(job_id).is_final


def test_a_second_call_changes_nothing(client: redis.Redis) -> None:
    job_id = submit(client, make_tier(3))
    assert [Ledger(client).pause(job_id), Ledger(client).pause(job_id)] == [True, False]
    assert _waiting(client) == 0
    assert [Ledger(client).resume(job_id), Ledger(client).resume(job_id)] == [True, False]
    assert _waiting(client) == 3


def test_another_job_takes_its_turn(client: redis.Redis) -> None:
    paused, other = submit(client), submit(client, make_tier(1, seconds=100.0))
    Ledger(client).pause(paused)
    picker = Picker(client)
    assert picker.choose().job_id == other
    assert picker.pick() is None


def test_what_comes_back_waits_for_the_end_of_the_pause(client: redis.Redis) -> None:
    job_id, picker = submit(client), Picker(client)
    choice = picker.choose()
    Ledger(client).pause(job_id)
    assert picker.scripts.call("release", job_id, 0, choice.owner) == 1
    assert picker.pick(0) is None
    Ledger(client).resume(job_id)
    assert picker.choose().job_id == job_id


def test_it_can_be_cancelled(client: redis.Redis) -> None:
    job_id = submit(client, make_tier(2))
    Ledger(client).pause(job_id)
    assert Ledger(client).cancel(job_id).number == 2
    snapshot = Ledger(client).snapshot(job_id)
    assert (snapshot.is_final, snapshot.states["REVOKED"], snapshot.held) == (True, 2, "")
    assert [Ledger(client).pause(job_id), Ledger(client).resume(job_id)] == [False, False]


def test_while_its_last_processes_are_stopped_it_is_not_paused(client: redis.Redis) -> None:
    job_id, picker = submit(client), Picker(client)
    Store(client, picker.name).renew_presence(make_presence(picker.name))
    picker.choose()
    Ledger(client).cancel(job_id)
    assert Ledger(client).pause(job_id) is False
    assert _held(client, job_id) == ""


def test_a_job_that_ended_is_not_paused_and_its_failures_can_run_again(client: redis.Redis) -> None:
    job_id, picker = submit(client), Picker(client)
    choice = picker.choose()
    assert Ledger(client).pause(job_id) is True
    picker.finish(choice, error="no")
    assert _held(client, job_id) == ""
    assert Ledger(client).pause(job_id) is False
    assert Ledger(client).retry(job_id) == [0]
    assert picker.choose().job_id == job_id


def test_a_pause_takes_the_place_of_the_search_for_a_worker(client: redis.Redis) -> None:
    job_id, picker = submit(client), Picker(client)
    picker.scripts.call("hold", job_id, "its 40 qubits need 16384.00 GiB")
    assert Ledger(client).pause(job_id) is True
    assert _held(client, job_id) == "paused"
    picker.scripts.call("let_go", job_id, "")  # a worker came that could hold it
    assert (_held(client, job_id), picker.pick(0)) == ("paused", None)
    assert Ledger(client).resume(job_id) is True
    assert picker.choose().job_id == job_id


def test_no_pause_of_another_reason_is_ended(client: redis.Redis) -> None:
    job_id, picker = submit(client), Picker(client)
    picker.scripts.call("hold", job_id, "too large")
    assert Ledger(client).resume(job_id) is False
    assert _held(client, job_id) == "too large"


def test_a_job_of_version_0_1_and_one_that_is_not_there(client: redis.Redis) -> None:
    old = make_job()
    store_as_0_1(client, old)
    for job_id in (old.job_id, "missing"):
        assert [Ledger(client).pause(job_id), Ledger(client).resume(job_id)] == [False, False]
    assert _held(client, old.job_id) == ""
    assert client.exists(keys.job("missing")) == 0
