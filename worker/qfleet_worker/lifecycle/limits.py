# SPDX-License-Identifier: Apache-2.0
"""A bound on the memory of a process.

A circuit that exceeds its predicted memory ends in its own error. Without the bound, the kernel would kill this
process, or perhaps another one.
"""

from __future__ import annotations

import os
import resource
import sys
from pathlib import Path

from qfleet.wire.cost.cost import OVERHEAD_BYTES

#: Memory that the allocator keeps, and stacks of threads of which there are about as many as cores.
_ROOM_BYTES = 8 * OVERHEAD_BYTES
_STACK_BYTES = 8 * 2**20


class MemoryLimit:
    """The bound on the memory that a process adds to run shards.

    Args:
        share_bytes: bytes that a shard may use that was given none.
    """

    def __init__(self, share_bytes: int) -> None:
        self._share = share_bytes
        self._base = 0

    def begin(self) -> None:
        """Count from the memory that this process has now."""
        self._base = _data_bytes()
        self.allow(0)

    def allow(self, memory_bytes: int) -> None:
        """Set the bytes of the next shard; 0 for its share."""
        limit_memory(memory_bytes or self._share, self._base)


def limit_memory(memory_bytes: int, base_bytes: int | None = None) -> None:
    """Limit the memory that this process can add, on Linux only.

    Args:
        memory_bytes: the bytes that the process may add. The limit leaves some room above them.
        base_bytes: the bytes that they are added to; by default those that the process has now.
    """
    if sys.platform != "linux":
        return
    base = _data_bytes() if base_bytes is None else base_bytes
    limit = base + memory_bytes + _ROOM_BYTES + len(os.sched_getaffinity(0)) * _STACK_BYTES
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    if hard == resource.RLIM_INFINITY or limit < hard:
        resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))


def _data_bytes() -> int:
    if sys.platform != "linux":
        return 0
    now = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmData:"))
    return int(now.split()[1]) * 1024
