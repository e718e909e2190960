# SPDX-License-Identifier: Apache-2.0
"""Jobs of several tenants, and of version 0.1, are listed together and found by their ids."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import redis
from make_jobs import make_job, run_shard, store_as_0_1

from qfleet.errors import JobExpiredError, JobNotFoundError
from qfleet.ledger import Ledger, NewJob
from qfleet.wire.redis import keys
from qfleet.wire.redis.fields import JobField
from qfleet.wire.redis.references import id_of, reference


@pytest.fixture
def client(store_client: redis.Redis) -> Iterator[redis.Redis]:
    store_client.flushdb()
    yield store_client
    store_client.flushdb()


def store(client: redis.Redis, tenant: str, job_id: str) -> NewJob:
    job = make_job(1, tenant=tenant, job_id=reference(tenant, job_id))
    Ledger(client).store(job)
    return job


@pytest.fixture
def refs(client: redis.Redis) -> list[str]:
    """Return jobs, oldest first."""
    old = make_job(1, job_id="01dd-01d", created=1000.0)
    store_as_0_1(client, old)
    jobs = [store(client, *each) for each in (("bob", "b0b0-1"), ("alice", "a11c-1"), ("bob", "b0b0-2"))]
    return [old.job_id, *(job.job_id for job in jobs)]


def test_the_keys_of_a_tenant_begin_with_its_name(client: redis.Redis, refs: list[str]) -> None:
    assert client.hget("qfleet:{alice}:job:a11c-1", JobField.TENANT) == b"alice"
    assert client.exists("qfleet:job:01dd-01d")
    assert client.smembers(keys.TENANTS) == {b"alice", b"bob"}
    assert client.zrange("qfleet:{bob}:jobs", 0, -1) == [b"b0b0-1", b"b0b0-2"]


@pytest.mark.parametrize("tenant", ["alice", "bob", "nobody", ""])
def test_jobs_of_all_tenants_are_listed_in_order(tenant: str, client: redis.Redis, refs: list[str]) -> None:
    ledger = Ledger(client, tenant)
    assert [job.job_id for job in ledger.jobs(descending=False)] == refs
    assert [job.job_id for job in ledger.jobs()] == refs[::-1]
    assert [job.job_id for job in ledger.jobs(tenant="bob")] == ["bob/b0b0-2", "bob/b0b0-1"]
    assert list(ledger.jobs(tenant="nobody")) == []
    run_shard(client, "bob/b0b0-1", 0)
    assert [job.job_id for job in ledger.jobs(active=True)] == ["bob/b0b0-2", "alice/a11c-1", "01dd-01d"]
    assert [job.job_id for job in ledger.jobs(active=True, tenant="alice")] == ["alice/a11c-1"]


def test_a_job_is_found_by_its_id(client: redis.Redis, refs: list[str]) -> None:
    ledger = Ledger(client, "alice")
    for ref in refs:
        assert ledger.find(id_of(ref)).job_id == ref
        assert ledger.find(id_of(ref)[:6] if ref != "bob/b0b0-2" else "b0b0-2").job_id == ref
        assert ledger.locate(id_of(ref)) == ref
    with pytest.raises(JobNotFoundError, match="begin with 'b0b0': b0b0-1, b0b0-2; give more"):
        ledger.find("b0b0")
    with pytest.raises(JobNotFoundError, match="no job 'ffff'"):
        ledger.find("ffff")
    assert ledger.locate("ffff") == "alice/ffff"


def test_the_own_job_comes_first(client: redis.Redis) -> None:
    for tenant in ("alice", "bob"):
        store(client, tenant, "5a3e-id")
    assert [Ledger(client, tenant).find("5a3e-id").job_id for tenant in ("alice", "bob")] == [
        "alice/5a3e-id",
        "bob/5a3e-id",
    ]


@pytest.mark.parametrize("tenant", ["alice", "bob"])
def test_an_expired_job_of_any_tenant(tenant: str, client: redis.Redis, refs: list[str]) -> None:
    client.delete(*keys.of_job("bob/b0b0-1"))
    for name in ("b0b0-1", "b0b0-1"[:6]):
        with pytest.raises(JobExpiredError, match="job b0b0-1 has expired"):
            Ledger(client, tenant).find(name)


def test_a_job_is_deleted_whole(client: redis.Redis, refs: list[str]) -> None:
    for ref in refs:
        Ledger(client).delete(ref)
    left = {key.decode() for key in client.keys("*")} - {keys.SCHED, keys.VT, keys.TENANTS, keys.tokens(0)}
    assert left == set()
