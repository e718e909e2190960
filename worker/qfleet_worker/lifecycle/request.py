# SPDX-License-Identifier: Apache-2.0
"""The requests of tasks that run shards.

They report a dead or late process to the ledger. Celery calls their methods in the worker's main process.
"""

from __future__ import annotations

import logging
import re
import signal
import time
from collections.abc import Callable
from typing import Any, Final

import psutil
from billiard.exceptions import WorkerLostError
from celery.worker.request import Request
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from qfleet_worker.store import Store

logger = logging.getLogger(__name__)

#: A process that was sent SIGKILL is dead after a few milliseconds, unless the kernel can't let go of it.
DEATH_SECONDS: Final = 1.0


class _ShardRequest(Request):
    """The request of a task with a job id and shard index."""

    store: Store
    publish: Callable[[str, int], None]

    def on_failure(self, exc_info: Any, send_failed_event: bool = True, return_ok: bool = False) -> Any:
        # billiard wraps the errors that it raises in the main process.
        error = getattr(exc_info.exception, "exc", exc_info.exception)
        if isinstance(error, WorkerLostError):
            cause = cause_of_death(str(error))
            process = self.worker_pid
            self._report(lambda job_id, index: self.store.stopped(job_id, index, process, cause))
        return super().on_failure(exc_info, send_failed_event, return_ok)

    def on_timeout(self, soft: bool, timeout: float) -> None:
        if not soft:
            error = (
                f"its task took longer than the {timeout:.0f} s that this worker allows "
                "(QFLEET_TIME_LIMIT_SECONDS); raise the limit, or give max_job_size or max_shot_size"
            )
            self._report(lambda job_id, index: self.store.fail(job_id, index, error))
        super().on_timeout(soft, timeout)

    def reject(self, requeue: bool = False) -> None:
        # kombu's own method ends the worker if a full Redis refuses the message. The reconciler finds a shard without
        # a message.
        if not self.acknowledged:
            self.acknowledge()
            if requeue:
                self._report(self.publish)

    def terminate(self, pool: Any, signal: Any = None) -> None:
        process = self.worker_pid if self.time_start else None
        if process is not None and not self._is_run_by(process):
            # The process has finished this shard, and may run another one (celery #2142).
            return
        super().terminate(pool, signal)
        if process is not None and _is_gone(process):
            self._report(lambda job_id, index: self.store.stopped(job_id, index, process))

    def _is_run_by(self, process: int) -> bool:
        job_id, index = self.args
        try:
            return self.store.runs(str(job_id), int(index)) == process
        except RedisError:
            return True

    def _report(self, report: Callable[[str, int], None]) -> None:
        job_id, index = self.args
        try:
            report(str(job_id), int(index))
        except (RedisError, OperationalError) as exc:
            logger.warning("could not tell what became of shard %s; it will be missed: %s", self.id, exc)


def shard_request(store: Store, publish: Callable[[str, int], None]) -> type[Request]:
    """Return the class of the requests of a task that runs shards.

    Args:
        store: the store that the requests report to.
        publish: a function that puts a shard on the queue again, given its job id and index.
    """
    return type("ShardRequest", (_ShardRequest,), {"store": store, "publish": staticmethod(publish)})


def cause_of_death(text: str) -> str:
    """Return the cause of a process's death, from billiard's error text."""
    killed = re.search(r"signal (\d+)", text)
    if killed is None:
        code = re.search(r"exitcode (\d+)", text)
        return f"exit code {code[1]}" if code else "for no reason that is known"
    number = int(killed[1])
    name = signal.Signals(number).name if number in set(signal.Signals) else ""
    hint = ", which is also how Linux ends a process when memory runs out" if number == signal.SIGKILL else ""
    return f"signal {number} ({name}){hint}"


def _is_gone(pid: int) -> bool:
    """Wait until a killed process is dead.

    The process isn't reaped: that would hide its end from the pool.

    Returns:
        False if the process isn't dead in time.
    """
    deadline = time.monotonic() + DEATH_SECONDS
    while time.monotonic() < deadline:
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.001)
    return False
