# SPDX-License-Identifier: Apache-2.0
"""A worker learns with its presence that it shall take no more shards; on an imitated and on a real Redis."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
import redis
from make_jobs import make_presence

from qfleet.errors import InvalidOptionError
from qfleet.ledger import Ledger
from qfleet.ledger.draining import set_draining, worker_called
from qfleet.wire.redis import keys
from qfleet_worker.search import FORGOTTEN_SECONDS, Search
from qfleet_worker.store import Store


@pytest.fixture
def client(store_client: redis.Redis) -> Iterator[redis.Redis]:
    store_client.flushdb()
    yield store_client
    store_client.flushdb()


def _show(client: redis.Redis, name: str = "a@test") -> bool:
    return Store(client, name).renew_presence(make_presence(name))


def _shown(client: redis.Redis) -> dict[str, bool]:
    return {worker.name: worker.draining for worker in Ledger(client).workers()}


def test_it_learns_and_shows_it_at_once(client: redis.Redis) -> None:
    assert _show(client) is False
    for _ in range(2):
        set_draining(client, "a@test", draining=True)
    assert (_show(client), _show(client, "b@test")) == (True, False)
    assert _shown(client) == {"a@test": True, "b@test": False}
    for _ in range(2):
        set_draining(client, "a@test", draining=False)
    assert _show(client) is False
    assert _shown(client) == {"a@test": False, "b@test": False}


def test_a_worker_that_is_gone_is_forgotten(client: redis.Redis) -> None:
    for name in ("stopped@test", "killed@test"):
        _show(client, name)
        set_draining(client, name, draining=True)
    Store(client, "stopped@test").withdraw_presence()
    assert client.smembers(keys.DRAINING) == {b"killed@test"}
    record = json.loads(client.hget(keys.WORKERS, "killed@test"))
    record["seen"] -= FORGOTTEN_SECONDS + 1
    client.hset(keys.WORKERS, "killed@test", json.dumps(record))
    Search(client, "searcher@test").look()
    assert client.exists(keys.WORKERS, keys.DRAINING) == 0


def test_a_worker_stays_up_though_another_program_wrote_to_the_key(client: redis.Redis) -> None:
    client.set(keys.DRAINING, "junk")
    assert _show(client) is False
    assert _shown(client) == {"a@test": False}


def test_a_beginning_names_a_worker_if_no_other_has_it() -> None:
    workers = [make_presence(name) for name in ("qfleet-12@h", "qfleet-123@h", "qfleet-4@h")]
    assert worker_called("qfleet-4", workers) == "qfleet-4@h"
    assert worker_called("qfleet-12@h", workers) == "qfleet-12@h"
    with pytest.raises(InvalidOptionError, match=r"several workers begin with 'qfleet-12': qfleet-12@h, qfleet-123@h"):
        worker_called("qfleet-12", workers)
    for name in ("", "other"):
        with pytest.raises(InvalidOptionError, match="no worker that is up"):
            worker_called(name, workers)
