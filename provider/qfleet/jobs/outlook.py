# SPDX-License-Identifier: Apache-2.0
"""The states of jobs, their places, and the time left."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from qfleet.jobs.estimate import Estimate, QueuePosition, estimate
from qfleet.jobs.status import job_status
from qfleet.ledger import Connection, Snapshot
from qfleet.ledger.overview import Overview
from qfleet.ledger.snapshot import END_OF_TIME
from qfleet.wire.messages.presence import Presence

_ENDED: Final = Estimate(0.0, 0.0)


class Outlook(NamedTuple):
    """The state of a job, and what is known of its end."""

    snapshot: Snapshot
    position: QueuePosition | None
    time: Estimate | None


def read_outlooks(connection: Connection, known: Mapping[str, Snapshot | None]) -> list[Outlook]:
    """Return the outlook of each job.

    Args:
        connection: the connection to Redis, which is asked once for a hundred jobs, and once for the workers.
        known: for each job, by its reference, its last known state, which stands in if the job has gone meanwhile; with
            ``None``, a job that has gone is an error.

    Raises:
        BrokerError: Redis can't be used.
        JobNotFoundError, JobExpiredError, DamagedDataError: a job doesn't exist or can't be read.
    """
    asked = [job_id for job_id, snapshot in known.items() if snapshot is None or not snapshot.is_settled]
    workers: list[Presence] = []
    overviews: dict[str, Overview] = {}
    with connection.ledger() as ledger:
        overviews.update(zip(asked, ledger.overviews(asked), strict=True))
        if any(each.place is not None and each.snapshot and not each.snapshot.is_final for each in overviews.values()):
            workers = ledger.workers()
        outlooks = []
        for job_id, snapshot in known.items():
            found = overviews.get(job_id, Overview(snapshot, None))
            # The ledger tells why a job is missing.
            outlooks.append(_outlook(found.snapshot or snapshot or ledger.snapshot(job_id), found, workers))
    return outlooks


def _outlook(snapshot: Snapshot, overview: Overview, workers: list[Presence]) -> Outlook:
    if snapshot.is_final:
        return Outlook(snapshot, None, _ENDED)
    place = overview.place
    if place is None:
        return Outlook(snapshot, None, None)
    position = QueuePosition(place.jobs, place.tenants) if place.left else None
    return Outlook(snapshot, position, estimate(place, workers))


def metrics_of(outlook: Outlook) -> dict[str, Any]:
    """Return what `qfleet.FleetJob.metrics` does, in types that JSON has."""
    snapshot, position, left = outlook
    now = time.time()
    return {
        "status": job_status(snapshot.states).name,
        "num_circuits": snapshot.circuits,
        "circuits_done": snapshot.circuits_done,
        "held": snapshot.held,
        "timestamps": {
            "created": _iso(snapshot.created),
            "running": _iso(snapshot.began) if snapshot.began else None,
            "finished": _iso(snapshot.ended) if snapshot.ended else None,
        },
        "usage": {"seconds": snapshot.usage, "quantum_seconds": snapshot.usage},
        "queue_position": position._asdict() if position else None,
        "estimated_seconds": left._asdict() if left else None,
        "estimated_completion_time": {"earliest": _iso(now + left.low), "latest": _iso(now + left.high)}
        if left and not snapshot.is_final
        else None,
    }


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(min(seconds, END_OF_TIME), UTC).isoformat().replace("+00:00", "Z")
