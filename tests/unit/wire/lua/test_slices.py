# SPDX-License-Identifier: Apache-2.0
"""No script keeps Redis busy for long, however many shards a job has."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import redis
from late_jobs import make_tier, submit
from picker import Picker

from qfleet.ledger.client import connect
from qfleet.wire.cost.tiers import TIERS, Tier
from qfleet.wire.lua import MOST_AT_ONCE, Scripts
from qfleet.wire.redis import keys
from qfleet.wire.redis.broker import parse_broker
from qfleet_worker.picked import Picked

SHARDS = 100_000
#: Processor time of the thread that runs scripts: what else this machine does has no part in it.
MOST_SECONDS = 0.010


class Timed:
    """The scripts, each call of which is timed by the processor time of the server."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._scripts = Scripts(client)
        self.worst: dict[str, float] = {}

    def _used(self) -> float:
        used: Any = self._client.info("cpu")
        return float(used["used_cpu_user_main_thread"] + used["used_cpu_sys_main_thread"])

    def __call__(self, name: Any, job_id: str | None, *own: object) -> Any:
        before = self._used()
        answer = self._scripts.of_fleet(name, *own) if job_id is None else self._scripts.call(name, job_id, *own)
        self.worst[name] = max(self.worst.get(name, 0.0), self._used() - before)
        return answer

    def slices(self, name: Any, job_id: str, *own: object) -> int:
        """Call a script that works on slices; return the number of calls."""
        calls, first = 0, 0
        while first >= 0:
            answer = self(name, job_id, first, MOST_AT_ONCE, *own)
            first = answer if isinstance(answer, int) else answer[0]
            calls += 1
        return calls


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    client = connect(parse_broker(redis_url))
    client.flushdb()
    yield client
    client.flushdb()
    client.close()


def _start(picker: Picker, number: int) -> list[Picked]:
    return [picker.choose() for _ in range(number)]


def test_no_script_takes_long_at_100_000_shards(client: redis.Redis) -> None:
    timed, picker = Timed(client), Picker(client)
    job_id = submit(client, make_tier(SHARDS))
    timed("pick", None, "a@test/1/1", "a@test", 0, 2**40, 2**40, 0, 1e9)
    timed("age", job_id)
    client.delete(keys.tokens(0))
    timed("tokens", None)
    for name, own in (("hold", ["paused"]), ("let_go", ["paused"])):
        timed(name, job_id, *own)
    # As many as one call may get, all of them lost.
    started = _start(picker, MOST_AT_ONCE)
    pairs = [value for choice in started for value in (choice.index, choice.owner)]
    assert timed("lost", job_id, *pairs) == MOST_AT_ONCE
    for choice in _start(picker, MOST_AT_ONCE):
        timed("finish", job_id, choice.index, choice.owner, "FAILURE", b"result", "no", 0.0, 0)
    _start(picker, MOST_AT_ONCE)
    assert timed.slices("retry", job_id, 0) == SHARDS / MOST_AT_ONCE
    timed("hold", job_id, "needs 64 GiB")
    assert timed.slices("refuse", job_id, "needs 64 GiB") == SHARDS / MOST_AT_ONCE
    assert timed.slices("retry", job_id, 0) == SHARDS / MOST_AT_ONCE
    assert timed.slices("cancel", job_id) == SHARDS / MOST_AT_ONCE
    timed("remove", job_id)
    slow = {name: seconds for name, seconds in timed.worst.items() if seconds > MOST_SECONDS}
    assert slow == {}


def test_the_place_of_a_job_takes_no_long_look(client: redis.Redis) -> None:
    timed, picker = Timed(client), Picker(client)
    for number in range(150):
        submit(client, *_each_tier(1.0), tenant="alice")
        submit(client, *_each_tier(1.0), tenant=f"tenant-{number}")
    last = submit(client, *_each_tier(2.0), tenant="alice")
    _start(picker, 150)
    answer = timed("place", last)
    assert int(answer[0]) == 150
    assert timed.worst["place"] < MOST_SECONDS


def _each_tier(seconds: float) -> list[Tier]:
    """Return tiers of two shards each, all that there are."""
    return [make_tier(2, number, first=2 * number, seconds=seconds, need=1) for number in range(TIERS)]
