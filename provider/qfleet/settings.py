# SPDX-License-Identifier: Apache-2.0
"""The settings that a client reads from its environment.

Not public.
"""

from __future__ import annotations

import getpass
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass

from qfleet.errors import InvalidOptionError
from qfleet.wire.redis.broker import Broker
from qfleet.wire.redis.references import MOST_TENANT_LETTERS, is_tenant

DEFAULT_RETENTION_SECONDS = 7 * 86_400


@dataclass(frozen=True, slots=True)
class Settings:
    """A client's settings."""

    #: ``QFLEET_URL``: the url of the fleet's Redis; empty if it isn't set
    url: str = ""
    #: ``QFLEET_RETENTION_SECONDS``: the time that a job is kept after its end
    retention_seconds: int = DEFAULT_RETENTION_SECONDS
    #: ``QFLEET_TENANT``: the tenant that a client's jobs belong to; empty if it isn't set
    tenant: str = ""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Settings:
        """Return the settings in an environment.

        Args:
            environment: the environment variables.

        Raises:
            InvalidOptionError: a value isn't allowed.
        """
        retention = environment.get("QFLEET_RETENTION_SECONDS", str(DEFAULT_RETENTION_SECONDS))
        if not retention.isdecimal() or not 1 <= int(retention) < 2**31:
            raise InvalidOptionError(
                f"QFLEET_RETENTION_SECONDS={retention!r}: a whole number of seconds from 1 to {2**31 - 1} is needed",
                option="QFLEET_RETENTION_SECONDS",
                value=retention,
            )
        tenant = environment.get("QFLEET_TENANT", "")
        return cls(
            url=environment.get("QFLEET_URL", ""),
            retention_seconds=int(retention),
            tenant=_checked("QFLEET_TENANT", tenant) if tenant else "",
        )


def choose_tenant(broker: Broker, given: str | None, setting: str) -> str:
    """Return the tenant that a client's jobs belong to.

    It is the Redis user; without one, the first that is named of: the argument, the url, the setting, the login name.

    Args:
        broker: the Redis.
        given: the argument ``tenant``.
        setting: `Settings.tenant`.

    Raises:
        InvalidOptionError: no tenant has this name, or the Redis user is another tenant.
    """
    named = _checked("tenant", given) if given is not None else broker.tenant
    user = broker.client_options.get("username", "")
    if user in ("", "default"):
        return named or setting or _as_tenant(_login())
    tenant = _as_tenant(user)
    if named and named != tenant:
        raise InvalidOptionError(
            f"tenant={named!r}: the url logs in to Redis as a user, which is the tenant; name no other",
            option="tenant",
            value=named,
        )
    return tenant


def _checked(option: str, name: object) -> str:
    if not isinstance(name, str) or not is_tenant(name):
        raise InvalidOptionError(
            f"{option}={name!r}: at most {MOST_TENANT_LETTERS} letters, digits or the signs . _ @ - are needed",
            option=option,
            value=name,
        )
    return name


def _login() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user without a name, as in some containers
        return f"uid-{os.getuid()}"


def _as_tenant(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._@-]", "-", name)[:MOST_TENANT_LETTERS]
