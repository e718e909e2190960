# SPDX-License-Identifier: Apache-2.0
"""The search for shards that lost their message or their process.

They must be published again.

A message is lost if a worker died between taking it off the queue and running it (celery #4354, kombu #1836), or if a
client died before it had published a whole job. A process is lost with its machine.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Final

from celery import bootsteps
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from qfleet_worker.store import RECONCILE_SECONDS, Store

logger = logging.getLogger(__name__)

#: How long a shard must look lost: longer than a worker takes to report that it holds the shard.
PATIENCE_SECONDS: Final = 4.0


def reconciler_step(store: Store, publish: Callable[[str, int], None]) -> type[bootsteps.StartStopStep]:
    """Return a step of Celery's consumer that publishes lost shards again.

    Args:
        store: the store to search.
        publish: a function that puts a shard on the queue, given its job id and index.
    """

    class ReconcilerStep(bootsteps.StartStopStep):
        requires = ("celery.worker.consumer.tasks:Tasks",)
        _timer: Any = None

        def start(self, consumer: Any) -> None:
            self._timer = consumer.timer.call_repeatedly(RECONCILE_SECONDS, self._look)

        def stop(self, consumer: Any) -> None:  # noqa: ARG002 - Celery's signature
            if self._timer is not None:
                self._timer.cancel()

        def _look(self) -> None:
            try:
                for job_id, index in store.lost(PATIENCE_SECONDS):
                    logger.warning("shard %s of job %s was lost; it goes on the queue again", index, job_id)
                    publish(job_id, index)
            except (RedisError, OperationalError) as exc:
                logger.warning("could not look for lost shards: %s", exc)

    return ReconcilerStep
