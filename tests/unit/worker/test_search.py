# SPDX-License-Identifier: Apache-2.0
"""Stray messages are found and put right; on an imitated and on a real Redis."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import redis
from late_jobs import make_tier, submit
from make_jobs import make_presence
from picker import MIB, Picker

from qfleet.wire.lua import MOST_AT_ONCE
from qfleet.wire.messages.presence import STALE_SECONDS
from qfleet.wire.redis import keys
from qfleet.wire.redis.fields import JobField, SchedField
from qfleet.wire.redis.states import SHARD_STATES, task_id
from qfleet_worker.picked import Picked
from qfleet_worker.search import LOOK_SECONDS, Search
from qfleet_worker.store import Store

GIB = 1024 * MIB


@pytest.fixture
def client(store_client: redis.Redis) -> Iterator[redis.Redis]:
    def clean() -> None:
        for pattern in ("ready:*", "tokens:*", "sched", "vt", "started", "cancelling", "unplaceable", "unfinished"):
            for key in store_client.scan_iter(keys.PREFIX + pattern, count=1000):
                store_client.delete(key)
        store_client.delete(keys.WORKERS, keys.RECONCILER, keys.ACTIVE)

    clean()
    yield store_client
    clean()


@pytest.fixture
def search(client: redis.Redis) -> Search:
    return Search(client, "searcher@test", patience_seconds=0.0)


def look(client: redis.Redis, search: Search, times: int = 1) -> list[tuple[str, int]]:
    found = []
    for _ in range(times):
        client.delete(keys.RECONCILER)
        found = search.look()
    return found


def show(client: redis.Redis, name: str = "a@test", *holds: str, memory_bytes: int = GIB, engine: str = "") -> None:
    presence = make_presence(name, holds=holds, memory_bytes=memory_bytes, engine=engine)
    Store(client, name).renew_presence(presence)


def picked(client: redis.Redis) -> Picked:
    choice = Picker(client).pick()
    assert isinstance(choice, Picked)
    return choice


def states(client: redis.Redis, job_id: str) -> dict[str, int]:
    numbers = client.hmget(keys.job(job_id), [JobField.count(state) for state in SHARD_STATES])
    return {state: int(number) for state, number in zip(SHARD_STATES, numbers, strict=True) if int(number or 0)}


def test_a_shard_whose_worker_is_gone_waits_again(client: redis.Redis, search: Search) -> None:
    job_id = submit(client)
    first = picked(client)
    look(client, search)
    assert states(client, job_id) == {"STARTED": 1}
    look(client, search)
    assert states(client, job_id) == {"PENDING": 1}
    second = picked(client)
    assert (second.job_id, second.index, second.attempt) == (job_id, first.index, 2)


def test_a_shard_that_its_worker_never_got_waits_again(client: redis.Redis, search: Search) -> None:
    """The worker chose it, and the answer was lost: it shows itself without it."""
    job_id = submit(client)
    show(client)
    picked(client)
    look(client, search, times=3)
    assert states(client, job_id) == {"STARTED": 1}
    # Chosen some seconds ago.
    client.zincrby(keys.STARTED, -5, task_id(job_id, 0))
    look(client, search, times=2)
    assert states(client, job_id) == {"PENDING": 1}


def test_a_shard_that_is_held_is_not_lost(client: redis.Redis, search: Search) -> None:
    job_id = submit(client)
    choice = picked(client)
    show(client, "a@test", task_id(job_id, choice.index))
    look(client, search, times=3)
    assert states(client, job_id) == {"STARTED": 1}


def test_a_shard_must_look_lost_for_a_while(client: redis.Redis) -> None:
    job_id = submit(client)
    picked(client)
    look(client, Search(client, "searcher@test", patience_seconds=1000.0), times=5)
    assert states(client, job_id) == {"STARTED": 1}


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


def test_after_an_outage_of_redis_silent_workers_get_time_to_show_themselves(client: redis.Redis) -> None:
    clock = Clock()
    search = Search(client, "searcher@test", patience_seconds=0.0, clock=clock)
    job_id = submit(client)
    picked(client)
    look(client, search)
    # Not even a second look in a row puts it back.
    clock.seconds += STALE_SECONDS
    look(client, search, times=3)
    assert states(client, job_id) == {"STARTED": 1}
    clock.seconds += STALE_SECONDS / 2
    look(client, search, times=3)
    assert states(client, job_id) == {"STARTED": 1}
    clock.seconds += STALE_SECONDS / 2
    look(client, search)
    assert states(client, job_id) == {"STARTED": 1}
    look(client, search)
    assert states(client, job_id) == {"PENDING": 1}


def test_one_that_was_cut_off_leaves_the_search_to_others_if_there_are_some(client: redis.Redis) -> None:
    clock = Clock()
    search, other = (Search(client, f"{name}@test", patience_seconds=0.0, clock=clock) for name in ("a", "b"))
    job_id = submit(client, make_tier(3))
    picked(client)
    look(client, search)
    for _ in range(2):
        clock.seconds += STALE_SECONDS / 2
        look(client, other)
        client.delete(keys.RECONCILER)
    assert states(client, job_id) == {"PENDING": 3}
    picked(client)
    search.look()
    assert not client.exists(keys.RECONCILER)
    look(client, other, times=2)
    assert states(client, job_id) == {"PENDING": 3}
    # If there is no other, it looks for what needs no trust.
    client.delete(keys.RECONCILER, keys.tokens(0))
    search.look()
    assert client.exists(keys.RECONCILER)
    assert client.llen(keys.tokens(0)) == 3


def test_looks_of_others_are_no_outage(client: redis.Redis) -> None:
    clock = Clock()
    search = Search(client, "searcher@test", patience_seconds=0.0, clock=clock)
    job_id = submit(client)
    picked(client)
    for _ in range(10):
        client.set(keys.RECONCILER, "other@test")
        clock.seconds += LOOK_SECONDS
        assert search.look() == []
    look(client, search, times=2)
    assert states(client, job_id) == {"PENDING": 1}


def test_after_an_outage_of_redis_no_job_fails_for_want_of_workers(client: redis.Redis) -> None:
    clock = Clock()
    search = Search(client, "searcher@test", unplaceable_seconds=0, clock=clock)
    job_id = submit(client, make_tier(2, 5, need=3 * GIB))
    look(client, search)
    show(client)  # the large one isn't there yet
    clock.seconds += STALE_SECONDS
    look(client, search)
    assert states(client, job_id) == {"PENDING": 2}
    for _ in range(2):
        clock.seconds += STALE_SECONDS / 2
        look(client, search)
    assert states(client, job_id) == {"FAILURE": 2}


def test_lost_tokens_come_again(client: redis.Redis, search: Search) -> None:
    submit(client, make_tier(7))
    client.delete(keys.tokens(0))
    look(client, search)
    assert client.llen(keys.tokens(0)) == 7


def test_a_cancel_that_its_client_left_is_finished(client: redis.Redis, search: Search) -> None:
    job_id = submit(client, make_tier(30))
    Picker(client).scripts.call("cancel", job_id, 0, 10)
    assert states(client, job_id) == {"PENDING": 20, "REVOKED": 10}
    look(client, search)
    assert states(client, job_id) == {"REVOKED": 30}
    assert not client.exists(keys.CANCELLING)


@pytest.mark.parametrize("name", [b"\xff\xfe", b"", b"a b", b"..", b"gone.0", b"gone.x"])
def test_entries_that_no_qfleet_wrote_stop_nothing(name: bytes, client: redis.Redis, search: Search) -> None:
    job_id = submit(client)
    picked(client)
    for key in (keys.STARTED, keys.UNFINISHED, keys.ACTIVE, keys.UNPLACEABLE):
        client.zadd(key, {name: 1.0})
    client.sadd(keys.CANCELLING, name)
    look(client, search, times=2)
    assert states(client, job_id) == {"PENDING": 1}
    client.delete(keys.STARTED, keys.UNFINISHED, keys.ACTIVE, keys.UNPLACEABLE, keys.CANCELLING)


# --- Jobs that no worker can hold ---


def held(client: redis.Redis, job_id: str) -> str:
    return (client.hget(keys.job(job_id), JobField.HELD) or b"").decode()  # type: ignore[union-attr]


def test_a_job_that_no_worker_can_hold_waits_with_the_reason(client: redis.Redis, search: Search) -> None:
    job_id = submit(client, make_tier(3, 5, need=3 * GIB))
    look(client, search)
    assert held(client, job_id) == ""  # no worker is up: the right one may come
    show(client, memory_bytes=2 * GIB)
    look(client, search)
    assert "need 3.00 GiB of memory, and the largest worker has 2.00 GiB" in held(client, job_id)
    assert client.hget(keys.SCHED, SchedField.waiting(5)) == b"0"
    look(client, search)
    assert states(client, job_id) == {"PENDING": 3}
    show(client, "large@test", memory_bytes=4 * GIB)
    look(client, search)
    assert held(client, job_id) == ""
    assert client.llen(keys.tokens(5)) >= 3
    assert isinstance(Picker(client, "large@test").pick(5), Picked)


def test_each_of_many_held_jobs_has_its_turn(client: redis.Redis, search: Search) -> None:
    """Jobs that never fit come first on the list, and more of them than a look reads."""
    never = [submit(client, make_tier(1, 8, need=30 * GIB)) for _ in range(101)]
    late = [submit(client, make_tier(1, 5, need=3 * GIB)) for _ in range(2)]
    for place, job_id in enumerate([*never, *late]):
        assert Picker(client).scripts.call("hold", job_id, "it is too large") == 1
        client.zadd(keys.UNPLACEABLE, {job_id: place})
    show(client, memory_bytes=4 * GIB)
    look(client, search, times=2)
    assert [held(client, job_id) for job_id in late] == ["", ""]
    assert held(client, never[0]) != ""
    # Those that come first are looked at again.
    show(client, "large@test", memory_bytes=40 * GIB)
    look(client, search, times=2)
    assert [job_id for job_id in never if held(client, job_id)] == []


def test_the_engine_of_a_worker_counts(client: redis.Redis, search: Search) -> None:
    job_id = submit(client, make_tier(1, 4, need=GIB + 1, slow=3 * GIB))
    show(client, memory_bytes=2 * GIB, engine="numpy")
    look(client, search)
    assert "need 3.00 GiB" in held(client, job_id)
    show(client, "b@test", memory_bytes=2 * GIB, engine="statevector")
    look(client, search)
    assert held(client, job_id) == ""


def test_a_job_of_which_a_part_can_run_is_not_held(client: redis.Redis, search: Search) -> None:
    job_id = submit(client, make_tier(1, 0), make_tier(2, 5, first=1, need=3 * GIB))
    show(client)
    look(client, search)
    assert held(client, job_id) == ""
    assert picked(client).index == 0
    look(client, search)
    assert "3.00 GiB" in held(client, job_id)


def test_a_fleet_can_let_such_a_job_fail(client: redis.Redis) -> None:
    search = Search(client, "searcher@test", unplaceable_seconds=0)
    job_id = submit(client, make_tier(2, 5, need=3 * GIB))
    show(client)
    look(client, search)
    assert states(client, job_id) == {"FAILURE": 2}
    ended, error = client.hmget(keys.job(job_id), JobField.ENDED, JobField.ERROR)
    assert ended
    assert b"3.00 GiB" in error
    assert not client.exists(keys.UNPLACEABLE)
    Picker(client).scripts.call("retry", job_id, 0, MOST_AT_ONCE)
    show(client, "large@test", memory_bytes=4 * GIB)
    look(client, search)
    assert isinstance(Picker(client, "large@test").pick(5), Picked)
