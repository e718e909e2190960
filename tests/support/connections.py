# SPDX-License-Identifier: Apache-2.0
"""Connections of a test's own, beside those that providers keep to themselves."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager

import redis

from qfleet import FleetProvider
from qfleet.ledger.connection import Connection
from qfleet.ledger.hub import EventHub
from qfleet.wire.redis.broker import parse_broker


@contextmanager
def connected(provider: FleetProvider) -> Iterator[Connection]:
    """Yield a new connection to a provider's Redis, closed at the end."""
    with closing(Connection(parse_broker(provider.url), provider.tenant)) as connection:
        yield connection


class _ConnectionTo(Connection):
    def __init__(self, client: redis.Redis) -> None:
        super().__init__(parse_broker("redis://not-used"))
        self._given = client

    @property
    def client(self) -> redis.Redis:
        return self._given


def connection_to(client: redis.Redis) -> Connection:
    """Return a connection that uses a client, such as a fake one."""
    return _ConnectionTo(client)


class ConnectionWithHub(Connection):
    """A connection to a real Redis with a given hub.

    The hub is closed with it.
    """

    def __init__(self, url: str, hub: EventHub) -> None:
        super().__init__(parse_broker(url))
        self._own_hub = hub

    @property
    def hub(self) -> EventHub:
        """Return the hub."""
        return self._own_hub

    def close(self) -> None:
        """Close the hub, too."""
        self._own_hub.close()
        super().close()


def connection_of(provider: FleetProvider) -> Connection:
    """Return the connection that a provider shares with its backends and jobs."""
    return provider._connection


def hub_of(provider: FleetProvider) -> EventHub:
    """Return the hub by which a provider learns of its jobs' ends."""
    return connection_of(provider).hub
