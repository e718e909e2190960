# SPDX-License-Identifier: Apache-2.0
"""The thread that serves the inboxes of tenants.

It has a connection of its own: what a tenant wants, such as a cancel, doesn't wait until a process of this worker is
free.
"""

from __future__ import annotations

import logging
import threading
from typing import Any, Final

from celery import bootsteps
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from qfleet_worker.inbox import Inbox

logger = logging.getLogger(__name__)

#: The longest wait in seconds; the thread ends at most this long after the worker was told to stop.
_WAIT_SECONDS: Final = 5.0
#: Seconds until the next attempt after an error.
_PAUSE_SECONDS: Final = 1.0


def doorkeeper_step(inbox: Inbox, answer_seconds: float) -> type[bootsteps.StartStopStep]:
    """Return a step of Celery's consumer that serves the inboxes.

    Args:
        inbox: the inboxes.
        answer_seconds: seconds after which an answer of Redis counts as lost.
    """
    ended = threading.Event()
    arguments = (ended, inbox, min(_WAIT_SECONDS, answer_seconds / 2))
    thread = threading.Thread(target=_serve_until, args=arguments, name="doorkeeper", daemon=True)

    class DoorkeeperStep(bootsteps.StartStopStep):
        requires = ("celery.worker.consumer.tasks:Tasks",)

        def start(self, consumer: Any) -> None:  # noqa: ARG002 - Celery's signature
            if thread.ident is None:
                thread.start()

        def stop(self, consumer: Any) -> None:
            pass

        def shutdown(self, consumer: Any) -> None:  # noqa: ARG002 - Celery's signature
            ended.set()

    return DoorkeeperStep


def _serve_until(ended: threading.Event, inbox: Inbox, seconds: float) -> None:
    while not ended.is_set():
        try:
            inbox.wait(seconds)
        except (RedisError, OperationalError) as exc:
            logger.warning("could not serve the inboxes of tenants: %s", exc)
            ended.wait(_PAUSE_SECONDS)
        except Exception:
            logger.exception("the inboxes of tenants could not be served")
            ended.wait(_PAUSE_SECONDS)
