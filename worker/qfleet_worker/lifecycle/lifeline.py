# SPDX-License-Identifier: Apache-2.0
"""The end of a local fleet with the process that started it.

The starting process holds the other end of the worker's standard input. The input ends when that process ends, even if
it was killed. The worker then stops the private server, removes the fleet's folder, and ends itself.
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
    """End the server, its folder and this process with standard input.

    A thread waits for the end of the input.

    Args:
        broker: the private server of the fleet.
        folder: the path of the fleet's folder.
    """
    descriptor = os.dup(sys.stdin.fileno())

    def wait() -> None:
        # Not through sys.stdin: the processes of the pool, forked meanwhile, would inherit its lock while it is held.
        while os.read(descriptor, 1024):
            pass
        with contextlib.suppress(redis.RedisError):
            # No retry: a server that has shut down doesn't answer.
            redis.Redis(retry=Retry(NoBackoff(), 0), **broker.client_options).shutdown(nosave=True)
        shutil.rmtree(folder, ignore_errors=True)
        os.killpg(os.getpgrp(), signal.SIGKILL)

    threading.Thread(target=wait, name="lifeline", daemon=True).start()
