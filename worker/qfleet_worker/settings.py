# SPDX-License-Identifier: Apache-2.0
"""The settings of a worker, read from its environment at the start."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from qfleet.wire.redis.broker import Broker, parse_broker
from qfleet_worker.machine.resources import usable_cores


class SettingsError(ValueError):
    """A setting of the worker is missing or has a wrong value."""


@dataclass(frozen=True, slots=True)
class Settings:
    """A worker's settings."""

    #: ``QFLEET_URL``
    broker: Broker
    #: ``QFLEET_CONCURRENCY``: how many shards run at the same time, each in its own process; default: one per core
    concurrency: int
    #: ``QFLEET_MEMORY_BYTES``: bytes of memory for all shards together; 0 = this worker's part of 80 % of the machine's
    memory_bytes: int = 0
    #: ``QFLEET_WORKERS_ON_MACHINE``: how many workers share the machine's memory
    workers_on_machine: int = 1
    #: ``QFLEET_MAX_ATTEMPTS``: a shard fails when its process has died this many times
    max_attempts: int = 3
    #: ``QFLEET_TIME_LIMIT_SECONDS``: a shard that runs longer fails; 0 = no limit
    time_limit_seconds: int = 3600
    #: ``QFLEET_GRACE_SECONDS``: how long shards may run on after SIGTERM before they are handed back
    grace_seconds: int = 30
    #: ``QFLEET_UNPLACEABLE_SECONDS``: seconds until a job fails that no worker has the memory for; unset = never
    unplaceable_seconds: int | None = None
    #: ``QFLEET_WARM``: compile the faster engine in the background if it isn't compiled yet
    warm: bool = True
    #: ``QFLEET_LOG_LEVEL``
    log_level: str = "INFO"
    #: ``QFLEET_LIFELINE``: the folder of a private server; when standard input ends, the worker, the server and the
    #: folder end with it
    lifeline: str = ""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Settings:
        """Return the settings that an environment holds.

        Raises:
            SettingsError: a setting is missing or wrong.
            qfleet.wire.redis.broker.BrokerUrlError: the url is wrong.
        """
        url = environment.get("QFLEET_URL", "")
        if not url:
            raise SettingsError(
                "QFLEET_URL isn't set; set it to the Redis of the fleet, such as redis://localhost:6379/0"
            )
        log_level = environment.get("QFLEET_LOG_LEVEL", "INFO").upper()
        if log_level not in ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"):
            raise SettingsError(f"QFLEET_LOG_LEVEL={log_level!r}: DEBUG, INFO, WARNING, ERROR or CRITICAL is needed")
        return cls(
            broker=parse_broker(url),
            concurrency=_integer(environment, "QFLEET_CONCURRENCY", usable_cores(), lowest=1),
            memory_bytes=_integer(environment, "QFLEET_MEMORY_BYTES", 0, lowest=0),
            workers_on_machine=_integer(environment, "QFLEET_WORKERS_ON_MACHINE", 1, lowest=1),
            max_attempts=_integer(environment, "QFLEET_MAX_ATTEMPTS", 3, lowest=1),
            time_limit_seconds=_integer(environment, "QFLEET_TIME_LIMIT_SECONDS", 3600, lowest=0),
            grace_seconds=_integer(environment, "QFLEET_GRACE_SECONDS", 30, lowest=0),
            unplaceable_seconds=(
                _integer(environment, "QFLEET_UNPLACEABLE_SECONDS", 0, lowest=0)
                if environment.get("QFLEET_UNPLACEABLE_SECONDS")
                else None
            ),
            warm=_switch(environment, "QFLEET_WARM", default=True),
            log_level=log_level,
            lifeline=environment.get("QFLEET_LIFELINE", ""),
        )


def _switch(environment: Mapping[str, str], name: str, *, default: bool) -> bool:
    text = environment.get(name, "")
    if text not in ("", "0", "1"):
        raise SettingsError(f"{name}={text!r}: 0 or 1 is needed")
    return text == "1" if text else default


def _integer(environment: Mapping[str, str], name: str, default: int, *, lowest: int) -> int:
    text = environment.get(name, "")
    if not text:
        return default
    if not text.isdecimal() or int(text) < lowest:
        raise SettingsError(f"{name}={text!r}: a whole number, {lowest} or more, is needed")
    return int(text)
