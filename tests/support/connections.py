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
    with closing(Connection(parse_broker(provider.url))) as connection:
        yield connection


def connection_to(client: redis.Redis) -> Connection:
    """Return a connection that uses a client, such as a fake one."""
    connection = Connection(parse_broker("redis://not-used"))
    connection._client = client
    return connection


def hub_of(provider: FleetProvider) -> EventHub:
    """Return the hub by which a provider learns of its jobs' ends."""
    return provider._connection.hub
