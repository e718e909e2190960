# SPDX-License-Identifier: Apache-2.0
"""The memory and cores that this machine or container offers."""

from __future__ import annotations

import math
import resource
import sys
from collections.abc import Iterator
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
    return int(min(psutil.virtual_memory().total, *_limits()) * USABLE_FRACTION)


def most_bytes() -> int:
    """Return the bytes that a worker can have at most."""
    total: int = psutil.virtual_memory().total + psutil.swap_memory().total
    return min(total, *_limits())


def _limits() -> Iterator[int]:
    """Yield the bytes that control groups and limits of this process leave."""
    yield sys.maxsize if (limit := memory_limit()) is None else limit
    if sys.platform == "linux":
        used = psutil.Process().memory_info()
        # A process may raise its own limit of data up to the hard one, and does so for each shard.
        bounds = [(resource.getrlimit(resource.RLIMIT_DATA)[1], used.data)]
        bounds += [(resource.getrlimit(resource.RLIMIT_AS)[0], used.vms)]
        yield from (max(bound - taken, 0) for bound, taken in bounds if bound != resource.RLIM_INFINITY)


def usable_cores() -> int:
    """Return the number of cores by this process's affinity and CPU quota.

    A part of a core counts as a core.
    """
    cores, quota = int(available_cpu_count()), cpu_quota()
    return cores if quota is None else min(cores, max(1, math.ceil(quota)))
