# SPDX-License-Identifier: Apache-2.0
"""Whether a worker of this machine is up, for a container's health check."""

from __future__ import annotations

import redis

from qfleet.wire.redis.broker import Broker
from qfleet_worker.store import Store, connect


def is_healthy(broker: Broker, machine: str) -> bool:
    """Tell whether a worker of a machine, or container, has renewed its presence lately, as Redis knows it.

    Args:
        machine: see `qfleet.wire.messages.machine.machine_id`.
    """
    try:
        return Store(connect(broker, retries=1), "").is_up_on(machine)
    except redis.RedisError:
        return False
