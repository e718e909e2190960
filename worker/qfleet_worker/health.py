# SPDX-License-Identifier: Apache-2.0
"""The health check of a container with a worker."""

from __future__ import annotations

import redis

from qfleet.wire.redis.broker import Broker
from qfleet_worker.store import Store, connect


def is_healthy(broker: Broker, machine: str) -> bool:
    """Tell whether a worker of a machine has renewed its presence recently.

    Args:
        broker: the Redis of the fleet.
        machine: the id of the machine or container, from `qfleet.wire.messages.machine.machine_id`.

    Returns:
        False also if Redis doesn't answer.
    """
    try:
        return Store(connect(broker, retries=1), "").is_up_on(machine)
    except redis.RedisError:
        return False
