# SPDX-License-Identifier: Apache-2.0
"""Hands back, after a time of grace, what a worker that was told to stop doesn't get done.

At the first SIGTERM Celery takes no more messages, puts those back whose task doesn't run yet, and waits for the
others. Whoever sent the signal may be less patient: ``docker stop`` kills after 10 s, Kubernetes after 30. So the
ledger is told at once that the worker's end is not the fault of what it runs.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

import psutil
from celery.signals import worker_shutting_down
from celery.worker import state
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from qfleet_worker.store import Store

logger = logging.getLogger(__name__)

#: How soon a shard is excused that was begun just before the signal came.
_LOOK_SECONDS: Final = 0.5


def limit_shutdown(store: Store, grace_seconds: float, publish: Callable[[str, int], None]) -> None:
    """From the first signal to stop on, allow running shards this time; then hand them back and end all at once."""

    def excuse_until(deadline: float) -> None:
        excused: set[str] = set()
        while (left := deadline - time.monotonic()) > 0:
            try:
                for request in _running():
                    if request.id not in excused:
                        store.excuse(*request.args)
                        excused.add(request.id)
            except RedisError as exc:
                logger.warning("could not note that this worker stops: %s", exc)
            time.sleep(min(left, _LOOK_SECONDS))

    def hand_back() -> None:
        try:
            for request in _running():
                job_id, index = request.args
                if store.release(job_id, index):
                    publish(job_id, index)
            store.leave()
            logger.warning("shards that still ran after %.0f s of grace were handed back", grace_seconds)
        except (RedisError, OperationalError) as exc:
            logger.warning("could not hand all shards back; other workers will miss them: %s", exc)
        for child in psutil.Process().children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                child.send_signal(signal.SIGKILL)
        os._exit(0)

    def end(deadline: float) -> None:
        excuse_until(deadline)
        hand_back()

    def begin(**_: Any) -> None:
        threading.Thread(target=end, args=(time.monotonic() + grace_seconds,), name="shutdown", daemon=True).start()

    worker_shutting_down.connect(begin, weak=False)


def outlast_termination() -> None:
    """Let this process of the pool outlast a SIGTERM: its worker, which gets one too, stops it in its own time.

    systemd, a process group and some container runtimes signal every process at once.
    """
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def _running() -> list[Any]:
    """Return the requests that processes of the pool are at."""
    while True:
        # Celery's own thread may change the set meanwhile.
        with suppress(RuntimeError):
            return list(state.active_requests)
