# SPDX-License-Identifier: Apache-2.0
"""Hands back, after a time of grace, what a worker that was told to stop doesn't get done.

At the first SIGTERM Celery takes no more messages, puts those back whose task doesn't run yet, and waits for the
others.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import psutil
from celery.signals import worker_shutting_down
from celery.worker import state
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from qfleet_worker.store import Store

logger = logging.getLogger(__name__)


def limit_shutdown(store: Store, grace_seconds: float, publish: Callable[[str, int], None]) -> None:
    """From the first signal to stop on, allow running shards this time; then hand them back and end all at once."""

    def hand_back() -> None:
        try:
            # Celery's own thread may change the set meanwhile.
            for request in tuple(state.active_requests):
                job_id, index = request.args
                if store.release(str(job_id), int(index)):
                    publish(str(job_id), int(index))
            store.leave()
            logger.warning("shards that still ran after %.0f s of grace were handed back", grace_seconds)
        except (RedisError, OperationalError, RuntimeError) as exc:
            logger.warning("could not hand all shards back; other workers will miss them: %s", exc)
        for child in psutil.Process().children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                child.send_signal(signal.SIGKILL)
        os._exit(0)

    def begin(**_: Any) -> None:
        timer = threading.Timer(grace_seconds, hand_back)
        timer.daemon = True
        timer.start()

    worker_shutting_down.connect(begin, weak=False)
