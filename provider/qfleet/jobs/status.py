# SPDX-License-Identifier: Apache-2.0
"""Celery's states, as Qiskit's `JobStatus`."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from qiskit.providers import JobStatus

#: Every state that a Celery task can have.
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
    """The status of a job.

    Args:
        states: how many of its tasks are in each Celery state.

    A cancelled job is CANCELLED once nothing of it runs any more. While anything is left to run a job is RUNNING once
    anything was started, and QUEUED before; then it is ERROR if anything failed, else DONE.
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
