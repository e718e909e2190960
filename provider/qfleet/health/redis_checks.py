# SPDX-License-Identifier: Apache-2.0
"""Checks of the Redis server.

They cover its mode, rights, version, memory policy, durability, disk and clock.
"""

from __future__ import annotations

import re
from typing import Final

from qfleet.errors import BrokerModeError, BrokerPermissionError
from qfleet.health.finding import Finding, unknown
from qfleet.ledger.facts import Facts
from qfleet.wire.redis.preflight import OLDEST_REDIS

#: A larger difference between clocks makes the times of jobs wrong.
CLOCK_SECONDS: Final = 2.0
_MODE: Final = "Redis mode"
_RIGHTS: Final = "Redis rights"
_RIGHTS_REMEDY: Final = "ask the administrator of this Redis to add the rules in docs/redis.md"


def refused(error: BrokerModeError | BrokerPermissionError) -> Finding:
    """Return the finding for a Redis that refuses to be examined."""
    if isinstance(error, BrokerModeError):
        remedy = "use a Redis without cluster mode; Sentinel works for several servers"
        return Finding(_MODE, "problem", str(error), remedy)
    return Finding(_RIGHTS, "problem", str(error), _RIGHTS_REMEDY)


def check_mode(_: Facts) -> Finding:
    """Report that Redis is standalone.

    A client refuses to connect to a Redis in any other mode: see `refused`.
    """
    return Finding(_MODE, "ok", "standalone")


def check_rights(facts: Facts) -> Finding:
    """Check that the client's Redis user has all rights that it needs."""
    if not facts.missing_rights:
        role = f"tenant {facts.tenant}" if facts.tenant else "client"
        return Finding(_RIGHTS, "ok", f"this {role} has all it needs")
    text = f"this client's Redis user may not use {', '.join(facts.missing_rights)}"
    return Finding(_RIGHTS, "problem", text, _RIGHTS_REMEDY, facts.missing_rights)


def check_version(facts: Facts) -> Finding:
    """Check that the server is new enough."""
    check, wanted = "Redis version", ".".join(map(str, OLDEST_REDIS))
    if facts.valkey_version:
        # The first Valkey was made from Redis 7.2.
        return Finding(check, "ok", f"Valkey {facts.valkey_version}")
    numbers = re.match(r"(\d+)\.(\d+)", facts.redis_version or "")
    if numbers is None:
        return unknown(check, "INFO server", f"it must be {wanted} or newer")
    if (int(numbers[1]), int(numbers[2])) < OLDEST_REDIS:
        return Finding(check, "problem", f"{facts.redis_version}", f"install Redis {wanted} or newer, or Valkey")
    return Finding(check, "ok", f"{facts.redis_version}")


def check_memory_policy(facts: Facts) -> Finding:
    """Check that Redis never evicts jobs."""
    check, policy = "maxmemory-policy", facts.maxmemory_policy
    if policy is None:
        return unknown(check, "CONFIG GET maxmemory-policy", "it must be noeviction")
    if policy != "noeviction":
        return Finding(
            check,
            "problem",
            f"{policy}: when memory is full, Redis deletes jobs that are still running",
            "redis-cli CONFIG SET maxmemory-policy noeviction, and the same line in redis.conf",
        )
    return Finding(check, "ok", policy)


def check_durability(facts: Facts) -> Finding:
    """Check that jobs survive a restart of Redis."""
    check, remedy = "appendonly", "redis-cli CONFIG SET appendonly yes, and the same line in redis.conf"
    if facts.append_only is None:
        return unknown(check, "CONFIG GET appendonly", "it should be yes")
    if facts.append_only:
        return Finding(check, "ok", "yes")
    if facts.in_memory:
        return Finding(check, "ok", "no: this local fleet keeps its jobs in memory; `qfleet up --data` stores them")
    if facts.save is None:
        return Finding(check, "problem", "no: jobs newer than the last snapshot are lost if Redis stops", remedy)
    if facts.save:
        text = f"no, only snapshots (save {facts.save}): jobs newer than the last one are lost if Redis stops"
        return Finding(check, "problem", text, remedy)
    return Finding(check, "problem", "no, and no snapshots either: all jobs are lost if Redis stops", remedy)


def check_disk(facts: Facts) -> Finding:
    """Check that Redis could write to its disk."""
    check = "Redis's disk"
    if facts.writes_succeed is None:
        return unknown(check, "INFO persistence", "the last write to disk should have succeeded")
    if not facts.writes_succeed:
        remedy = "see the log of Redis, and free space on its disk: it may refuse jobs until it can write"
        return Finding(check, "problem", "the last write of its data failed", remedy)
    return Finding(check, "ok", "the last write succeeded")


def check_clock(facts: Facts) -> Finding:
    """Check that this machine's clock agrees with that of Redis."""
    ahead = facts.clock_ahead_seconds
    text = f"this machine is {abs(ahead):.1f} s {'ahead of' if ahead > 0 else 'behind'} Redis"
    if abs(ahead) <= CLOCK_SECONDS:
        return Finding("clock", "ok", text)
    return Finding("clock", "problem", text, "synchronize both clocks with NTP; `timedatectl` shows whether it is on")
