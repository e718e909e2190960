# SPDX-License-Identifier: Apache-2.0
"""Each circuit that failed has the error of its own task; on an imitated and on a real Redis."""

from __future__ import annotations

import pytest
import redis
from connections import connection_to
from make_jobs import claim_shard, make_job, run_shard

from qfleet.jobs.gathering import all_parts, gather
from qfleet.jobs.waiting import Deadline
from qfleet.ledger import Ledger, NewJob
from qfleet.ledger.own_errors import own_failures
from qfleet.wire.redis import keys
from qfleet_worker.store import Store


@pytest.fixture
def job(store_client: redis.Redis) -> NewJob:
    """Return a job of three shards: the first has a bad circuit, the second takes too long, and the third ran."""
    job, store = make_job(3), Store(store_client, "unit@test")
    Ledger(store_client).store(job)
    run_shard(store_client, job.job_id, 0, error="bad circuit")
    store.fail(job.job_id, 1, claim_shard(store_client, job.job_id, 1).owner, "too slow")
    run_shard(store_client, job.job_id, 2)
    return job


def _statuses(client: redis.Redis, job: NewJob) -> dict[int, str]:
    """Return each circuit's status from a stream of results, compared with the whole result."""
    connection, deadline, last = connection_to(client), Deadline(job.job_id, None), Ledger(client).snapshot(job.job_id)
    errors = {part.index: part.error for part in all_parts(connection, deadline, last)}
    found = {index: circuit.status for index, circuit in gather(connection, deadline, job.record, [last])}
    assert {index: status.removeprefix("ERROR: ") for index, status in found.items() if errors.get(index)} == {
        index: error for index, error in errors.items() if error
    }
    return found


def test_a_circuit_does_not_have_the_error_of_another(store_client: redis.Redis, job: NewJob) -> None:
    assert _statuses(store_client, job) == {0: "ERROR: bad circuit", 1: "ERROR: too slow", 2: "DONE"}


def test_the_first_error_of_the_job_needs_no_more_reads(store_client: redis.Redis, job: NewJob) -> None:
    assert own_failures(store_client, job.job_id, 3, "too slow") == []
    (failure,) = own_failures(store_client, job.job_id, 3, "bad circuit")
    assert (failure.index, failure.shots, failure.points, failure.error) == (1, 10, 1, "too slow")


def test_what_an_earlier_attempt_gave_is_kept(store_client: redis.Redis, job: NewJob) -> None:
    ledger, store = Ledger(store_client), Store(store_client, "unit@test")
    ledger.retry(job.job_id)
    run_shard(store_client, job.job_id, 1, error="another error")
    store.fail(job.job_id, 0, claim_shard(store_client, job.job_id, 0).owner, "too slow")
    assert own_failures(store_client, job.job_id, 3, ledger.snapshot(job.job_id).error) == []
    assert _statuses(store_client, job)[0] == "ERROR: bad circuit"


def test_work_that_cannot_be_read_leaves_the_first_error(store_client: redis.Redis, job: NewJob) -> None:
    store_client.hset(keys.work(job.job_id), "1", b"damaged")
    assert own_failures(store_client, job.job_id, 3, "bad circuit") == []
    # That of the job says which circuit it is about.
    assert _statuses(store_client, job)[1].startswith("ERROR: ")


def test_a_long_error_is_cut(store_client: redis.Redis, job: NewJob) -> None:
    store_client.hset(keys.shards(job.job_id), "1:error", b"\xff" * 5000)
    (failure,) = own_failures(store_client, job.job_id, 3, "bad circuit")
    assert failure.error == "\N{REPLACEMENT CHARACTER}" * 4096
