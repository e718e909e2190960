# SPDX-License-Identifier: Apache-2.0
"""The memory and cores that this machine or container offers."""

from __future__ import annotations

import math
from typing import Final

import psutil
from celery.utils.sysinfo import available_cpu_count

from qfleet_worker.machine.cgroups import cpu_quota, memory_limit

#: The rest of the memory is for the operating system, Python and Redis.
USABLE_FRACTION: Final = 0.8


def usable_bytes() -> int:
    """Return the bytes that all shards of a worker may use together.

    No other worker must share the machine.
    """
    total, limit = psutil.virtual_memory().total, memory_limit()
    return int((total if limit is None else min(total, limit)) * USABLE_FRACTION)


def usable_cores() -> int:
    """Return the number of cores by this process's affinity and CPU quota.

    A part of a core counts as a core.
    """
    cores, quota = int(available_cpu_count()), cpu_quota()
    return cores if quota is None else min(cores, max(1, math.ceil(quota)))
