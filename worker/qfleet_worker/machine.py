# SPDX-License-Identifier: Apache-2.0
"""What this machine, or this container, has for a worker: memory and cores."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import psutil

#: The rest is for the operating system, Python and Redis.
USABLE_FRACTION: Final = 0.8

#: Where Linux states the limit of a container: cgroup v2, then v1.
_CGROUP_LIMITS: Final = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))


def usable_bytes(cgroup_limits: tuple[Path, ...] = _CGROUP_LIMITS) -> int:
    """Bytes that the shards of one worker may use together, on a machine with this worker alone."""
    limits = [psutil.virtual_memory().total]
    for path in cgroup_limits:
        try:
            text = path.read_text("ascii").strip()
        except OSError:
            continue
        if text.isdecimal():
            limits.append(int(text))
    return int(min(limits) * USABLE_FRACTION)


def usable_cores() -> int:
    """Cores that this process may run on."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS
        return os.cpu_count() or 1
