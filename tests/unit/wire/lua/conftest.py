# SPDX-License-Identifier: Apache-2.0
"""A job of three shards in the ledger of two workers, for tests that don't bring their own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import redis
from make_jobs import make_job, store_as_0_1

from qfleet.ledger import Ledger, NewJob
from qfleet.wire.lua import Scripts
from qfleet.wire.redis import keys
from qfleet_worker.store import Store

QUEUE = f"{keys.PREFIX}{keys.QUEUE}"


@pytest.fixture
def scripts(store_client: redis.Redis) -> Scripts:
    return Scripts(store_client)


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
def job(store_client: redis.Redis, ledger: Ledger, store: Store) -> Iterator[NewJob]:
    """Yield a stored and published job of three shards, of version 0.1."""
    job = make_job(3)
    store_as_0_1(store_client, job)
    ledger.published(job.job_id)
    yield job
    ledger.delete(job.job_id)
