# SPDX-License-Identifier: Apache-2.0
"""Keeps the memory of freed arrays for those that come next.

What many shots find lies in arrays of some hundred kilobytes to some megabytes, which live for a few operations. By
itself glibc hands the memory of most of them back to the kernel and has it zeroed again, page by page, which took up to
half of a dynamic circuit's time, and more than half of the time for compiling a circuit of many gates. It stops doing
so where it saw a larger array freed; here it begins with the thresholds that it would come to in the end, and keeps
twice as much. What is kept is used before any other memory is taken: no process has more than it once needed.
"""

from __future__ import annotations

import ctypes
import sys

#: ``M_TRIM_THRESHOLD`` and ``M_MMAP_THRESHOLD`` of glibc's malloc.h.
_TRIM, _MMAP = -1, -3
#: The largest that glibc takes on a machine of 64 bits. Larger arrays are handed back when they are freed.
_KEPT_ARRAY_BYTES = 1 << 25


def keep_freed_memory() -> None:
    """From now on keep up to 128 MiB that are freed for this process; glibc only."""
    if sys.platform != "linux":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_MMAP, _KEPT_ARRAY_BYTES)
        mallopt(_TRIM, 4 * _KEPT_ARRAY_BYTES)
