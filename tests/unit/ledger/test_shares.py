# SPDX-License-Identifier: Apache-2.0
"""The weights of tenants and what they used; on an imitated and on a real Redis."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest
import redis
from make_jobs import make_job
from picker import Picker

from qfleet.errors import InvalidOptionError
from qfleet.ledger import Ledger
from qfleet.ledger.shares import read_usage, read_weight, write_weight
from qfleet.wire.redis import keys


@pytest.fixture(autouse=True)
def clean(store_client: redis.Redis) -> Iterator[None]:
    store_client.delete(keys.WEIGHTS, keys.SCHED, keys.VT)
    yield
    store_client.delete(keys.WEIGHTS, keys.SCHED, keys.VT)


def test_shares_follow_the_weights(store_client: redis.Redis) -> None:
    write_weight(store_client, "heavy", 3)
    jobs = [make_job(80, tenant=tenant) for tenant in ("heavy", "light")]
    for job in jobs:
        Ledger(store_client).store(job)
    picker = Picker(store_client)
    chosen = Counter(picker.choose().tenant for _ in range(80))
    assert abs(chosen["heavy"] - 60) <= 2
    for job in jobs:
        Ledger(store_client).delete(job.job_id)


def test_a_weight_is_set_and_taken_back(store_client: redis.Redis) -> None:
    assert read_weight(store_client, "lab") == 1
    write_weight(store_client, "lab", 0.5)
    assert read_weight(store_client, "lab") == 0.5
    write_weight(store_client, "lab", 1)
    assert not store_client.hexists(keys.WEIGHTS, "lab")


@pytest.mark.parametrize("junk", ["", "much", "nan", "-1", "inf"])
def test_an_account_that_no_worker_wrote_is_empty(junk: str, store_client: redis.Redis) -> None:
    store_client.hset(keys.USED, "lab", junk)
    assert read_usage(store_client, "lab") == 0
    store_client.hset(keys.USED, "lab", "12.5")
    assert read_usage(store_client, "lab") == 12.5
    store_client.delete(keys.USED)


@pytest.mark.parametrize("junk", ["", "much", "nan", "-1", "inf"])
def test_what_no_client_wrote_counts_as_no_weight(junk: str, store_client: redis.Redis) -> None:
    store_client.hset(keys.WEIGHTS, "lab", junk)
    assert read_weight(store_client, "lab") == 1


@pytest.mark.parametrize(
    ("tenant", "weight"),
    [("a b", 1), ("", 1), ("lab", 0), ("lab", -1), ("lab", 101), ("lab", float("nan")), ("lab", True)],
)
def test_what_is_not_allowed(tenant: str, weight: float, store_client: redis.Redis) -> None:
    with pytest.raises(InvalidOptionError, match=r"tenant=|weight="):
        write_weight(store_client, tenant, weight)
    assert not store_client.exists(keys.WEIGHTS)
