# SPDX-License-Identifier: Apache-2.0
"""Memory that goes from one state to the next.

The C library returns large arrays to the kernel when they are freed, which zeroes their pages again for the next state:
that takes longer than some circuits do. Here the memory of the last state is kept. Between circuits the kernel may take
its pages whenever it needs them.
"""

from __future__ import annotations

import mmap
from typing import Final

import numpy as np
from numpy.typing import NDArray

from qfleet_worker.machine.allocator import KEPT_ARRAY_BYTES

#: The largest state whose memory is kept. With freed arrays, it is a part of the room that the bound on a process's
#: memory leaves (`qfleet_worker.lifecycle.limits`).
MOST_BYTES: Final = 1 << 28
#: Bytes of a large page.
_PAGE: Final = 1 << 21


class KeptMemory:
    """The memory of the last state."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most = most_bytes
        self._map: mmap.mmap | None = None
        self._in_use = False
        self._bytes: NDArray[np.uint8] = np.zeros(0, np.uint8)

    def take(self, size: int) -> NDArray[np.uint8] | None:
        """Return memory of any content, shape (size,).

        Only one array is in use at a time. It is ``None`` for sizes that the C library keeps, and for those too large.
        """
        if not hasattr(mmap, "MADV_FREE") or size < KEPT_ARRAY_BYTES:
            return None
        if size > len(self._bytes):
            self.give_up()
            if size > self._most:
                return None
            try:
                self._map = mmap.mmap(-1, size + _PAGE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
            except OSError:
                return None
            if hasattr(mmap, "MADV_HUGEPAGE"):
                self._map.madvise(mmap.MADV_HUGEPAGE)
            everything = np.frombuffer(self._map, np.uint8)
            begin = -everything.ctypes.data % _PAGE
            self._bytes = everything[begin : begin + size]
        self._in_use = True
        return self._bytes[:size]

    def rest(self) -> None:
        """Let the kernel take the pages, whose content isn't needed any more."""
        if self._map is not None and self._in_use:
            self._map.madvise(mmap.MADV_FREE)
        self._in_use = False

    def give_up(self) -> None:
        """Keep nothing."""
        self._map, self._bytes = None, np.zeros(0, np.uint8)
