# SPDX-License-Identifier: Apache-2.0
"""The end of a worker that was told to stop.

After a grace period, the worker hands back its unfinished shards.

At the first SIGTERM Celery takes no more shards, and waits for those that it has. The sender of the signal may be less
patient: ``docker stop`` kills after 10 s, Kubernetes after 30 s. So the ledger learns at once that the shards of this
worker aren't the cause of its end.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from contextlib import suppress
from typing import Any, Final

import psutil
from celery.signals import worker_shutting_down
from redis.exceptions import RedisError

from qfleet.wire.messages.presence import PERIOD_SECONDS
from qfleet_worker.lifecycle.held import held_requests
from qfleet_worker.lifecycle.presence import SignOfLife
from qfleet_worker.store import Store

logger = logging.getLogger(__name__)

#: A shard that began just before the signal is excused after this time at most.
_CHECK_SECONDS: Final = 0.5


class _Shutdown:
    """The steps from the first stop signal to the worker's end."""

    def __init__(self, store: Store, sign: SignOfLife, grace_seconds: float) -> None:
        self._store = store
        self._sign = sign
        self._grace_seconds = grace_seconds

    def begin(self, **_: Any) -> None:
        """Start the thread that ends this worker."""
        deadline = time.monotonic() + self._grace_seconds
        threading.Thread(target=self._end, args=(deadline,), name="shutdown", daemon=True).start()

    def _end(self, deadline: float) -> None:
        self._excuse_until(deadline)
        # Other workers choose them at once.
        self._sign.withdraw()
        logger.warning("shards that still ran after %.0f s of grace were handed back", self._grace_seconds)
        for child in psutil.Process().children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                child.send_signal(signal.SIGKILL)
        os._exit(0)

    def _excuse_until(self, deadline: float) -> None:
        """Record an excuse for each shard held before a deadline.

        If this worker is killed, the attempt doesn't count against these shards. If it isn't, its presence tells other
        workers that it still runs them.
        """
        excused: set[str] = set()
        renewed = time.monotonic()
        while (left := deadline - time.monotonic()) > 0:
            if time.monotonic() - renewed >= PERIOD_SECONDS:
                self._sign.renew()
                renewed = time.monotonic()
            try:
                for request in held_requests():
                    if request.id not in excused:
                        job_id, index = request.shard
                        self._store.excuse(job_id, index, request.owner)
                    if request.time_start:
                        excused.add(request.id)
            except RedisError as exc:
                logger.warning("could not note that this worker stops: %s", exc)
            time.sleep(min(left, _CHECK_SECONDS))


def limit_shutdown(store: Store, sign: SignOfLife, grace_seconds: float) -> None:
    """Limit the time from the first stop signal to this process's end.

    Args:
        store: the store whose shards this worker runs.
        sign: the worker's presence.
        grace_seconds: the seconds that running shards may take.
    """
    worker_shutting_down.connect(_Shutdown(store, sign, grace_seconds).begin, weak=False)


def outlast_termination() -> None:
    """Ignore SIGTERM in this process of the pool.

    systemd, process groups and some container runtimes signal all processes at once. The worker gets the signal too,
    and stops this process in time.
    """
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
