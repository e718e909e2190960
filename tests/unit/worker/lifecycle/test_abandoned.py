# SPDX-License-Identifier: Apache-2.0
"""Shards that the ledger no longer has here are stopped, and no others; on an imitated and on a real Redis."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
import redis
from late_jobs import make_tier, submit
from picker import Picker

from qfleet.wire.redis import keys
from qfleet.wire.redis.states import task_id
from qfleet_worker.lifecycle.abandoned import stop_abandoned
from qfleet_worker.picked import Picked

POOL = object()


@dataclass
class Request:
    """A shard that a worker holds."""

    choice: Picked
    is_chosen: bool = True
    stopped_in: list[object] = field(default_factory=list)

    @property
    def id(self) -> str:
        return task_id(self.choice.job_id, self.choice.index)

    @property
    def shard(self) -> tuple[str, int]:
        return self.choice.job_id, self.choice.index

    @property
    def owner(self) -> str:
        return self.choice.owner

    def abandon(self, pool: object) -> None:
        self.stopped_in.append(pool)


@pytest.fixture
def client(store_client: redis.Redis) -> Iterator[redis.Redis]:
    store_client.flushdb()
    yield store_client
    store_client.flushdb()


@pytest.fixture
def picker(client: redis.Redis) -> Picker:
    return Picker(client)


@pytest.fixture
def requests(client: redis.Redis, picker: Picker) -> list[Request]:
    """Return the shards of a job, all of them chosen by one worker."""
    submit(client, make_tier(3))
    return [Request(picker.choose()) for _ in range(3)]


def stopped(client: redis.Redis, requests: list[Request]) -> list[bool]:
    stop_abandoned(client, POOL, lambda: requests)
    return [request.stopped_in == [POOL] for request in requests]


def test_shards_that_run_here_go_on(client: redis.Redis, requests: list[Request]) -> None:
    assert stopped(client, requests) == [False] * 3


def test_a_shard_that_was_given_away(client: redis.Redis, picker: Picker, requests: list[Request]) -> None:
    lost = requests[1].choice
    assert picker.scripts.call("lost", lost.job_id, lost.index, lost.owner) == 1
    assert stopped(client, requests) == [False, True, False]
    # And when another worker has it, and has finished it.
    requests[1].stopped_in.clear()
    other = Picker(client, "other@test")
    choice = other.choose()
    assert choice.index == lost.index
    assert stopped(client, requests) == [False, True, False]
    requests[1].stopped_in.clear()
    assert other.finish(choice)
    assert stopped(client, requests) == [False, True, False]


@pytest.mark.parametrize("error", ["", "it failed"])
def test_a_process_that_has_just_stored_its_result_is_left_alone(
    error: str, client: redis.Redis, picker: Picker, requests: list[Request]
) -> None:
    assert picker.finish(requests[0].choice, error=error)
    assert stopped(client, requests) == [False] * 3


def test_a_cancelled_job(client: redis.Redis, picker: Picker, requests: list[Request]) -> None:
    picker.scripts.call("cancel", requests[0].choice.job_id, 0, 10)
    assert stopped(client, requests) == [True] * 3


def test_a_deleted_job(client: redis.Redis, requests: list[Request]) -> None:
    client.delete(*keys.of_job(requests[0].choice.job_id))
    assert stopped(client, requests) == [True] * 3


def test_a_shard_that_a_message_named_may_not_be_claimed_yet(client: redis.Redis, requests: list[Request]) -> None:
    requests[0].is_chosen = False
    client.delete(*keys.of_job(requests[0].choice.job_id))
    assert stopped(client, requests) == [False, True, True]


def test_damaged_data_stop_nothing(client: redis.Redis, requests: list[Request]) -> None:
    shards = keys.shards(requests[0].choice.job_id)
    client.delete(shards)
    client.set(shards, "no hash")
    assert stopped(client, requests) == [False] * 3


def test_a_redis_that_does_not_answer_stops_nothing(requests: list[Request]) -> None:
    with redis.Redis(port=1) as nobody:
        assert stopped(nobody, requests) == [False] * 3
