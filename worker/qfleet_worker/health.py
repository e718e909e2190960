# SPDX-License-Identifier: Apache-2.0
"""The health check of a container with a worker."""

from __future__ import annotations

import math
from contextlib import closing
from typing import Any

import msgspec
import redis

from qfleet.wire.limits import MAX_RECORD_BYTES
from qfleet.wire.messages.presence import STALE_SECONDS
from qfleet.wire.redis import keys
from qfleet.wire.redis.broker import Broker
from qfleet_worker.connection import connect


class _Glimpse(msgspec.Struct, frozen=True):
    """The fields of a `Presence` that workers of all versions write."""

    seen: float
    machine: str = ""


_decoder = msgspec.json.Decoder(_Glimpse)


def is_healthy(broker: Broker, machine: str) -> bool:
    """Tell whether a worker of a machine has renewed its presence recently.

    Args:
        broker: the Redis of the fleet.
        machine: the id of the machine or container, from `qfleet.wire.messages.machine.machine_id`.

    Returns:
        False also if Redis doesn't answer.
    """
    try:
        with closing(connect(broker, retries=1)) as client:
            return is_up_on(client, machine)
    except redis.RedisError:
        return False


def is_up_on(client: Any, machine: str) -> bool:
    """Tell whether a worker of a machine is up. Raises redis-py's errors.

    Args:
        client: a ``redis.Redis``.
        machine: the id of the machine or container.
    """
    now, _ = client.time()
    glimpses = map(_glimpse, client.hgetall(keys.WORKERS).values())
    return any(glimpse.machine == machine and abs(now - glimpse.seen) < STALE_SECONDS for glimpse in glimpses)


def _glimpse(presence: bytes) -> _Glimpse:
    """Return what a record says; a damaged one is from long ago."""
    try:
        if len(presence) <= MAX_RECORD_BYTES:
            return _decoder.decode(presence)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        pass
    return _Glimpse(seen=-math.inf)
