# SPDX-License-Identifier: Apache-2.0
"""Translation of Redis's and Celery's errors into `qfleet.errors`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import redis.exceptions as of_redis
from kombu.exceptions import BatchPublishError, OperationalError
from redis.sentinel import MasterNotFoundError

from qfleet.errors import (
    BrokerAuthenticationError,
    BrokerError,
    BrokerFullError,
    BrokerModeError,
    BrokerPermissionError,
    BrokerUnreachableError,
)
from qfleet.wire.redis.broker import Broker

_OF_CLUSTERS: Final = (
    of_redis.AskError,
    of_redis.ClusterCrossSlotError,
    of_redis.ClusterError,
    of_redis.RedisClusterException,
)


#: The beginnings of refusals without a class in redis-py, which come from scripts.
_REFUSED: Final = ("noperm", "the user executing the script can't", "acl failure in script")


class UnsuitedServerError(of_redis.RedisError):
    """The server can't hold jobs; the text has the reason."""


def translate(exc: Exception, broker: Broker, missing: Callable[[], tuple[str, ...]] = tuple) -> BrokerError:
    """Return the `BrokerError` for an error of redis-py or kombu.

    The text names the url without its secrets.

    Args:
        exc: the error of redis-py or kombu.
        broker: the Redis that it came from.
        missing: returns the rights that the user lacks; called only if Redis refused a command.
    """
    # kombu wraps what redis-py raised
    wrapped = isinstance(exc, (OperationalError, BatchPublishError)) and isinstance(exc.__cause__, Exception)
    cause = exc.__cause__ if wrapped else exc
    text = str(cause).lower()
    if isinstance(cause, of_redis.NoPermissionError) or text.startswith(_REFUSED):
        return _no_permission(cause, broker, missing())
    kind, message = _translated(cause, text, broker)
    return kind(message, broker=str(broker))


def _no_permission(cause: BaseException | None, broker: Broker, missing: tuple[str, ...]) -> BrokerPermissionError:
    user = broker.client_options.get("username", "default")
    return BrokerPermissionError(
        f"{broker}: {cause}. The Redis user {user!r} may not use {', '.join(missing) or 'what the text says'}. The "
        "page docs/redis.md has the rules that a client and a worker need",
        broker=str(broker),
        missing=missing or None,
    )


def _translated(cause: BaseException | None, text: str, broker: Broker) -> tuple[type[BrokerError], str]:
    """Return the class and the message of a `BrokerError`.

    Args:
        cause: the error of redis-py.
        text: its text in lower case.
        broker: the Redis that it came from.
    """
    if isinstance(cause, UnsuitedServerError):
        return BrokerModeError, f"{broker} can't hold jobs: {cause}"
    if isinstance(cause, (of_redis.ReadOnlyError, of_redis.MasterDownError)):
        # This lasts for a moment after a failover, until this client has heard of the new master.
        message = f"{broker} isn't a master: {cause}. Is a failover under way, and is the url right?"
        return BrokerUnreachableError, message
    if isinstance(cause, _OF_CLUSTERS):
        message = f"{broker} can't hold jobs: it runs in cluster mode, which qfleet doesn't support: {cause}"
        return BrokerModeError, message
    if isinstance(cause, (of_redis.AuthenticationError, of_redis.AuthorizationError)) or "noauth" in text:
        login = "Put the right user and password into the url: redis://user:password@..."
        return BrokerAuthenticationError, f"{broker} refuses the login: {cause}. {login}"
    if isinstance(cause, of_redis.OutOfMemoryError) or text.startswith("oom "):
        message = f"{broker} is out of memory: {cause}. Nothing was stored. Delete old jobs or raise its maxmemory."
        return BrokerFullError, message
    if isinstance(cause, MasterNotFoundError):
        # Its own text contains redis-py's objects in full.
        sentinel = f"no Sentinel there is reachable and knows a master {broker.master_name!r}"
        return BrokerUnreachableError, f"no Redis answers at {broker}: {sentinel}"
    if isinstance(cause, of_redis.ConnectionError) and text.startswith("no connection available"):
        return BrokerUnreachableError, (
            f"all connections of this client to {broker} have been busy for too long: does Redis answer? "
            "?max_connections=... in the url allows more"
        )
    if isinstance(cause, (of_redis.ConnectionError, of_redis.TimeoutError, OperationalError, OSError)):
        return BrokerUnreachableError, (
            f"no Redis answers at {broker}: {str(cause).rstrip('.')}. Is it running, and is the url right? "
            "FleetProvider.local() or `qfleet up` start a fleet on this machine."
        )
    return BrokerError, f"{broker} answers with an error: {cause}"


@contextmanager
def translate_errors(broker: Broker, missing: Callable[[], tuple[str, ...]] = tuple) -> Iterator[None]:
    """Raise `BrokerError` instead of redis-py's and kombu's errors.

    Args:
        broker: see `translate`.
        missing: see `translate`.
    """
    try:
        yield
    except (of_redis.RedisError, OperationalError, BatchPublishError, OSError) as exc:
        raise translate(exc, broker, missing) from exc
