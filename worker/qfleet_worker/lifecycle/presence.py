# SPDX-License-Identifier: Apache-2.0
"""The worker's sign of life: it takes tasks, and holds these shards."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import msgspec
from celery import bootsteps
from redis.exceptions import RedisError

from qfleet.wire.messages.presence import PERIOD_SECONDS, Presence
from qfleet_worker.lifecycle.held import held_requests
from qfleet_worker.store import Store

logger = logging.getLogger(__name__)


def presence_step(
    store: Store, presence: Presence, report: Callable[[], dict[str, Any]], drain: Callable[[bool], None]
) -> type[bootsteps.StartStopStep]:
    """Return a step of Celery's consumer that renews the worker's presence.

    The step runs in the loop that takes tasks, so the presence of a worker whose loop hangs becomes stale.

    Args:
        store: the store that keeps the presence.
        presence: the fields that stay the same.
        report: a function that returns the fields that change with time.
        drain: a function that is told whether the worker shall take no more shards.
    """

    class PresenceStep(bootsteps.StartStopStep):
        requires = ("celery.worker.consumer.tasks:Tasks",)
        _timer: Any = None

        def start(self, consumer: Any) -> None:
            self._renew()
            self._timer = consumer.timer.call_repeatedly(PERIOD_SECONDS, self._renew)

        def stop(self, consumer: Any) -> None:  # noqa: ARG002 - Celery's signature
            if self._timer is not None:
                self._timer.cancel()

        def shutdown(self, consumer: Any) -> None:
            if self._timer is None:  # the worker was told to stop before it took tasks
                return
            self.stop(consumer)
            try:
                store.withdraw_presence()
            except RedisError as exc:
                logger.warning("could not take this worker off the list of workers: %s", exc)

        def _renew(self) -> None:
            # Every shard that was chosen for this worker, even if its task doesn't run yet.
            holds = tuple(sorted(request.id for request in held_requests()))
            try:
                drain(store.renew_presence(msgspec.structs.replace(presence, holds=holds, **report())))
            except RedisError as exc:
                logger.warning("could not renew this worker's presence: %s", exc)

    return PresenceStep
