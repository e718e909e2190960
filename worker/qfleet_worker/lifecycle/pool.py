# SPDX-License-Identifier: Apache-2.0
"""A frequent check for processes of the pool that died.

A pipe should tell billiard's main process of a death. But the main process keeps the writing end of the pipe open, so
Celery notices a death only at its next check, up to 5 s later. The shard and the process's slot would wait until then.
"""

from __future__ import annotations

from typing import Any, Final

from celery import bootsteps

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
