# SPDX-License-Identifier: Apache-2.0
"""What this machine, or this container, has for a worker: memory and cores."""

from __future__ import annotations

import math
from typing import Final

import psutil
from celery.utils.sysinfo import available_cpu_count

from qfleet_worker.machine.cgroups import cpu_quota, memory_limit

#: The rest is for the operating system, Python and Redis.
USABLE_FRACTION: Final = 0.8


def usable_bytes() -> int:
    """Return the bytes that the shards of one worker may use together, on a machine with this worker alone."""
    total, limit = psutil.virtual_memory().total, memory_limit()
    return int((total if limit is None else min(total, limit)) * USABLE_FRACTION)


def usable_cores() -> int:
    """Return the number of cores that this process may use: those of its affinity, and no more than its CPU quota.

    A part of a core counts as one.
    """
    cores, quota = int(available_cpu_count()), cpu_quota()
    return cores if quota is None else min(cores, max(1, math.ceil(quota)))
