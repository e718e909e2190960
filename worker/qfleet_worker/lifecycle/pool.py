# SPDX-License-Identifier: Apache-2.0
"""Notices at once that a process of the pool died.

billiard's parent keeps the writing end of the pipe that should tell it, so that Celery notices at its next look, up to
5 s later; until then the shard waits, and the process's slot with it.
"""

from __future__ import annotations

from typing import Any, Final

from celery import bootsteps

#: A look is one waitpid for each process.
LOOK_SECONDS: Final = 0.25


class PoolStep(bootsteps.StartStopStep):
    """A step of Celery's consumer that looks after the pool's processes."""

    requires = ("celery.worker.consumer.tasks:Tasks",)
    _timer: Any = None

    def start(self, consumer: Any) -> None:
        """Begin to look."""
        self._timer = consumer.timer.call_repeatedly(LOOK_SECONDS, consumer.pool.maintain_pool)

    def stop(self, consumer: Any) -> None:  # noqa: ARG002 - Celery's signature
        """Look no more."""
        if self._timer is not None:
            self._timer.cancel()
