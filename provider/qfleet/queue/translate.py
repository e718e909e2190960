# SPDX-License-Identifier: Apache-2.0
"""The one place where errors of Redis and of Celery become ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import redis.exceptions as of_redis
from kombu.exceptions import BatchPublishError, OperationalError
from redis.sentinel import MasterNotFoundError

from qfleet.errors import BrokerAuthenticationError, BrokerError, BrokerFullError, BrokerUnreachableError
from qfleet.wire.broker import Broker


def translate(exc: Exception, broker: Broker) -> BrokerError:
    """Our error for one of redis-py's or kombu's; it names the url without its password."""
    # kombu wraps what redis-py raised
    wrapped = isinstance(exc, (OperationalError, BatchPublishError)) and isinstance(exc.__cause__, Exception)
    cause = exc.__cause__ if wrapped else exc
    text = str(cause).lower()
    if (
        isinstance(cause, (of_redis.AuthenticationError, of_redis.AuthorizationError, of_redis.NoPermissionError))
        or "noauth" in text
    ):
        return BrokerAuthenticationError(
            f"{broker} refuses the login: {cause}. Put the right user and password into the url: redis://user:password@..."
        )
    if isinstance(cause, of_redis.OutOfMemoryError) or text.startswith("oom "):
        return BrokerFullError(
            f"{broker} is out of memory: {cause}. Nothing was stored. Delete old jobs or raise its maxmemory."
        )
    if isinstance(cause, MasterNotFoundError):
        # Its own text holds the whole of redis-py's objects.
        return BrokerUnreachableError(
            f"no Redis answers at {broker}: no Sentinel there is reachable and knows a master {broker.master_name!r}"
        )
    if isinstance(cause, (of_redis.ReadOnlyError, of_redis.MasterDownError)):
        # As for a moment after a failover, until this client has heard of the new master.
        return BrokerUnreachableError(f"{broker} is no master: {cause}. Is a failover under way, and is the url right?")
    if isinstance(cause, (of_redis.ConnectionError, of_redis.TimeoutError, OperationalError, OSError)):
        return BrokerUnreachableError(
            f"no Redis answers at {broker}: {str(cause).rstrip('.')}. Is it running, and is the url right? "
            "FleetProvider.local() or `qfleet up` start a fleet on this machine."
        )
    return BrokerError(f"{broker} answers with an error: {cause}")


@contextmanager
def translated(broker: Broker) -> Iterator[None]:
    """Raise our errors in place of those of redis-py and kombu."""
    try:
        yield
    except (of_redis.RedisError, OperationalError, BatchPublishError, OSError) as exc:
        raise translate(exc, broker) from exc
