# SPDX-License-Identifier: Apache-2.0
"""The weights of tenants, which decide their shares, and their usage."""

from __future__ import annotations

import math
import numbers
from typing import Any, Final

from qfleet.errors import InvalidOptionError
from qfleet.wire.redis import keys
from qfleet.wire.redis.fields import SchedField
from qfleet.wire.redis.references import is_tenant

#: The least and the largest weight.
_LEAST, _LARGEST = 0.01, 100.0
_USUAL: Final = 1.0


def read_weight(client: Any, tenant: str) -> float:
    """Return a tenant's weight. Raises redis-py's errors.

    Args:
        client: a ``redis.Redis``.
        tenant: the tenant.
    """
    try:
        weight = float(client.hget(keys.WEIGHTS, tenant) or _USUAL)
    except ValueError:
        return _USUAL
    return weight if 0 < weight < math.inf else _USUAL


def read_usage(client: Any, tenant: str) -> float:
    """Return a tenant's core seconds. Raises redis-py's errors.

    Args:
        client: a ``redis.Redis``.
        tenant: the tenant.
    """
    try:
        usage = float(client.hget(keys.USED, tenant) or 0)
    except ValueError:
        return 0.0
    return usage if 0 < usage < math.inf else 0.0


def write_weight(client: Any, tenant: str, weight: object) -> None:
    """Set a tenant's weight. Raises redis-py's errors.

    Args:
        client: a ``redis.Redis``.
        tenant: the tenant.
        weight: the weight; 1 is that of a tenant without one.

    Raises:
        InvalidOptionError: no tenant has this name, or the weight isn't allowed.
    """
    if not is_tenant(tenant):
        raise InvalidOptionError(f"tenant={tenant!r}: no tenant has this name", option="tenant", value=tenant)
    if isinstance(weight, bool) or not isinstance(weight, numbers.Real) or not _LEAST <= float(weight) <= _LARGEST:
        text = f"weight={weight!r}: a number from {_LEAST:g} to {_LARGEST:g} is needed"
        raise InvalidOptionError(text, option="weight", value=weight)
    with client.pipeline(transaction=True) as pipe:
        if float(weight) == _USUAL:
            pipe.hdel(keys.WEIGHTS, tenant)
        else:
            pipe.hset(keys.WEIGHTS, tenant, repr(float(weight)))
        pipe.hset(keys.SCHED, SchedField.WEIGHTED, 1)
        pipe.execute()
