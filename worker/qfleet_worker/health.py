# SPDX-License-Identifier: Apache-2.0
"""The health check of a container: a worker of this machine is up."""

from __future__ import annotations

import redis

from qfleet.wire.redis.broker import Broker
from qfleet_worker.store import Store, connect


def is_healthy(broker: Broker, machine: str) -> bool:
    """Tell whether a worker of a machine, or container, has renewed its presence lately.

    Args:
        broker: The Redis of the fleet.
        machine: The machine's id, from `qfleet.wire.messages.machine.machine_id`.

    Returns:
        False, too, if Redis doesn't answer.
    """
    try:
        return Store(connect(broker, retries=1), "").is_up_on(machine)
    except redis.RedisError:
        return False
