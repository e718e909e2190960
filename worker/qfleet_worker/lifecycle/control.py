# SPDX-License-Identifier: Apache-2.0
"""Celery's remote control, reduced to two commands: ``ping`` and ``revoke``.

Celery's other commands stop a worker, change its pool and its queues, or show its tasks. Celery's own ``revoke`` asks
Redis about every task id before it acts. Here the ledger knows already that the shard is revoked, and no worker chooses
it any more, so only tasks that a worker has must be stopped.
"""

from __future__ import annotations

import logging
import signal
from typing import Any

from celery.worker.control import Panel, control_command, ok

from qfleet_worker.lifecycle.held import held_requests

logger = logging.getLogger(__name__)


def limit_control() -> None:
    """Remove all remote-control commands except ``ping`` and ``revoke`` from this process."""
    for name in Panel.data.keys() - {"ping", "revoke"}:
        del Panel.data[name]
    control_command(name="revoke")(_revoke)


def _revoke(context: Any, task_id: str | list[str], terminate: bool = False, **_: Any) -> Any:
    """Kill the processes of this worker that run one of the tasks.

    Args:
        context: Celery's state of the worker.
        task_id: the id of a task, or a list of ids.
        terminate: false to leave the processes alone.
    """
    wanted = {task_id} if isinstance(task_id, str) else set(task_id)
    running = [request for request in held_requests() if request.id in wanted] if terminate else []
    for request in running:
        logger.info("stopping %s: it was revoked", request.id)
        request.terminate(context.consumer.pool, signal=signal.Signals.SIGKILL.name)
    return ok(f"{len(running)} tasks stopped")
