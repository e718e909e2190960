# SPDX-License-Identifier: Apache-2.0
"""Is this fleet well, and if not, what has to be done? A pure function of what was seen."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal

from qfleet.errors import BrokerModeError, BrokerPermissionError
from qfleet.ledger.facts import Facts
from qfleet.wire.messages.presence import SLOWER_ENGINE
from qfleet.wire.redis.preflight import OLDEST_REDIS

#: Clocks that differ by more make the times of jobs wrong.
CLOCK_SECONDS: Final = 2.0
#: How many keys, jobs or workers a text names.
_NAMED: Final = 3
_MODE: Final = "Redis mode"
_RIGHTS: Final = "Redis rights"
_RIGHTS_REMEDY: Final = "ask who runs this Redis to add the rules: docs/redis.md has them all"

Verdict = Literal["ok", "problem", "unknown"]


@dataclass(frozen=True, slots=True)
class Finding:
    """The outcome of one check."""

    check: str
    verdict: Verdict
    #: what was seen
    text: str
    #: what to do; empty if it is ok
    remedy: str = ""
    #: all the workers, jobs or keys that are meant; the text names the first of them
    names: tuple[str, ...] = ()


def diagnose(facts: Facts) -> list[Finding]:
    """One finding for each check, always in the same order."""
    return [
        _mode(),
        _rights(facts),
        _redis_version(facts),
        _memory_policy(facts),
        _durability(facts),
        _disk(facts),
        _clock(facts),
        _workers(facts),
        _versions(facts),
        _engines(facts),
        _silent_workers(facts),
        _damaged_workers(facts),
        _messages(facts),
        _gone_jobs(facts),
        _damaged_jobs(facts),
        _damaged_keys(facts),
        _orphan_keys(facts),
    ]


def refused(error: BrokerModeError | BrokerPermissionError) -> Finding:
    """Return the finding for a Redis that doesn't let a fleet be looked at."""
    if isinstance(error, BrokerModeError):
        remedy = "run a Redis without cluster mode, and name that; several servers work with Sentinel"
        return Finding(_MODE, "problem", str(error), remedy)
    return Finding(_RIGHTS, "problem", str(error), _RIGHTS_REMEDY)


def _mode() -> Finding:
    # A client refuses to connect to any other: see `refused`.
    return Finding(_MODE, "ok", "standalone")


def _rights(facts: Facts) -> Finding:
    if not facts.missing_rights:
        return Finding(_RIGHTS, "ok", "this client's are enough")
    text = f"this client's Redis user may not use {', '.join(facts.missing_rights)}"
    return Finding(_RIGHTS, "problem", text, _RIGHTS_REMEDY, facts.missing_rights)


def _redis_version(facts: Facts) -> Finding:
    check, wanted = "Redis version", ".".join(map(str, OLDEST_REDIS))
    if facts.valkey_version:
        # its first one was made from Redis 7.2
        return Finding(check, "ok", f"Valkey {facts.valkey_version}")
    numbers = re.match(r"(\d+)\.(\d+)", facts.redis_version or "")
    if numbers is None:
        return _unseen(check, "INFO server", f"it must be {wanted} or newer")
    if (int(numbers[1]), int(numbers[2])) < OLDEST_REDIS:
        return Finding(check, "problem", f"{facts.redis_version}", f"install Redis {wanted} or newer, or Valkey")
    return Finding(check, "ok", f"{facts.redis_version}")


def _memory_policy(facts: Facts) -> Finding:
    check, policy = "maxmemory-policy", facts.maxmemory_policy
    if policy is None:
        return _unseen(check, "CONFIG GET maxmemory-policy", "it must be noeviction")
    if policy != "noeviction":
        return Finding(
            check,
            "problem",
            f"{policy}: when memory is full, Redis deletes jobs that still run",
            "redis-cli CONFIG SET maxmemory-policy noeviction, and the same line in redis.conf",
        )
    return Finding(check, "ok", policy)


def _durability(facts: Facts) -> Finding:
    check, remedy = "appendonly", "redis-cli CONFIG SET appendonly yes, and the same line in redis.conf"
    if facts.append_only is None:
        return _unseen(check, "CONFIG GET appendonly", "it should be yes")
    if facts.append_only:
        return Finding(check, "ok", "yes")
    if facts.in_memory:
        return Finding(check, "ok", "no: this local fleet keeps its jobs in memory; `qfleet up --data` stores them")
    if facts.save is None:
        return Finding(check, "problem", "no: jobs that came after the last snapshot are lost with Redis", remedy)
    if facts.save:
        text = f"no, only snapshots (save {facts.save}): jobs that came after the last one are lost with Redis"
        return Finding(check, "problem", text, remedy)
    return Finding(check, "problem", "no, and no snapshots either: when Redis stops all jobs are lost", remedy)


def _disk(facts: Facts) -> Finding:
    check = "Redis's disk"
    if facts.writes_succeed is None:
        return _unseen(check, "INFO persistence", "the last write to disk should have succeeded")
    if not facts.writes_succeed:
        remedy = "see the log of Redis, and make room on its disk: it may refuse jobs until it can write"
        return Finding(check, "problem", "the last write of its data failed", remedy)
    return Finding(check, "ok", "the last write succeeded")


