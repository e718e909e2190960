# SPDX-License-Identifier: Apache-2.0
"""Bounds the memory of this process, so that a circuit that takes more than predicted ends in an error of its own.

Without it the kernel would kill the process, and perhaps another one.
"""

from __future__ import annotations

import resource
import sys
from pathlib import Path

from qfleet.wire.cost.cost import OVERHEAD_BYTES

#: Stacks of threads, and what the allocator keeps.
_ROOM_BYTES = 8 * OVERHEAD_BYTES


def limit_memory(memory_bytes: int) -> None:
    """From now on let this process have so much more memory than it has, and some room; Linux only."""
    if sys.platform != "linux":
        return
    now = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmData:"))
    limit = int(now.split()[1]) * 1024 + memory_bytes + _ROOM_BYTES
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    if hard == resource.RLIM_INFINITY or limit < hard:
        resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))
