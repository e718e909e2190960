# SPDX-License-Identifier: Apache-2.0
"""The worker's connections to Redis."""

from __future__ import annotations

from typing import Any, Final

import redis
from redis.backoff import ExponentialWithJitterBackoff
from redis.retry import Retry
from redis.sentinel import Sentinel

from qfleet.wire.redis.broker import Broker

#: Enough retries to outlast an outage of about two minutes.
PATIENT: Final = 30


def connect(broker: Broker, *, retries: int = PATIENT) -> redis.Redis:
    """Return a client of Redis that outlasts a short outage.

    So no shard's result is lost.

    Args:
        broker: the Redis to connect to.
        retries: how often a command is tried again, with growing pauses.
    """
    retry = Retry(ExponentialWithJitterBackoff(base=0.1, cap=5.0), retries)
    if broker.sentinels:
        sentinel: Any = Sentinel(broker.sentinels, retry=retry, **broker.client_options)  # type: ignore[no-untyped-call]
        client: redis.Redis = sentinel.master_for(broker.master_name)
        return client
    return redis.Redis(retry=retry, **broker.client_options)
