# SPDX-License-Identifier: Apache-2.0
"""Connections of a test's own, beside those that providers keep to themselves."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager

from qfleet import FleetProvider
from qfleet.ledger.connection import Connection
from qfleet.wire.redis.broker import parse_broker


@contextmanager
def connected(provider: FleetProvider) -> Iterator[Connection]:
    """Yield a new connection to the Redis of a provider, closed at the end."""
    with closing(Connection(parse_broker(provider.url))) as connection:
        yield connection
