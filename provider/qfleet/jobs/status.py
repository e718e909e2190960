# SPDX-License-Identifier: Apache-2.0
"""The map from Celery's states to Qiskit's `JobStatus`."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from qiskit.providers import JobStatus

#: All states of a Celery task.
JOB_STATUS: Final[Mapping[str, JobStatus]] = MappingProxyType(
    {
        "PENDING": JobStatus.QUEUED,
        "RECEIVED": JobStatus.QUEUED,
        "RETRY": JobStatus.QUEUED,
        "STARTED": JobStatus.RUNNING,
        "SUCCESS": JobStatus.DONE,
        "FAILURE": JobStatus.ERROR,
        "REJECTED": JobStatus.ERROR,
        "IGNORED": JobStatus.ERROR,
        "REVOKED": JobStatus.CANCELLED,
    }
)


def job_status(states: Mapping[str, int]) -> JobStatus:
    """Return the status of a job.

    A cancelled job is CANCELLED when no part of it is running any more. A job with unfinished tasks is QUEUED until a
    task starts, then RUNNING. A finished job is ERROR if a task failed, else DONE.

    Args:
        states: the number of its tasks in each Celery state.
    """
    tasks = {status: 0 for status in JobStatus}
    for state, count in states.items():
        tasks[JOB_STATUS[state]] += count
    if tasks[JobStatus.CANCELLED] and not tasks[JobStatus.RUNNING]:
        return JobStatus.CANCELLED
    if tasks[JobStatus.QUEUED] or tasks[JobStatus.RUNNING]:
        started = tasks[JobStatus.RUNNING] or tasks[JobStatus.DONE] or tasks[JobStatus.ERROR]
        return JobStatus.RUNNING if started else JobStatus.QUEUED
    return JobStatus.ERROR if tasks[JobStatus.ERROR] else JobStatus.DONE
