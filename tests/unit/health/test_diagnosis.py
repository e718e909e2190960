# SPDX-License-Identifier: Apache-2.0
"""Each check of a fleet: when it finds a problem, what it says, and that it doesn't cry wolf."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from make_jobs import make_presence

from qfleet.errors import BrokerModeError, BrokerPermissionError
from qfleet.health.diagnosis import diagnose
from qfleet.health.finding import Finding
from qfleet.health.redis_checks import refused
from qfleet.ledger import Facts
from qfleet.wire.messages.presence import Presence


def worker(name: str = "w@host", version: str = "1.0", holds: tuple[str, ...] = (), **changed: Any) -> Presence:
    return make_presence(name, version=version, concurrency=2, holds=holds, **changed)


SLOW = {"engine": "numpy", "engine_reason": "it isn't compiled"}


WELL = Facts(
    tenant="",
    redis_version="7.0.15",
    valkey_version=None,
    maxmemory_policy="noeviction",
    append_only=True,
    in_memory=False,
    save="",
    writes_succeed=True,
    clock_ahead_seconds=0.1,
    client_version="1.0",
    missing_rights=(),
    workers=(worker(),),
    silent_workers=(),
    damaged_workers=(),
    tokens=5,
    waiting_shards=5,
    unplaceable_jobs={},
    gone_jobs=(),
    damaged_jobs=(),
    damaged_keys=(),
    orphan_keys=(),
)


def finding(check: str, **changed: Any) -> Finding:
    """Return the findings of one check, and assert that the others are those of a fleet that is well."""
    findings = {found.check: found for found in diagnose(dataclasses.replace(WELL, **changed))}
    well = {found.check: found for found in diagnose(WELL)}
    assert list(findings) == list(well)
    found = findings.pop(check)
    del well[check]
    assert {name: other.verdict for name, other in findings.items()} == dict.fromkeys(well, "ok")
    return found


def test_a_fleet_that_is_well() -> None:
    findings = diagnose(WELL)
    assert {found.verdict for found in findings} == {"ok"}
    assert all(found.text and not found.remedy for found in findings)
    assert len({found.check for found in findings}) == len(findings)


@pytest.mark.parametrize(
    ("check", "changed", "text", "remedy"),
    [
        ("Redis version", {"redis_version": "6.0.16"}, "6.0.16", "install Redis 6.2 or newer"),
        ("Redis version", {"redis_version": "5.0.7"}, "5.0.7", "install"),
        (
            "engine",
            {"workers": (worker("a@host", **SLOW), worker())},
            "numpy, the slower one, on a@host: it isn't",
            "warm",
        ),
        ("engine", {"workers": (worker(**SLOW), worker(**SLOW, compiling=True))}, "it isn't compiled", "qfleet warm"),
        ("maxmemory-policy", {"maxmemory_policy": "allkeys-lru"}, "allkeys-lru: when memory is full", "CONFIG SET"),
        ("maxmemory-policy", {"maxmemory_policy": "volatile-ttl"}, "volatile-ttl", "noeviction"),
        ("appendonly", {"append_only": False}, "all jobs are lost", "CONFIG SET appendonly yes"),
        ("appendonly", {"append_only": False, "save": "3600 1"}, "only snapshots (save 3600 1)", "appendonly yes"),
        ("appendonly", {"append_only": False, "save": None}, "newer than the last snapshot", "appendonly yes"),
        ("Redis's disk", {"writes_succeed": False}, "failed", "free space"),
        ("clock", {"clock_ahead_seconds": 7.25}, "this machine is 7.2 s ahead of Redis", "NTP"),
        ("clock", {"clock_ahead_seconds": -7.25}, "7.2 s behind Redis", "NTP"),
        ("workers", {"workers": (), "tokens": 5}, "none is up", "qfleet worker --url"),
        ("workers", {"workers": (worker(draining=True),)}, "for 0 tasks at a time; draining: w@host", "--undo"),
        ("versions", {"workers": (worker(), worker("x@y", "0.9"))}, "1.0 here, and 0.9 on x@y", "pip install"),
        ("silent workers", {"silent_workers": ("a@b",)}, "a@b disappeared without", "removed after a day"),
        ("queue", {"waiting_shards": 8, "tokens": 5}, "5 tokens for 8 waiting tasks: some were lost", "within"),
        ("large jobs", {"unplaceable_jobs": {"j1": "its 40 qubits"}}, "j1 waits: its 40 qubits", "qfleet cancel"),
        ("active jobs", {"gone_jobs": ("j1", "j2")}, "j1, j2 listed as active", "ZREM qfleet:unfinished"),
        ("workers' records", {"damaged_workers": ("odd",)}, "odd: the record", "HDEL qfleet:workers"),
        (
            "fleet's keys",
            {"damaged_keys": ("qfleet:ids (a sorted set)",)},
            "qfleet:ids (a sorted set): the key",
            "UNLINK KEY",
        ),
        ("damaged jobs", {"damaged_jobs": ("j1", "\\xff")}, "j1, \\xff can't be read", "ZREM qfleet:unfinished"),
        ("Redis rights", {"missing_rights": ("SCAN (add +scan)",)}, "may not use SCAN (add +scan)", "docs/redis.md"),
        ("orphan keys", {"orphan_keys": tuple("abcde")}, "a, b, c and 2 more", "UNLINK"),
    ],
)
def test_a_problem(check: str, changed: dict[str, Any], text: str, remedy: str) -> None:
    found = finding(check, **changed)
    assert found.verdict == "problem"
    assert text in found.text
    assert remedy in found.remedy


def test_a_worker_that_drains_is_no_problem_beside_another() -> None:
    found = finding("workers", workers=(worker(), worker("x@y", draining=True)))
    assert (found.verdict, found.text) == ("ok", "2 up, for 2 tasks at a time; draining: x@y")


@pytest.mark.parametrize(
    ("check", "changed"),
    [
        ("Redis version", {"redis_version": None}),
        ("maxmemory-policy", {"maxmemory_policy": None}),
        ("appendonly", {"append_only": None}),
        ("Redis's disk", {"writes_succeed": None}),
    ],
)
def test_what_cant_be_seen_is_no_problem(check: str, changed: dict[str, Any]) -> None:
    found = finding(check, **changed)
    assert found.verdict == "unknown"
    assert "can't be checked" in found.text
    assert found.remedy


@pytest.mark.parametrize(
    ("check", "changed"),
    [
        ("Redis version", {"redis_version": "6.2.0"}),
        ("Redis version", {"redis_version": "255.255.255"}),
        # Valkey says which Redis it is like, and that never changes
        ("Redis version", {"redis_version": "7.2.4", "valkey_version": "9.1.2"}),
        ("Redis version", {"redis_version": None, "valkey_version": "9.1.2"}),
        # a local fleet without a folder
        ("appendonly", {"append_only": False, "in_memory": True}),
        ("clock", {"clock_ahead_seconds": 1.9}),
        ("appendonly", {"save": "3600 1"}),
        # Messages that a worker has, or has taken just now.
        ("queue", {"waiting_shards": 9, "workers": (worker(holds=("a", "b")),)}),
        ("queue", {"waiting_shards": 0}),
    ],
)
def test_what_is_no_problem(check: str, changed: dict[str, Any]) -> None:
    assert finding(check, **changed).verdict == "ok"


def test_valkey_has_its_own_version() -> None:
    assert finding("Redis version", redis_version="7.2.4", valkey_version="9.1.2").text == "Valkey 9.1.2"


def test_a_redis_that_became_durable_is_no_local_fleet_any_more() -> None:
    assert finding("appendonly", in_memory=True).text == "yes"


def test_all_names_are_there_for_machines() -> None:
    keys = tuple(f"key{number}" for number in range(100))
    assert finding("orphan keys", orphan_keys=keys).names == keys


@pytest.mark.parametrize(
    ("error", "check", "remedy"),
    [
        (BrokerModeError("it runs in cluster mode"), "Redis mode", "Sentinel"),
        (BrokerPermissionError("may not use HVALS (add +hvals)"), "Redis rights", "docs/redis.md"),
    ],
)
def test_a_redis_that_refuses_is_a_finding(
    error: BrokerModeError | BrokerPermissionError, check: str, remedy: str
) -> None:
    found = refused(error)
    assert (found.check, found.verdict, found.text) == (check, "problem", str(error))
    assert remedy in found.remedy
    assert check in {finding.check for finding in diagnose(WELL)}


def test_an_engine_that_is_being_compiled_is_no_problem_and_still_told() -> None:
    found = finding("engine", workers=(worker(engine="numpy", engine_reason="it is being compiled", compiling=True),))
    assert (found.verdict, found.remedy) == ("ok", "")
    assert "it is being compiled" in found.text
    assert finding("engine", workers=(worker(engine="statevector"), worker())).names == ()
