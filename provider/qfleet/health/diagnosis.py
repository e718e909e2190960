# SPDX-License-Identifier: Apache-2.0
"""The diagnosis of a fleet: one finding for each check."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from qfleet.health import fleet_checks, redis_checks
from qfleet.health.finding import Finding
from qfleet.ledger.facts import Facts

#: In the order of the report.
CHECKS: Final[tuple[Callable[[Facts], Finding], ...]] = (
    redis_checks.check_mode,
    redis_checks.check_rights,
    redis_checks.check_version,
    redis_checks.check_memory_policy,
    redis_checks.check_durability,
    redis_checks.check_disk,
    redis_checks.check_clock,
    fleet_checks.check_workers,
    fleet_checks.check_versions,
    fleet_checks.check_engines,
    fleet_checks.check_silent_workers,
    fleet_checks.check_worker_records,
    fleet_checks.check_queue,
    fleet_checks.check_unplaceable_jobs,
    fleet_checks.check_active_jobs,
    fleet_checks.check_damaged_jobs,
    fleet_checks.check_fleet_keys,
    fleet_checks.check_orphan_keys,
)


#: Those that the user of a tenant may make.
TENANT_CHECKS: Final[tuple[Callable[[Facts], Finding], ...]] = (
    redis_checks.check_mode,
    redis_checks.check_rights,
    redis_checks.check_clock,
    fleet_checks.check_workers,
    fleet_checks.check_versions,
    fleet_checks.check_engines,
)


def diagnose(facts: Facts) -> list[Finding]:
    """Return one finding for each check, always in the same order."""
    return [check(facts) for check in (TENANT_CHECKS if facts.tenant else CHECKS)]
