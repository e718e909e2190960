# SPDX-License-Identifier: Apache-2.0
"""Few states of a large job are asked for while its circuits end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import fakeredis
import pytest
import redis
from connections import connection_to
from make_jobs import make_job, run_shard

from qfleet.errors import DamagedDataError, JobExpiredError
from qfleet.jobs.gathering import gather
from qfleet.jobs.waiting import Deadline
from qfleet.ledger import Connection, Ledger, NewJob, Snapshot
from qfleet.wire.redis import keys

SHARDS = 1200


@pytest.fixture
def client() -> redis.Redis:
    return fakeredis.FakeRedis(server_type="redis", version=(7, 2))


@pytest.fixture
def connection(client: redis.Redis) -> Connection:
    return connection_to(client)


@pytest.fixture
def job(client: redis.Redis) -> NewJob:
    job = make_job(SHARDS)
    Ledger(client).store(job)
    return job


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return the number of states that each question asked for."""
    ended, asked = Ledger.ended, []

    def counts(self: Ledger, job_id: str, shards: Sequence[int]) -> list[int]:
        asked.append(len(shards))
        return ended(self, job_id, shards)

    monkeypatch.setattr(Ledger, "ended", counts)
    return asked


def _gathered(connection: Connection, job: NewJob, snapshots: Iterator[Snapshot]) -> list[int]:
    found = gather(connection, Deadline(job.job_id, None), job.record, snapshots)
    return [index for index, _ in found]


def test_what_ends_in_order_is_found_among_the_first(
    client: redis.Redis, connection: Connection, job: NewJob, asked: list[int]
) -> None:
    def snapshots() -> Iterator[Snapshot]:
        for ended in ((), (0, 1, 2), (), (7, 8, 9)):
            for index in ended:
                run_shard(client, job.job_id, index)
            yield Ledger(client).snapshot(job.job_id)

    assert _gathered(connection, job, snapshots()) == [0, 1, 2, 7, 8, 9]
    # Nothing is asked for where nothing has ended, and one question is enough where something has.
    assert asked == [500, 500]


def test_what_ends_out_of_order_is_found_all_the_same(
    client: redis.Redis, connection: Connection, job: NewJob, asked: list[int]
) -> None:
    def snapshots() -> Iterator[Snapshot]:
        for index in (SHARDS - 1, 700, 2):
            run_shard(client, job.job_id, index)
            yield Ledger(client).snapshot(job.job_id)

    assert _gathered(connection, job, snapshots()) == [SHARDS - 1, 700, 2]
    assert asked == [500, 500, 200, 500, 500, 500]


def test_a_job_that_is_gone_at_the_end_is_an_error(client: redis.Redis, connection: Connection) -> None:
    job = make_job(2)
    ledger = Ledger(client)
    ledger.store(job)
    run_shard(client, job.job_id, 0)
    run_shard(client, job.job_id, 1)
    last = ledger.snapshot(job.job_id)
    client.delete(*keys.of_job(job.job_id))
    with pytest.raises(JobExpiredError):
        _gathered(connection, job, iter([last]))


def test_a_result_that_cant_be_read(client: redis.Redis, connection: Connection) -> None:
    job = make_job(2)
    Ledger(client).store(job)
    run_shard(client, job.job_id, 1)
    client.hset(keys.results(job.job_id), "1", b"damaged")
    with pytest.raises(DamagedDataError, match="result of shard 1"):
        _gathered(connection, job, iter([Ledger(client).snapshot(job.job_id)]))


def test_a_result_of_another_circuit_is_nobodys(client: redis.Redis, connection: Connection) -> None:
    job, other = make_job(2), make_job(100)
    ledger = Ledger(client)
    for each in (job, other):
        ledger.store(each)
    for index in (0, 1):
        run_shard(client, job.job_id, index)
    run_shard(client, other.job_id, 99)
    foreign = client.hget(keys.results(other.job_id), "99")
    assert isinstance(foreign, bytes)
    client.hset(keys.results(job.job_id), "0", foreign)
    last = ledger.snapshot(job.job_id)
    found = dict(gather(connection, Deadline(job.job_id, None), job.record, [last]))
    assert {index: circuit.success for index, circuit in found.items()} == {0: False, 1: True}
    assert found[0].status == "ERROR: its result is missing from Redis"


def test_a_circuit_comes_once_although_its_block_comes_again(client: redis.Redis, connection: Connection) -> None:
    # Shard 1 ran, was read, and then ran again, in a job that was tried again meanwhile.
    job = make_job(2)
    ledger = Ledger(client)
    ledger.store(job)

    def snapshots() -> Iterator[Any]:
        run_shard(client, job.job_id, 1, "bad")
        yield ledger.snapshot(job.job_id)
        run_shard(client, job.job_id, 0)
        ledger.retry(job.job_id)
        run_shard(client, job.job_id, 1)
        yield ledger.snapshot(job.job_id)

    assert _gathered(connection, job, snapshots()) == [1, 0]
