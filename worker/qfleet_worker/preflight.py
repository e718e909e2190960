# SPDX-License-Identifier: Apache-2.0
"""The check of Redis before a worker starts."""

from __future__ import annotations

import logging
import time
from contextlib import closing
from typing import Final

import redis

from qfleet.wire.redis.broker import Broker
from qfleet.wire.redis.preflight import problems
from qfleet_worker.connection import connect

logger = logging.getLogger(__name__)

#: The pauses between two attempts to reach Redis: the first one, and the longest one.
_PAUSES_SECONDS: Final = (0.2, 5.0)


def refusal_reason(broker: Broker) -> str:
    """Return the reason why this worker can't use its Redis.

    The function asks a Redis that doesn't answer again until it does.

    Returns:
        One line; empty if the worker can use it.
    """
    pause = _PAUSES_SECONDS[0]
    while True:
        with closing(connect(broker, retries=0)) as client:
            try:
                faults = problems(client, "worker", broker.client_options["db"])
            except redis.AuthenticationError as exc:
                return f"{broker} refuses the login: {exc}; put the right user and password into QFLEET_URL"
            except (redis.ConnectionError, redis.TimeoutError) as exc:
                logger.warning("no Redis answers at %s: %s; trying again in %.1f s", broker, exc, pause)
            except redis.RedisError as exc:
                return f"{broker} answers with an error: {exc}"
            else:
                return f"{broker} can't be used: {'; '.join(faults)}. See docs/redis.md" if faults else ""
        time.sleep(pause)
        pause = min(2 * pause, _PAUSES_SECONDS[1])
