# SPDX-License-Identifier: Apache-2.0
"""Quotas: a job beyond one fails whole, and a tenant that runs as much as it may is passed over."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import redis
from connections import connection_to
from late_jobs import make_tier, submit
from make_jobs import make_job, make_presence
from picker import Picker
from processes import redis_server

from qfleet.errors import InvalidOptionError
from qfleet.ledger import Ledger, NewJob, send
from qfleet.ledger.confined import ConfinedLedger
from qfleet.ledger.quotas import Quotas, read_quotas, write_quotas
from qfleet.wire.lua import MOST_AT_ONCE, Scripts
from qfleet.wire.redis import keys
from qfleet.wire.redis.fields import JobField, SchedField
from qfleet.wire.redis.references import reference
from qfleet_worker.inbox import Inbox
from qfleet_worker.search import Search
from qfleet_worker.store import Store
from qfleet_worker.unplaceable import refuse


@pytest.fixture(scope="module")
def server() -> Iterator[redis.Redis]:
    with redis_server() as port, redis.Redis(port=port) as client:
        yield client


@pytest.fixture
def client(server: redis.Redis) -> redis.Redis:
    server.flushdb()
    return server


def new(shards: int = 2, tenant: str = "alice", **changed: Any) -> NewJob:
    return make_job(shards, tenant=tenant, job_id=reference(tenant, make_job().job_id), **changed)


def sent(client: redis.Redis, shards: int = 2, tenant: str = "alice", **changed: Any) -> NewJob:
    job = new(shards, tenant, **changed)
    send(connection_to(client), job)
    return job


def admitted(client: redis.Redis, shards: int = 2, tenant: str = "alice", **changed: Any) -> NewJob:
    job = new(shards, tenant, **changed)
    ConfinedLedger(client, tenant).store(job)
    Inbox(client, lambda _: None).serve()
    return job


def run_all(client: redis.Redis) -> int:
    picker, number = Picker(client), 0
    while choice := picker.pick():
        assert not isinstance(choice, int)
        picker.finish(choice)
        number += 1
    return number


def queued(client: redis.Redis, what: str, tenant: str = "alice") -> int:
    return int(client.hget(keys.QUEUED, f"{what}:{tenant}") or 0)


WAYS = pytest.mark.parametrize("store", [sent, admitted], ids=["by the client", "by a worker"])


@WAYS
def test_a_job_beyond_the_circuits_fails_whole(store: Any, client: redis.Redis) -> None:
    write_quotas(client, "alice", {"circuits": 5})
    first = store(client, 3)
    assert queued(client, "circuits") == 3
    refused = store(client, 3)
    ledger = Ledger(client)
    found = ledger.snapshot(refused.job_id)
    assert (found.is_final, found.states["FAILURE"], found.refused) == (True, 3, "circuits 6 5")
    assert "tenant alice would have 6 circuits in jobs that have not ended, and its quota is 5" in found.error
    assert "qfleet tenant alice --circuits N" in found.error
    assert ledger.retry(refused.job_id) == []
    assert client.ttl(keys.work(refused.job_id)) > 0
    # Neither other tenants nor what fits are concerned.
    other, small = store(client, 9, "bob"), store(client, 2)
    for job in (first, other, small):
        assert not ledger.snapshot(job.job_id).refused
    assert run_all(client) == 3 + 9 + 2
    assert queued(client, "circuits") == 0
    store(client, 5)
    assert queued(client, "circuits") == 5


@WAYS
def test_what_counts_are_the_shards_that_are_there(store: Any, client: redis.Redis) -> None:
    write_quotas(client, "alice", {"circuits": 5})
    job = store(client, 6, circuits=1)
    assert Ledger(client).snapshot(job.job_id).refused == "circuits 6 5"


@WAYS
def test_a_job_beyond_the_bytes_fails_whole(store: Any, client: redis.Redis) -> None:
    write_quotas(client, "alice", {"bytes": 200_000})
    store(client, 2)
    before = queued(client, "bytes")
    assert 0 < before < 10_000
    large = store(client, 2, programs={"p": b"x" * 300_000})
    found = Ledger(client).snapshot(large.job_id)
    quota, figure, limit = found.refused.split()
    assert (quota, limit, int(figure) > 300_000) == ("bytes", "200000", True)
    assert queued(client, "bytes") == before


@pytest.mark.parametrize("end", ["cancel", "delete"])
def test_a_job_that_is_gone_counts_no_more(end: str, client: redis.Redis) -> None:
    write_quotas(client, "alice", {"circuits": 5, "bytes": 10**6})
    job = sent(client, 4)
    getattr(Ledger(client), end)(job.job_id)
    assert (queued(client, "circuits"), queued(client, "bytes")) == (0, 0)


def test_a_refused_job_of_many_shards_whose_client_died(client: redis.Redis) -> None:
    write_quotas(client, "alice", {"circuits": 5})
    job = new(2 * MOST_AT_ONCE)
    ledger = ConfinedLedger(client, "alice")
    ledger.store(job)
    assert Scripts(client).call("admit", job.job_id)[0] == b"refused"
    assert not ledger.snapshot(job.job_id).is_final
    assert Picker(client).pick() is None
    Search(client, "a@test").look()
    assert ledger.snapshot(job.job_id).states["FAILURE"] == 2 * MOST_AT_ONCE


def test_a_refused_job_with_states_of_its_own_making(client: redis.Redis) -> None:
    write_quotas(client, "alice", {"circuits": 1})
    job = new(2)
    ConfinedLedger(client, "alice").store(job)
    client.hset(f"{keys.incoming(job.job_id)}:shards", mapping={"x": "y", "z": "y"})
    Inbox(client, lambda _: None).serve()
    assert Ledger(client).snapshot(job.job_id).states["FAILURE"] == 2
    # One whose data are damaged keeps nobody busy for ever.
    job = new(2)
    ConfinedLedger(client, "alice").store(job)
    answer = Scripts(client).call("admit", job.job_id)
    client.hdel(keys.shards(job.job_id), "0:state", "1:state")
    refuse(Scripts(client), job.job_id, answer[1])
    assert Ledger(client).snapshot(job.job_id).held


def test_a_refused_job_is_neither_paused_nor_let_go(client: redis.Redis) -> None:
    write_quotas(client, "alice", {"circuits": 5})
    job = new(6)
    ledger = ConfinedLedger(client, "alice")
    ledger.store(job)
    _, why = Scripts(client).call("admit", job.job_id)
    open_ledger = Ledger(client)
    assert open_ledger.pause(job.job_id) is False
    assert Scripts(client).call("hold", job.job_id, "needs memory") == 0
    assert open_ledger.resume(job.job_id) is False
    assert Scripts(client).call("let_go", job.job_id, "") == 0
    assert ledger.snapshot(job.job_id).held == why.decode()
    assert Picker(client).pick() is None
    assert queued(client, "circuits") == 0


def test_memory_is_kept_for_the_first_tenant_below_its_quota(client: redis.Redis) -> None:
    write_quotas(client, "alice", {"running": 1})
    large = make_tier(2, 8)
    submit(client, large, tenant="alice")
    picker = Picker(client)
    assert picker.choose(8).tenant == "alice"
    submit(client, large, tenant="bob")
    client.zincrby(keys.ready(8), 100, "bob")  # alice comes first
    late = Picker(client, "b@test", ahead=100.0)
    assert late.pick(8, free=2**20) == 8
    assert client.hexists(keys.SCHED, SchedField.reserved(8))


def test_a_tenant_that_runs_what_it_may_is_passed_over(client: redis.Redis) -> None:
    write_quotas(client, "alice", {"running": 2})
    sent(client, 10)
    sent(client, 10, "bob")
    picker = Picker(client)
    chosen = [picker.choose() for _ in range(12)]
    mine = [choice for choice in chosen if choice.tenant == "alice"]
    assert (len(mine), len(chosen) - len(mine)) == (2, 10)
    # Its tokens are used up, and nobody spins.
    while client.rpop(keys.tokens(0)) is not None:
        assert picker.pick(None) is None
    Search(client, "a@test").look()
    while client.rpop(keys.tokens(0)) is not None:
        assert picker.pick(None) is None
    # One that ends lets the next one start.
    assert picker.finish(mine[0])
    assert client.llen(keys.tokens(0)) == 1
    following = picker.choose()
    assert following.tenant == "alice"
    assert picker.pick(None) is None
    # So does one that is handed back, or whose process died.
    Scripts(client).call("release", following.job_id, following.index, following.owner)
    assert picker.choose().tenant == "alice"
    assert client.scard(f"{keys.RUNNING}alice") == 2


def test_many_tenants_at_their_quotas_keep_none_waiting(client: redis.Redis) -> None:
    for number in range(20):
        write_quotas(client, f"t{number:02}", {"running": 1})
        sent(client, 2, f"t{number:02}")
    sent(client, 1, "zoe")
    picker = Picker(client)
    chosen = [picker.choose().tenant for _ in range(21)]
    assert len(set(chosen)) == 21
    assert picker.pick(None) is None


def test_a_quota_that_is_removed(client: redis.Redis) -> None:
    write_quotas(client, "alice", {"running": 1, "circuits": 100, "bytes": 10**6})
    assert read_quotas(client, "alice") == Quotas(1, 100, 10**6)
    sent(client, 3)
    picker = Picker(client)
    first = picker.choose()
    assert picker.pick() is None
    write_quotas(client, "alice", {"running": None})
    assert read_quotas(client, "alice") == Quotas(None, 100, 10**6)
    assert picker.choose().tenant == "alice"
    assert picker.finish(first)
    assert client.scard(f"{keys.RUNNING}alice") == 0


def test_without_quotas_nothing_is_counted(client: redis.Redis) -> None:
    Store(client, "a@test").renew_presence(make_presence("a@test"))
    job = sent(client, 3)
    picker = Picker(client)
    choice = picker.choose()
    assert not client.exists(keys.QUEUED, keys.QUOTAS, f"{keys.RUNNING}alice")
    assert client.hget(keys.SCHED, SchedField.QUOTAS) is None
    assert client.hmget(keys.job(job.job_id), JobField.COUNTED, JobField.LIMITED) == [None, None]
    assert picker.finish(choice)


@pytest.mark.parametrize(
    "quotas", [{"running": 0}, {"circuits": -1}, {"bytes": True}, {"running": 1.5}, {"bytes": 2**60}]
)
def test_other_quotas_are_refused(quotas: Any, client: redis.Redis) -> None:
    with pytest.raises(InvalidOptionError, match="a whole number from 1, or None, is needed"):
        write_quotas(client, "alice", quotas)
    with pytest.raises(InvalidOptionError, match="no tenant has this name"):
        write_quotas(client, "a b", {"running": 1})
    assert not client.exists(keys.QUOTAS)
