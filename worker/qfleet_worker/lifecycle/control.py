# SPDX-License-Identifier: Apache-2.0
"""Celery's remote control, of which a fleet keeps two commands: ``ping`` and ``revoke``.

Celery's others stop a worker, change its pool and its queues, or show what its tasks are. Its own ``revoke`` asks Redis
for every task id before it does anything; here the ledger says already that the shard is revoked, and the gate refuses
it, so that only what runs has to be stopped.
"""

from __future__ import annotations

import logging
import signal
from typing import Any

from celery.worker import state
from celery.worker.control import Panel, control_command, ok

logger = logging.getLogger(__name__)


def limit_control() -> None:
    """Drop all remote-control commands but ``ping`` and ``revoke`` from this process."""
    for name in Panel.data.keys() - {"ping", "revoke"}:
        del Panel.data[name]
    control_command(name="revoke")(_revoke)


def _revoke(context: Any, task_id: str | list[str], terminate: bool = False, **_: Any) -> Any:
    """Kill the processes of this worker that run one of these tasks, if `terminate`."""
    wanted = {task_id} if isinstance(task_id, str) else set(task_id)
    running = [request for request in tuple(state.reserved_requests) if request.id in wanted] if terminate else []
    for request in running:
        logger.info("stopping %s: it was revoked", request.id)
        request.terminate(context.consumer.pool, signal=signal.Signals.SIGKILL.name)
    return ok(f"{len(running)} tasks stopped")