def _clock(facts: Facts) -> Finding:
    ahead = facts.clock_ahead_seconds
    text = f"this machine is {abs(ahead):.1f} s {'ahead of' if ahead > 0 else 'behind'} Redis"
    if abs(ahead) <= CLOCK_SECONDS:
        return Finding("clock", "ok", text)
    return Finding("clock", "problem", text, "set both clocks by NTP; `timedatectl` shows whether that is on")


def _workers(facts: Facts) -> Finding:
    number = len(facts.workers)
    if not number:
        return Finding("workers", "problem", "none is up: jobs wait", "start one: qfleet worker --url URL")
    slots = sum(worker.concurrency for worker in facts.workers)
    return Finding("workers", "ok", f"{number} up, for {slots} tasks at a time")


def _versions(facts: Facts) -> Finding:
    here = facts.client_version
    others = [worker for worker in facts.workers if worker.version != here]
    if not others:
        return Finding("versions", "ok", f"qfleet {here} here and on every worker")
    names = tuple(worker.name for worker in others)
    theirs = ", ".join(sorted({worker.version for worker in others}))
    return Finding(
        "versions",
        "problem",
        f"qfleet {here} here, and {theirs} on {_some(names)}",
        f"pip install qfleet=={here} on the workers, or their version here",
        names,
    )


def _engines(facts: Facts) -> Finding:
    check = "engine"
    slow = [worker for worker in facts.workers if worker.engine == SLOWER_ENGINE]
    if not slow:
        return Finding(check, "ok", "no worker runs circuits with the slower one")
    names = tuple(worker.name for worker in slow)
    reasons = "; ".join(sorted({worker.engine_reason for worker in slow}))
    text = f"{SLOWER_ENGINE}, the slower one, on {_some(names)}: {reasons}"
    if all(worker.compiling for worker in slow):
        return Finding(check, "ok", text, names=names)
    return Finding(check, "problem", text, "run `qfleet warm`, once on each of their machines", names)


def _silent_workers(facts: Facts) -> Finding:
    if not facts.silent_workers:
        return Finding("silent workers", "ok", "none")
    return Finding(
        "silent workers",
        "problem",
        f"{_some(facts.silent_workers)} stopped to show up, and took no leave: killed, hung, or cut off",
        "look at that machine; the record of a worker that is gone for good is dropped after a day",
        facts.silent_workers,
    )


def _damaged_workers(facts: Facts) -> Finding:
    if not facts.damaged_workers:
        return Finding("workers' records", "ok", "all can be read")
    return Finding(
        "workers' records",
        "problem",
        f"{_some(facts.damaged_workers)}: what stands there wasn't written by a worker of this version",
        'redis-cli HDEL qfleet:workers "NAME" for each',
        facts.damaged_workers,
    )


def _messages(facts: Facts) -> Finding:
    # A worker may have taken some that it has not reported yet.
    accounted = facts.messages + sum(len(worker.holds) + worker.concurrency for worker in facts.workers)
    text = f"{facts.messages} messages for {facts.waiting_shards} tasks that wait"
    if facts.waiting_shards <= accounted:
        return Finding("queue", "ok", text)
    remedy = "none, if a worker is up: it publishes lost ones again within a minute. Otherwise start one"
    return Finding("queue", "problem", f"{text}: some were lost", remedy)


def _gone_jobs(facts: Facts) -> Finding:
    if not facts.gone_jobs:
        return Finding("active jobs", "ok", "all are there")
    return Finding(
        "active jobs",
        "problem",
        f"{_some(facts.gone_jobs)} called active, and not there: deleted while running, or evicted",
        "none, if a worker is up: it strikes them off. Otherwise: redis-cli ZREM qfleet:active ID",
        facts.gone_jobs,
    )


def _damaged_jobs(facts: Facts) -> Finding:
    if not facts.damaged_jobs:
        return Finding("damaged jobs", "ok", "none")
    return Finding(
        "damaged jobs",
        "problem",
        f"{_some(facts.damaged_jobs)} can't be read: something else than qfleet wrote to this Redis",
        'for each: redis-cli ZREM qfleet:active "ID", ZREM qfleet:jobs "ID", UNLINK "qfleet:job:ID"',
        facts.damaged_jobs,
    )


def _damaged_keys(facts: Facts) -> Finding:
    if not facts.damaged_keys:
        return Finding("fleet's keys", "ok", "each has its type")
    return Finding(
        "fleet's keys",
        "problem",
        f"{', '.join(facts.damaged_keys)}: what stands there is of another type, and wasn't written by qfleet",
        "find what writes there, then: redis-cli UNLINK KEY. It is made anew; older jobs may be missing from lists",
        facts.damaged_keys,
    )


def _orphan_keys(facts: Facts) -> Finding:
    if not facts.orphan_keys:
        return Finding("orphan keys", "ok", "none")
    return Finding(
        "orphan keys",
        "problem",
        f"{_some(facts.orphan_keys)} of jobs that are not there",
        "redis-cli UNLINK KEY for each; --json lists them all",
        facts.orphan_keys,
    )


def _unseen(check: str, command: str, wanted: str) -> Finding:
    text = f"could not be checked: this Redis doesn't allow {command}"
    return Finding(check, "unknown", text, f"ask who runs it: {wanted}")


def _some(names: tuple[str, ...]) -> str:
    """The first of some names, and how many more there are."""
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")
