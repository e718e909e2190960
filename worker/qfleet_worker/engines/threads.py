# SPDX-License-Identifier: Apache-2.0
"""Threads that share work.

They are plain threads over machine code that releases the GIL: OpenMP's spin while they wait, and fight when several
processes share the cores.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qfleet_worker.machine.arrays import empty

#: Parts that each thread's work is cut into, so that a delayed thread doesn't delay all.
PARTS = 4


class ThreadTeam:
    """A number of threads, the calling one among them.

    They start when they are first needed.
    """

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self._pool: ThreadPoolExecutor | None = None
        self._process = 0
        self._rooms = threading.local()

    def share(self, count: int, work: Callable[[int, int], None]) -> None:
        """Run ``work(begin, end)`` for ranges that together are 0 to `count`."""
        threads = min(self.threads, count)
        if threads < 2:
            work(0, count)
            return
        size = max(1, count // (threads * PARTS))
        begins = iter(range(0, count, size))
        lock = threading.Lock()

        def run() -> None:
            while True:
                with lock:
                    begin = next(begins, None)
                if begin is None:
                    return
                work(begin, min(begin + size, count))

        futures = [self._executor().submit(run) for _ in range(threads - 1)]
        try:
            run()
        finally:
            for future in futures:
                future.result()

    def room(self, size: int, dtype: np.dtype[Any]) -> NDArray[Any]:
        """Return memory of the calling thread, at least `size` elements.

        It is kept from one call to the next.
        """
        kept: NDArray[Any] | None = getattr(self._rooms, dtype.char, None)
        if kept is None or len(kept) < size:
            kept = empty(size, dtype)
            setattr(self._rooms, dtype.char, kept)
        return kept

    def _executor(self) -> ThreadPoolExecutor:
        # A process that was forked has its parent's pool, but not its threads.
        if self._pool is None or self._process != os.getpid():
            self._pool = ThreadPoolExecutor(self.threads - 1, "qfleet")
            self._process = os.getpid()
        return self._pool
