# SPDX-License-Identifier: Apache-2.0
"""The progress bar of a job."""

from __future__ import annotations

import math
import sys
import time
from contextlib import suppress
from typing import Any, Final

from qfleet.cli import interrupts
from qfleet.cli.output import interval
from qfleet.cli.terminal import console

__all__ = ["wait_for_result"]

#: Seconds between two looks of the bar at a job's place and the time left.
_LOOK_SECONDS: Final = 1.0


def wait_for_result(job: Any, timeout: float | None = None, *, partial: bool = False) -> Any:
    """Return a job's result, and show a progress bar meanwhile.

    The bar is shown if stderr is a terminal.

    Args:
        job: the job.
        timeout: seconds to wait; ``None`` waits forever.
        partial: see `qfleet.FleetJob.result`.

    Raises:
        QfleetError: see `qfleet.FleetJob.result`.
    """
    if sys.stderr is None or not sys.stderr.isatty():
        return job.result(timeout=timeout, partial=partial)
    from qiskit.providers.jobstatus import JOB_FINAL_STATES
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from qfleet.errors import BrokerError

    texts = (TextColumn("{task.description}"), TextColumn("{task.fields[outlook]}"))
    columns = (texts[0], BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), texts[1])
    ends = None if timeout is None else time.monotonic() + timeout
    shown_on = console(stderr=True)
    with Progress(*columns, console=shown_on) as bar:
        interrupts.on_bar(not shown_on.is_dumb_terminal)
        task = bar.add_task("QUEUED", total=job.progress().total, outlook="")
        looked = -math.inf

        def show(_job_id: str, status: Any, running: Any) -> None:
            nonlocal looked
            # The wait itself survives an outage.
            with suppress(BrokerError):
                bar.update(task, completed=running.progress().done, description=status.name)
                if status in JOB_FINAL_STATES:
                    bar.update(task, outlook="")
                elif time.monotonic() - looked >= _LOOK_SECONDS:
                    looked = time.monotonic()
                    bar.update(task, outlook=_outlook(running.metrics()), refresh=True)

        job.wait_for_final_state(timeout=timeout, wait=0.1, callback=show)
        show(job.job_id(), job.status(), job)
    interrupts.on_bar(False)
    return job.result(timeout=None if ends is None else max(0.0, ends - time.monotonic()), partial=partial)


def _outlook(metrics: dict[str, Any]) -> str:
    """Return a job's place while it waits, then the time left."""
    position = metrics["queue_position"]
    if metrics["held"]:
        return {"paused": "paused", "cancelled": "being cancelled"}.get(metrics["held"], "held")
    if metrics["status"] == "QUEUED" and position:
        jobs = position["jobs"]
        return f"{jobs} {'job' if jobs == 1 else 'jobs'} before it"
    left = interval(metrics["estimated_seconds"])
    return f"ends in {left}" if left else ""
