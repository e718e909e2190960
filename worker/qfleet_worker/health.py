# SPDX-License-Identifier: Apache-2.0
"""Whether a worker of this host is up, for a container's health check."""

from __future__ import annotations

import redis

from qfleet.wire.broker import Broker
from qfleet.wire.presence import STALE_SECONDS
from qfleet_worker.store import Store, connect


def is_healthy(broker: Broker, host: str) -> bool:
    """Whether a worker of a host has renewed its presence lately, as Redis knows it."""
    try:
        ages = Store(connect(broker, retries=1), "").ages()
    except redis.RedisError:
        return False
    return any(name.rpartition("@")[2] == host and age < STALE_SECONDS for name, age in ages.items())
