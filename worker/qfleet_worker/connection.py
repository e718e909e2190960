# SPDX-License-Identifier: Apache-2.0
"""The worker's connections to Redis."""

from __future__ import annotations

from typing import Any, Final

import redis
from celery.app.amqp import AMQP
from kombu.connection import Connection
from redis.backoff import ExponentialWithJitterBackoff
from redis.retry import Retry
from redis.sentinel import Sentinel

from qfleet.wire.redis.broker import Broker

#: The longest pause between two attempts of Celery to connect, in seconds.
RECONNECT_SECONDS: Final = 4.0
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


class _Connection(Connection):
    """Celery's connection, which is tried again every few seconds.

    Celery's own pauses grow to half a minute. After a long outage, a worker would stay away for that time.
    """

    def ensure_connection(self, *args: Any, **options: Any) -> Any:
        return super().ensure_connection(*args, **{"interval_max": RECONNECT_SECONDS} | options)  # type: ignore[no-untyped-call]


class Messaging(AMQP):
    """Celery's messaging for a worker."""

    Connection = _Connection
