# SPDX-License-Identifier: Apache-2.0
"""The settings that a client reads from its environment.

Not public.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from qfleet.errors import InvalidOptionError

DEFAULT_RETENTION_SECONDS = 7 * 86_400


@dataclass(frozen=True, slots=True)
class Settings:
    """A client's settings."""

    #: ``QFLEET_URL``: the url of the fleet's Redis; empty if it isn't set
    url: str = ""
    #: ``QFLEET_RETENTION_SECONDS``: the time that a job is kept after its end
    retention_seconds: int = DEFAULT_RETENTION_SECONDS

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
        return cls(url=environment.get("QFLEET_URL", ""), retention_seconds=int(retention))
