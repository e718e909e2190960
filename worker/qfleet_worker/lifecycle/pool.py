# SPDX-License-Identifier: Apache-2.0
"""The pool of processes that run shards.

A pipe should tell billiard's main process of a death. But the main process keeps the writing end of the pipe open, so
Celery notices a death only at its next check, up to 5 s later. The shard and the process's slot would wait until then.

When a worker stops, or loses its broker, Celery forgets the requests that no process has accepted yet: its brokers
deliver them again. A shard was chosen for this worker. One that no process got would wait for the search for lost ones,
and one that a process got would run unknown to the worker: it couldn't be cancelled, and its process would seem free.
"""

from __future__ import annotations

from typing import Any, Final

from celery import bootsteps
from celery.concurrency import asynpool, prefork
from celery.worker.state import task_reserved

#: A check is one waitpid for each process.
CHECK_SECONDS: Final = 0.25


class PoolStep(bootsteps.StartStopStep):
    """A step of Celery's consumer that checks the processes of the pool."""

    requires = ("celery.worker.consumer.tasks:Tasks",)
    _timer: Any = None

    def start(self, consumer: Any) -> None:
        """Start the checks."""
        self._timer = consumer.timer.call_repeatedly(CHECK_SECONDS, consumer.pool.maintain_pool)

    def stop(self, consumer: Any) -> None:  # noqa: ARG002 - Celery's signature
        """Stop the checks."""
        if self._timer is not None:
            self._timer.cancel()


class _Processes(asynpool.AsynPool):
    def flush(self) -> None:
        """Release the shards that no process got, and keep the others."""
        unsent = list(self.outbound_buffer)
        sent = [job for job in self._cache.values() if not job._accepted and job not in unsent]
        for job in sent:
            job._accepted = True
        super().flush()
        for job in sent:
            job._accepted = job._time_accepted is not None
            if not job.ready():
                task_reserved(_request_of(job))
        for job in unsent:
            _request_of(job).reject(requeue=True)


def _request_of(job: Any) -> Any:
    """Return the request of a job of the pool.

    The job's callbacks are methods of the request.
    """
    return job._timeout_callback.__self__


class TaskPool(prefork.TaskPool):
    """Celery's pool of processes, which forgets no shard."""

    Pool = _Processes
