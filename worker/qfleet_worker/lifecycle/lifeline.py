# SPDX-License-Identifier: Apache-2.0
"""A local fleet ends with the process that started it, even if that was killed.

The starter holds the other end of the worker's standard input. When it is gone, input ends: the worker then stops the
private server, which has nobody else to stop it, removes the fleet's folder, and ends itself.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import threading

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from qfleet.wire.redis.broker import Broker


def follow_stdin(broker: Broker, folder: str) -> None:
    """From now on, end the server, its folder and this process when standard input ends."""

    descriptor = os.dup(sys.stdin.fileno())

    def wait() -> None:
        # Not through sys.stdin: its lock would be held in the pool's processes, which are forked meanwhile.
        while os.read(descriptor, 1024):
            pass
        with contextlib.suppress(redis.RedisError):
            # once: a server that has shut down gives no answer
            redis.Redis(retry=Retry(NoBackoff(), 0), **broker.client_options).shutdown(nosave=True)
        shutil.rmtree(folder, ignore_errors=True)
        os.killpg(os.getpgrp(), signal.SIGKILL)

    threading.Thread(target=wait, name="lifeline", daemon=True).start()
