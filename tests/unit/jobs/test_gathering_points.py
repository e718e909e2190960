# SPDX-License-Identifier: Apache-2.0
"""Points of a job end alone, even where several travel together."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import fakeredis
import msgspec
import numpy as np
import pytest
import redis
from connections import connection_to
from make_jobs import claim_shard, make_circuit_result, make_job

from qfleet.errors import DamagedDataError
from qfleet.jobs.gathering import all_parts, gather, gather_units
from qfleet.jobs.waiting import Deadline
from qfleet.ledger import Connection, Ledger, NewJob, Snapshot
from qfleet.wire.codec.shards import encode_shard
from qfleet.wire.messages.result import CircuitResult, ShardResult
from qfleet.wire.messages.work import SEED_STEP, take_points
from qfleet_worker.store import Store


@pytest.fixture
def client() -> redis.Redis:
    return fakeredis.FakeRedis(server_type="redis", version=(7, 2))


@pytest.fixture
def connection(client: redis.Redis) -> Connection:
    return connection_to(client)


def stored(client: redis.Redis) -> NewJob:
    """Return a circuit at five points, in three shards: points 0 and 1; 2 and 3; and point 4."""
    job = make_job(3, circuits=1)
    replace = msgspec.structs.replace
    record = replace(job.record, circuits=(replace(job.record.circuits[0], points=5),))
    whole = replace(job.shards[0].circuits[0], points=5)
    shards = [
        replace(shard, circuits=(take_points(whole, first, points),))
        for shard, (first, points) in zip(job.shards, [(0, 2), (2, 2), (4, 1)], strict=True)
    ]
    job = dataclasses.replace(job, record=record, shards=shards)
    Ledger(client).store(job)
    return job


def finish(client: redis.Redis, job: NewJob, shard: int, *results: CircuitResult) -> None:
    store = Store(client, "unit@test")
    taken = claim_shard(client, job.job_id, shard)
    failed = [result.error for result in results if result.error]
    whole = sum(result.points for result in results if not result.error)
    blob = encode_shard(ShardResult(circuits=results))
    assert store.finish(taken, blob, whole=whole, blocks=[], error=failed[0] if failed else "")


def part(index: int, *ones: int, **changed: Any) -> CircuitResult:
    """Return the result of ten shots at each point, with some that gave 1."""
    counts = [[10 - one, one] for one in ones]
    distinct = np.full(len(ones), 2, "<i8").tobytes() if len(ones) > 1 else b""
    data = {"outcomes": b"\0\1" * len(ones), "counts": np.array(counts, "<i8").tobytes(), "distinct": distinct}
    return make_circuit_result(index, points=len(ones) or 1, **(data if ones else {}) | changed)


def test_points_come_as_their_shards_end(client: redis.Redis, connection: Connection) -> None:
    job = stored(client)
    seen: list[int] = []

    def snapshots() -> Iterator[Snapshot]:
        for shard, results in ((1, [part(2, 3, 4)]), (2, [part(4, 5)]), (0, [part(0, 1), part(1, error="too wide")])):
            before = len(seen)
            finish(client, job, shard, *results)
            yield Ledger(client).snapshot(job.job_id)
            assert len(seen) > before

    for index, found in gather(connection, Deadline(job.job_id, None), job.record, snapshots()):
        seen.append(index)
        assert found.seed_simulator == job.record.circuits[0].seed + SEED_STEP * index
        if index == 1:
            assert found.status == "ERROR: too wide"
        else:
            ones = {0: 1, 2: 3, 3: 4, 4: 5}[index]
            assert found.data.counts == {"0x0": 10 - ones, "0x1": ones}
    assert seen == [2, 3, 4, 0, 1]


def test_points_that_a_cancelled_job_never_ran(client: redis.Redis, connection: Connection) -> None:
    job = stored(client)
    finish(client, job, 1, part(2, 3, 4))
    Ledger(client).cancel(job.job_id)
    last = Ledger(client).snapshot(job.job_id)
    found = dict(gather(connection, Deadline(job.job_id, None), job.record, [last]))
    assert {index: each.success for index, each in found.items()} == {0: False, 1: False, 2: True, 3: True, 4: False}


def test_units_of_several_points_come_when_all_of_them_are_there(client: redis.Redis, connection: Connection) -> None:
    job = stored(client)
    found: list[tuple[int, list[int], str]] = []

    def snapshots() -> Iterator[Snapshot]:
        for shard, result, units in ((1, part(2, 3, 4), 0), (0, part(0, 1, 2), 1), (2, part(4, 5), 2)):
            finish(client, job, shard, result)
            yield Ledger(client).snapshot(job.job_id)
            assert len(found) == units

    # Points 0 to 3 are unit 7, point 4 is unit 8.
    units = gather_units(
        connection,
        Deadline(job.job_id, None),
        {7: 40, 8: 10},
        lambda part: [(7 if part.index < 4 else 8, part)],
        snapshots(),
    )
    for unit, parts, error in units:
        found.append((unit, [part.index for part in parts], error))
    assert [(unit, indices) for unit, indices, _ in found] == [(7, [2, 0]), (8, [4])]


def test_a_unit_that_lacks_points_comes_at_the_end_with_what_is_there(
    client: redis.Redis, connection: Connection
) -> None:
    job = stored(client)
    finish(client, job, 0, part(0, 1, 2))
    Ledger(client).cancel(job.job_id)
    last = Ledger(client).snapshot(job.job_id)
    left = {0: 50}
    ((unit, parts, error),) = gather_units(
        connection, Deadline(job.job_id, None), left, lambda part: [(0, part)], iter([last])
    )
    assert (unit, [part.index for part in parts], error) == (0, [0], "cancelled before its task had ended")
    # The caller's own are left alone.
    assert left == {0: 50}
    assert [part.index for part in all_parts(connection, Deadline(job.job_id, None), last)] == [0]


def test_damaged_points_are_one_typed_error(client: redis.Redis, connection: Connection) -> None:
    job = stored(client)
    finish(client, job, 0, part(0, 1, 2, distinct=b""))
    with pytest.raises(DamagedDataError, match="circuits 0 to 1 don't fit"):
        list(gather(connection, Deadline(job.job_id, None), job.record, [Ledger(client).snapshot(job.job_id)]))
