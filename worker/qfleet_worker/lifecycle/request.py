# SPDX-License-Identifier: Apache-2.0
"""The requests of tasks that run shards.

They report a dead or late process to the ledger, and know the memory that their shards use. Celery calls their methods
in the worker's main process.
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
from celery.exceptions import Reject
from celery.worker.request import Request
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from qfleet_worker.machine.processor_time import processor_seconds
from qfleet_worker.machine.resources import usable_cores
from qfleet_worker.store import NEEDS_MESSAGE, Store

logger = logging.getLogger(__name__)

#: A process that was sent SIGKILL is dead after a few milliseconds, unless the kernel can't let go of it.
DEATH_SECONDS: Final = 1.0


class _ShardRequest(Request):
    """The request of a task that runs a shard.

    `qfleet_worker.messages.shard_message` makes its arguments and headers.
    """

    store: Store
    publish: Callable[[str, int], None]
    ended: Callable[[Any], None]
    was_short: Callable[[], bool]
    #: whether the machine ran out of memory while the shard ran here
    ran_short = False
    #: whether the ledger was told what became of the shard
    _is_told = False
    #: the processor time of the shard's process when it began the shard
    _began: float | None = None

    @property
    def shard(self) -> tuple[str, int]:
        """Return the job and the index of the shard."""
        job_id, index, *_ = self.args
        return job_id, index

    @property
    def is_chosen(self) -> bool:
        """Tell whether the main process chose the shard; a message names others."""
        return bool(self.args[2])

    @property
    def owner(self) -> str:
        """Return the name of the attempt, or its start.

        The process of a shard that a message named makes the name.
        """
        chosen: str = self.args[2]
        return chosen or self.store.owner_of(self.worker_pid)

    @property
    def grant(self) -> int:
        """Return the bytes of memory that the shard may use."""
        grant: int = self.args[5]
        return grant

    @property
    def tenant(self) -> str:
        """Return the tenant charged with the shard; empty if there is none."""
        tenant: str = self.request_dict["tenant"]
        return tenant

    @property
    def charged(self) -> float:
        """Return the core seconds that the tenant was charged with."""
        charged: float = self.request_dict["charged"]
        return charged

    @property
    def seconds(self) -> float:
        """Return the seconds since the shard began; 0 if it did not."""
        return max(0.0, time.time() - self.time_start) if self.time_start else 0.0

    @property
    def spent(self) -> float:
        """Return the core seconds that the shard has taken in its process.

        Of a process that is gone, nobody knows them: they are those that all its threads could have taken.
        """
        now = processor_seconds(self.worker_pid) if self.time_start else None
        if now is None or self._began is None:
            return self.seconds * (self.args[6] or usable_cores())
        return max(0.0, now - self._began)

    def on_accepted(self, pid: int, time_accepted: float) -> None:
        self._began = processor_seconds(pid)
        super().on_accepted(pid, time_accepted)

    def on_failure(self, exc_info: Any, send_failed_event: bool = True, return_ok: bool = False) -> Any:
        # billiard wraps the errors that it raises in the main process.
        error = getattr(exc_info.exception, "exc", exc_info.exception)
        if isinstance(error, WorkerLostError):
            if _signal_of(str(error)) == signal.SIGKILL and self.was_short():
                # The shard needs no more than predicted: its process is limited to that. It is released below.
                self.ran_short = True
            else:
                self._stopped(cause_of_death(str(error)))
        elif isinstance(error, Reject):
            # This counts as an attempt: a shard that runs out of memory must not do so for ever.
            self._stopped(str(error.reason))
        return super().on_failure(exc_info, send_failed_event, return_ok)

    def on_timeout(self, soft: bool, timeout: float) -> None:
        if not soft:
            error = (
                f"its task took longer than the {timeout:.0f} s that this worker allows "
                "(QFLEET_TIME_LIMIT_SECONDS); raise the limit, or give max_job_size or max_shot_size"
            )
            self._report(lambda: self.store.fail(*self.shard, self.owner, error, spent=self.spent))
        super().on_timeout(soft, timeout)

    def acknowledge(self) -> None:
        if not self.acknowledged:
            super().acknowledge()
            self.ended(self)

    def reject(self, requeue: bool = False) -> None:
        # No message goes back on a queue: kombu's own method ends the worker if a full Redis refuses the message.
        if not self.acknowledged:
            self.acknowledge()
            if requeue and not self._is_told:
                self.release()

    def release(self) -> None:
        """Let another worker choose the shard.

        The attempt isn't counted.
        """
        if self.is_chosen or self.time_start:
            self._put_back(lambda: self.store.release(*self.shard, self.owner, spent=self.spent))
        else:
            # A message named it, and its process hasn't claimed it.
            self._report(lambda: self.publish(*self.shard))

    def terminate(self, pool: Any, signal: Any = None) -> None:
        if self.time_start and not self._is_run():
            # The process has finished this shard, and may run another one (celery #2142).
            return
        self._kill(pool, signal)

    def abandon(self, pool: Any) -> None:
        """Kill the process of a shard that belongs elsewhere by now."""
        self._kill(pool, signal.Signals.SIGKILL.name)

    def _kill(self, pool: Any, sign: Any) -> None:
        process = self.worker_pid if self.time_start else None
        super().terminate(pool, sign)
        if process is not None and _is_gone(process):
            self._stopped("")

    def _is_run(self) -> bool:
        try:
            return self.store.runs(*self.shard, self.owner)
        except RedisError:
            return True

    def _stopped(self, cause: str) -> None:
        self._put_back(lambda: self.store.stopped(*self.shard, self.owner, cause, spent=self.spent))

    def _put_back(self, move: Callable[[], int]) -> None:
        """Tell the ledger that the shard doesn't run here.

        A shard that needs a message gets one.
        """

        def report() -> None:
            if move() == NEEDS_MESSAGE:
                self.publish(*self.shard)

        self._report(report)

    def _report(self, report: Callable[[], object]) -> None:
        self._is_told = True
        try:
            report()
        except (RedisError, OperationalError) as exc:
            logger.warning("could not tell what became of shard %s; it will be missed: %s", self.id, exc)


def shard_request(
    store: Store,
    publish: Callable[[str, int], None],
    ended: Callable[[Any], None],
    was_short: Callable[[], bool],
) -> type[Request]:
    """Return the class of the requests of a task that runs shards.

    Args:
        store: the store that the requests report to.
        publish: a function that puts a message for a shard on the queue, given its job id and index.
        ended: a function that is called with each request that is over.
        was_short: a function that tells, after a process was killed, whether the machine ran out of memory, and shards
            are given less from now on.
    """
    functions = {"publish": staticmethod(publish), "ended": staticmethod(ended), "was_short": staticmethod(was_short)}
    return type("ShardRequest", (_ShardRequest,), {"store": store, **functions})


def cause_of_death(text: str) -> str:
    """Return the cause of a process's death, from billiard's error text."""
    number = _signal_of(text)
    if number is None:
        code = re.search(r"exitcode (\d+)", text)
        return f"exit code {code[1]}" if code else "for no reason that is known"
    name = signal.Signals(number).name if number in set(signal.Signals) else ""
    hint = ", which is also how Linux ends a process when memory runs out" if number == signal.SIGKILL else ""
    return f"signal {number} ({name}){hint}"


def _signal_of(text: str) -> int | None:
    """Return the signal that killed a process, from billiard's error text."""
    killed = re.search(r"signal (\d+)", text)
    return int(killed[1]) if killed else None


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
