# SPDX-License-Identifier: Apache-2.0
"""The references of jobs, by which Redis holds them."""

from __future__ import annotations

from qfleet import FleetJob
from qfleet.jobs.primitive import PrimitiveFleetJob
from qfleet.wire.redis.references import reference


def ref(job: FleetJob | PrimitiveFleetJob) -> str:
    """Return the reference of a job."""
    return reference(job.tenant, job.job_id())
