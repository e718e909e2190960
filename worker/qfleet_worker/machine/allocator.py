# SPDX-License-Identifier: Apache-2.0
"""Thresholds of glibc's allocator, which keep freed memory for later arrays.

The results of many shots lie in arrays of some hundred kilobytes to some megabytes, which live for a few operations. By
default glibc returns the memory of most of these arrays to the kernel, which zeroes it again, page by page. That took
up to half of a dynamic circuit's time, and more than half of the time to compile a circuit of many gates. glibc stops
this once a larger array was freed. These settings start with the thresholds that glibc would reach in the end, and keep
twice as much. Kept memory is used before new memory, so a process never has more than it once needed.
"""

from __future__ import annotations

import ctypes
import sys
from typing import Final

#: ``M_TRIM_THRESHOLD`` and ``M_MMAP_THRESHOLD`` of glibc's malloc.h.
_TRIM, _MMAP = -1, -3
#: The largest threshold that glibc takes on a 64-bit machine. Larger arrays are returned when they are freed.
KEPT_ARRAY_BYTES: Final = 1 << 25


def keep_freed_memory() -> None:
    """Keep up to 128 MiB of freed memory, with glibc only."""
    if sys.platform != "linux":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_MMAP, KEPT_ARRAY_BYTES)
        mallopt(_TRIM, 4 * KEPT_ARRAY_BYTES)
