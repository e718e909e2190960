# SPDX-License-Identifier: Apache-2.0
"""A bound on the memory of a process.

A circuit that exceeds its predicted memory ends in its own error. Without the bound, the kernel would kill this
process, or perhaps another one.
"""

from __future__ import annotations

import resource
import sys
from pathlib import Path

from qfleet.wire.cost.cost import OVERHEAD_BYTES

#: Stacks of threads, and memory that the allocator keeps.
_ROOM_BYTES = 8 * OVERHEAD_BYTES


def limit_memory(memory_bytes: int) -> None:
    """Limit the memory that this process can add, on Linux only.

    Args:
        memory_bytes: the bytes that the process may add to those it has. The limit leaves some room above them.
    """
    if sys.platform != "linux":
        return
    now = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmData:"))
    limit = int(now.split()[1]) * 1024 + memory_bytes + _ROOM_BYTES
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    if hard == resource.RLIM_INFINITY or limit < hard:
        resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))
