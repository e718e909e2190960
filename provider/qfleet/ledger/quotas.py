# SPDX-License-Identifier: Apache-2.0
"""The quotas of tenants: the most that each may have."""

from __future__ import annotations

from typing import Any, Final, NamedTuple, TypedDict

from qfleet.errors import InvalidOptionError
from qfleet.wire.redis import keys
from qfleet.wire.redis.fields import SchedField
from qfleet.wire.redis.references import is_tenant

_LARGEST: Final = 2**53


class Quotas(NamedTuple):
    """The most that a tenant may have; ``None`` sets no limit."""

    #: shards that run at the same time
    running: int | None = None
    #: circuits in jobs that haven't ended; each parameter set counts as one
    circuits: int | None = None
    #: bytes of memory that these jobs take in Redis
    bytes: int | None = None


class QuotaKeywords(TypedDict, total=False):
    """Quotas to set; see `Quotas`."""

    running: int | None
    circuits: int | None
    bytes: int | None


def read_quotas(client: Any, tenant: str) -> Quotas:
    """Return a tenant's quotas. Raises redis-py's errors.

    Args:
        client: a ``redis.Redis``.
        tenant: the tenant.
    """
    raw = client.hmget(keys.QUOTAS, [f"{name}:{tenant}" for name in Quotas._fields])
    return Quotas(*(int(value) if value is not None and value.isdigit() else None for value in raw))


def write_quotas(client: Any, tenant: str, quotas: QuotaKeywords) -> None:
    """Set some of a tenant's quotas. Raises redis-py's errors.

    Args:
        client: a ``redis.Redis``.
        tenant: the tenant.
        quotas: the most of each of `Quotas`; ``None`` removes the limit.

    Raises:
        InvalidOptionError: no tenant has this name, or a quota isn't a whole number.
    """
    if not is_tenant(tenant):
        raise InvalidOptionError(f"tenant={tenant!r}: no tenant has this name", option="tenant", value=tenant)
    for name, most in quotas.items():
        if most is not None and (isinstance(most, bool) or not isinstance(most, int) or not 0 < most < _LARGEST):
            text = f"{name}={most!r}: a whole number from 1, or None, is needed"
            raise InvalidOptionError(text, option=name, value=most)
    with client.pipeline(transaction=True) as pipe:
        for name, most in quotas.items():
            if most is None:
                pipe.hdel(keys.QUOTAS, f"{name}:{tenant}")
            else:
                pipe.hset(keys.QUOTAS, f"{name}:{tenant}", most)
        pipe.hset(keys.SCHED, SchedField.QUOTAS, 1)
        pipe.execute()
