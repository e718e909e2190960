# SPDX-License-Identifier: Apache-2.0
"""The worker's sign of life: it is up, and holds these shards."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

import msgspec
from celery import bootsteps
from redis.exceptions import RedisError

from qfleet.wire.messages.presence import PERIOD_SECONDS, Presence
from qfleet_worker.lifecycle.held import held_requests
from qfleet_worker.store import Store

logger = logging.getLogger(__name__)


class SignOfLife:
    """The presence of this worker, from its first task to its end.

    Args:
        store: the store that keeps the presence.
        presence: the fields as they are at first.
        drain: a function that is told whether the worker shall take no more shards.
    """

    def __init__(self, store: Store, presence: Presence, drain: Callable[[bool], None]) -> None:
        self._store = store
        self._presence = presence
        self._drain = drain
        self._is_shown = False
        #: A thread that stops the worker renews the presence, too.
        self._lock = threading.Lock()

    def show(self, **changed: Any) -> None:
        """Show the presence, or renew it.

        Args:
            changed: the fields that have changed, but for the shards that the worker holds.
        """
        with self._lock:
            self._presence = msgspec.structs.replace(self._presence, **changed)
            self._is_shown = True
        self.renew()

    def renew(self) -> None:
        """Renew the presence if it is shown."""
        with self._lock:
            if not self._is_shown:
                return
            # Every shard that was chosen for this worker, even if its task doesn't run yet.
            holds = tuple(sorted(request.id for request in held_requests()))
            try:
                self._drain(self._store.renew_presence(msgspec.structs.replace(self._presence, holds=holds)))
            except RedisError as exc:
                logger.warning("could not renew this worker's presence: %s", exc)

    def withdraw(self) -> None:
        """Hand back the shards that the worker has, and end its presence."""
        for request in held_requests():
            request.release()
        with self._lock:
            if not self._is_shown:  # the worker was told to stop before it took tasks
                return
            self._is_shown = False
            try:
                self._store.withdraw_presence()
            except RedisError as exc:
                logger.warning("could not take this worker off the list of workers: %s", exc)


def presence_step(sign: SignOfLife, report: Callable[[], dict[str, Any]]) -> type[bootsteps.StartStopStep]:
    """Return a step of Celery's consumer that renews the worker's presence.

    The step runs in the loop that takes tasks, so the presence of a worker whose loop hangs becomes stale.

    Args:
        sign: the worker's presence.
        report: a function that returns the fields that change with time.
    """

    class PresenceStep(bootsteps.StartStopStep):
        requires = ("celery.worker.consumer.tasks:Tasks",)
        _timer: Any = None

        def start(self, consumer: Any) -> None:
            self._show()
            self._timer = consumer.timer.call_repeatedly(PERIOD_SECONDS, self._show)

        def stop(self, consumer: Any) -> None:  # noqa: ARG002 - Celery's signature
            if self._timer is not None:
                self._timer.cancel()

        def shutdown(self, consumer: Any) -> None:
            # The pool has ended. A shard that its processes had not begun is still this worker's.
            self.stop(consumer)
            sign.withdraw()

        def _show(self) -> None:
            sign.show(**report())

    return PresenceStep
