# SPDX-License-Identifier: Apache-2.0
"""redis-py clients for a broker."""

from __future__ import annotations

from typing import Any, Final

import redis
from redis.backoff import NoBackoff
from redis.maint_notifications import MaintNotificationsConfig
from redis.retry import Retry
from redis.sentinel import Sentinel, SentinelConnectionPool

from qfleet.ledger.translation import UnsuitedServerError
from qfleet.wire.redis.broker import CONNECT_TIMEOUT_SECONDS, READ_TIMEOUT_SECONDS, Broker
from qfleet.wire.redis.preflight import why_unsuited

#: The largest number of connections of one client, unless the url has another. Threads wait for a free one.
MAX_CONNECTIONS: Final = 32


class _SentinelPool(SentinelConnectionPool, redis.BlockingConnectionPool):
    """A pool of connections to a Sentinel's master.

    Threads wait for a free connection.
    """


def connect(broker: Broker, *, max_connections: int = MAX_CONNECTIONS) -> redis.Redis:
    """Return a redis-py client for a broker, not connected yet.

    It gives up after two attempts.

    Args:
        broker: the broker.
        max_connections: the largest number of connections, unless the url has another.
    """
    options = dict(broker.client_options)
    read_timeout = options["socket_timeout"]
    connect_timeout = options.get("socket_connect_timeout", CONNECT_TIMEOUT_SECONDS)

    def log_in(connection: Any) -> None:
        connection.on_connect_check_health(check_health=False)
        connection.update_current_socket_timeout(read_timeout)
        _check_mode(connection)

    options |= {
        "retry": Retry(NoBackoff(), 1),
        # Applies until the server has answered once: it may accept the connection and then be silent.
        "socket_timeout": min(connect_timeout, read_timeout),
        "redis_connect_func": log_in,
        "maint_notifications_config": MaintNotificationsConfig(enabled=False),
    }
    pool: dict[str, Any] = {
        "max_connections": options.pop("max_connections", max_connections),
        # At the end of this time each connection is free or has failed.
        "timeout": READ_TIMEOUT_SECONDS,
    }
    if broker.sentinels:
        # The Sentinels are asked in turn, each twice: together they get the time of one attempt.
        seconds = connect_timeout / len(broker.sentinels)
        of_sentinels = {"socket_connect_timeout": seconds, "socket_timeout": seconds, "retry": Retry(NoBackoff(), 0)}
        sentinel: Any = Sentinel(broker.sentinels, sentinel_kwargs=of_sentinels, **options)  # type: ignore[no-untyped-call]
        client: redis.Redis = sentinel.master_for(broker.master_name, connection_pool_class=_SentinelPool, **pool)
        return client
    kind: type[Any] = redis.Connection
    path = options.pop("unix_socket_path", None)
    if path is not None:
        kind = redis.UnixDomainSocketConnection
        options["path"] = path
    elif options.pop("ssl", False):
        kind = redis.SSLConnection
    waited_for: Any = redis.BlockingConnectionPool(connection_class=kind, **pool, **options)  # type: ignore[no-untyped-call]
    return redis.Redis.from_pool(waited_for)


def checked_connection(pool: Any) -> Any:
    """Return an open connection of a pool.

    It is tested if it was idle for long.
    """
    connection = pool.get_connection()
    try:
        connection.check_health()
    except BaseException:
        pool.release(connection)
        raise
    return connection


def run_once(pipe: Any) -> list[Any]:
    """Run a transaction once, and return its answers and errors.

    redis-py would repeat it if the connection breaks: by then a worker may have begun what it stored.
    """
    connection = pipe.connection = checked_connection(pipe.connection_pool)
    retry, connection.retry = connection.retry, Retry(NoBackoff(), 0)
    try:
        answers: list[Any] = pipe.execute(raise_on_error=False)
    finally:
        connection.retry = retry
    return answers


def _check_mode(connection: Any) -> None:
    """Check that a server can hold jobs, before any other command.

    Raises:
        UnsuitedServerError: it can't.
    """
    hello: object = getattr(connection, "handshake_metadata", None)
    if not hello:  # RESP2 logs in without HELLO
        connection.send_command("HELLO", check_health=False)
        try:
            hello = connection.read_response()
        except redis.ResponseError:
            return
    reason = why_unsuited(hello)
    if reason:
        raise UnsuitedServerError(reason)
