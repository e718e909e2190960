# SPDX-License-Identifier: Apache-2.0
"""The thread that looks for what went astray in the ledger.

A message or a process is lost if a worker died between taking a message off the queue and running it (celery #4354,
kombu #1836), or with its machine; a token, with the connection on which it came.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

from celery import bootsteps
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from qfleet_worker.search import LOOK_SECONDS, Search

logger = logging.getLogger(__name__)


def reconciler_step(search: Search, publish: Callable[[str, int], None]) -> type[bootsteps.StartStopStep]:
    """Return a step of Celery's consumer that starts the search.

    The search runs every few seconds in a thread of its own, which outlasts the consumer's connections.

    Args:
        search: the search.
        publish: a function that puts a shard of a job of version 0.1 on the queue, given its job id and index.
    """
    ended = threading.Event()
    thread = threading.Thread(target=_look_until, args=(ended, search, publish), name="reconciler", daemon=True)

    class ReconcilerStep(bootsteps.StartStopStep):
        requires = ("celery.worker.consumer.tasks:Tasks",)

        def start(self, consumer: Any) -> None:  # noqa: ARG002 - Celery's signature
            if thread.ident is None:
                thread.start()

        def stop(self, consumer: Any) -> None:
            pass

        def shutdown(self, consumer: Any) -> None:  # noqa: ARG002 - Celery's signature
            ended.set()

    return ReconcilerStep


def _look_until(ended: threading.Event, search: Search, publish: Callable[[str, int], None]) -> None:
    while not ended.wait(LOOK_SECONDS):
        try:
            for job_id, index in search.look():
                logger.warning("shard %s of job %s was lost; it goes on the queue again", index, job_id)
                publish(job_id, index)
        except (RedisError, OperationalError) as exc:
            logger.warning("could not look for what went astray: %s", exc)
        except Exception:
            logger.exception("a defect in the search for what went astray; it goes on")
