# SPDX-License-Identifier: Apache-2.0
"""Every state of Celery has its status, and the states of many tasks make one."""

from __future__ import annotations

import itertools

import pytest
from celery import states as of_celery
from qiskit.providers import JobStatus
from qiskit.providers.jobstatus import JOB_FINAL_STATES

from qfleet.jobs.status import JOB_STATUS, job_status
from qfleet.wire.redis.states import FINAL_STATES, SHARD_STATES


@pytest.mark.parametrize("state", sorted(of_celery.ALL_STATES | {of_celery.REJECTED, of_celery.IGNORED}))
def test_every_state_of_celery_has_a_status(state: str) -> None:
    assert isinstance(JOB_STATUS[state], JobStatus)
    assert job_status({state: 1}) is JOB_STATUS[state]


def test_the_states_of_shards_are_celerys_and_final_in_both() -> None:
    assert set(SHARD_STATES) <= of_celery.ALL_STATES
    assert {state for state in SHARD_STATES if state in of_celery.READY_STATES} == FINAL_STATES
    for state in SHARD_STATES:
        assert (JOB_STATUS[state] in JOB_FINAL_STATES) == (state in FINAL_STATES)


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ({"PENDING": 3}, JobStatus.QUEUED),
        ({"PENDING": 1, "RECEIVED": 1, "RETRY": 1}, JobStatus.QUEUED),
        ({"PENDING": 2, "STARTED": 1}, JobStatus.RUNNING),
        ({"PENDING": 2, "SUCCESS": 1}, JobStatus.RUNNING),
        ({"PENDING": 2, "FAILURE": 1}, JobStatus.RUNNING),
        ({"STARTED": 1, "FAILURE": 1}, JobStatus.RUNNING),
        ({"SUCCESS": 3}, JobStatus.DONE),
        ({"SUCCESS": 2, "FAILURE": 1}, JobStatus.ERROR),
        ({"SUCCESS": 2, "REVOKED": 1}, JobStatus.CANCELLED),
        ({"FAILURE": 1, "REVOKED": 1}, JobStatus.CANCELLED),
        ({"REVOKED": 3}, JobStatus.CANCELLED),
    ],
)
def test_the_status_of_a_job(states: dict[str, int], expected: JobStatus) -> None:
    assert job_status(states) is expected
    assert job_status(dict.fromkeys(SHARD_STATES, 0) | states) is expected


def test_a_status_is_final_exactly_when_nothing_is_left_to_run() -> None:
    for counts in itertools.product(range(3), repeat=len(SHARD_STATES)):
        if not any(counts):
            continue
        states = dict(zip(SHARD_STATES, counts, strict=True))
        # Cancelling moves every shard that is left at once: with one REVOKED only processes are left to die.
        left = states["STARTED"] + (0 if states["REVOKED"] else states["PENDING"])
        assert (job_status(states) in JOB_FINAL_STATES) == (left == 0)


def test_an_unknown_state_isnt_guessed_at() -> None:
    with pytest.raises(KeyError):
        job_status({"NEW": 1})
