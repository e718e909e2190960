# SPDX-License-Identifier: Apache-2.0
"""Shows, every few seconds, that this worker takes tasks, and which shards it has."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import msgspec
from celery import bootsteps
from celery.worker import state
from redis.exceptions import RedisError

from qfleet.wire.messages.presence import PERIOD_SECONDS, Presence
from qfleet_worker.store import Store

logger = logging.getLogger(__name__)


def presence_step(
    store: Store, presence: Presence, report: Callable[[], dict[str, Any]] = dict
) -> type[bootsteps.StartStopStep]:
    """A step of Celery's consumer that renews the presence from the loop that takes the tasks.

    A worker whose loop hangs thus stops to show itself. `report` gives the fields that change as time goes by.
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
            if self._timer is None:  # told to stop before it got so far as to take tasks
                return
            self.stop(consumer)
            try:
                store.leave()
            except RedisError as exc:
                logger.warning("could not take this worker off the list of workers: %s", exc)

        def _show(self) -> None:
            # Each message that was taken off the queue, whether its task runs yet or not.
            holds = tuple(sorted(request.id for request in tuple(state.reserved_requests)))
            try:
                store.show(msgspec.structs.replace(presence, holds=holds, **report()))
            except RedisError as exc:
                logger.warning("could not renew this worker's presence: %s", exc)

    return PresenceStep
