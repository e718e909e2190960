# SPDX-License-Identifier: Apache-2.0
"""Tells the ledger of a process of the pool that died, and why, or whose time was over.

Celery calls these methods in the worker's main process.
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


def shard_request(store: Store, publish: Callable[[str, int], None]) -> type[Request]:
    """The class of the requests of a task whose arguments are (job id, shard index).

    Those that have to run again are put on the queue by ``publish(job_id, index)``.
    """

    class ShardRequest(Request):
        def on_failure(self, exc_info: Any, send_failed_event: bool = True, return_ok: bool = False) -> Any:
            # billiard wraps what it raises in the main process
            error = getattr(exc_info.exception, "exc", exc_info.exception)
            if isinstance(error, WorkerLostError):
                cause = cause_of_death(str(error))
                process = self.worker_pid
                self._tell(lambda job_id, index: store.stopped(job_id, index, process, cause))
            return super().on_failure(exc_info, send_failed_event, return_ok)

        def on_timeout(self, soft: bool, timeout: float) -> None:
            if not soft:
                error = (
                    f"its task took longer than the {timeout:.0f} s that this worker allows "
                    "(QFLEET_TIME_LIMIT_SECONDS); raise the limit, or give max_job_size or max_shot_size"
                )
                self._tell(lambda job_id, index: store.fail(job_id, index, error))
            super().on_timeout(soft, timeout)

        def reject(self, requeue: bool = False) -> None:
            # kombu's own way ends the worker if Redis refuses the message, being full. A shard without one is missed.
            if not self.acknowledged:
                self.acknowledge()
                if requeue:
                    self._tell(publish)

        def terminate(self, pool: Any, signal: Any = None) -> None:
            process = self.worker_pid if self.time_start else None
            if process is not None and not self._is_run_by(process):
                # It is done with this shard, and may be at another one (celery #2142).
                return
            super().terminate(pool, signal)
            if process is not None and _is_gone(process):
                self._tell(lambda job_id, index: store.stopped(job_id, index, process))

        def _is_run_by(self, process: int) -> bool:
            job_id, index = self.args
            try:
                return store.runs(str(job_id), int(index)) == process
            except RedisError:
                return True

        def _tell(self, tell: Callable[[str, int], None]) -> None:
            job_id, index = self.args
            try:
                tell(str(job_id), int(index))
            except (RedisError, OperationalError) as exc:
                logger.warning("could not tell what became of shard %s; it will be missed: %s", self.id, exc)

    return ShardRequest


def cause_of_death(text: str) -> str:
    """Why a process ended, from the text of billiard's error."""
    found = re.search(r"signal (\d+)", text)
    if found is None:
        code = re.search(r"exitcode (\d+)", text)
        return f"exit code {code[1]}" if code else "for no reason that is known"
    number = int(found[1])
    name = signal.Signals(number).name if number in set(signal.Signals) else ""
    hint = ", which is also how Linux ends a process when memory runs out" if number == signal.SIGKILL else ""
    return f"signal {number} ({name}){hint}"


def _is_gone(pid: int) -> bool:
    """Wait for a killed process to be dead. It isn't reaped, which would hide its end from the pool."""
    deadline = time.monotonic() + DEATH_SECONDS
    while time.monotonic() < deadline:
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.001)
    return False
