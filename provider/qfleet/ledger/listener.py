# SPDX-License-Identifier: Apache-2.0
"""Listeners: a thread or a coroutine that waits for one job, and is woken by the hub."""

from __future__ import annotations

import asyncio
import threading
import time
from abc import ABC, abstractmethod
from contextlib import suppress
from typing import Final

from qfleet.wire.redis import keys

#: What there is to hear: a shard moved; or the job ended, or something may have been missed.
MOVED: Final = 1
READ: Final = 2
#: Moves of shards that follow each other this soon wake a listener once.
_GATHER_SECONDS: Final = 0.01


class Listener(ABC):
    """Listens to one job.

    Before each read of the ledger it calls `clear`, so that what comes during the read wakes it again.

    Args:
        moves: wake it at each move of a shard, too.
    """

    def __init__(self, job_id: str, *, moves: bool = False) -> None:
        self.channel: Final = keys.events(job_id)
        #: whether Redis has confirmed that it hears the job's moves
        self.confirmed = False
        #: why it can't hear them
        self.error: Exception | None = None
        self._moves = moves
        self._news = 0

    def confirm(self) -> None:
        """Note that Redis has confirmed the channel. If not for the first time, a message may have been missed."""
        self.confirmed = True
        self.tell(READ)

    def tell(self, news: int) -> None:
        """Wake the listener. May be called from any thread."""
        if news == READ or self._moves:
            self._news = max(self._news, news)
            self._wake()

    def clear(self) -> None:
        """Forget the news: the ledger is read next."""
        self._news = 0

    @abstractmethod
    def _wake(self) -> None: ...


class ThreadListener(Listener):
    """A thread that listens."""

    def __init__(self, job_id: str, *, moves: bool = False) -> None:
        super().__init__(job_id, moves=moves)
        self._event = threading.Event()

    def clear(self) -> None:
        """See `Listener.clear`."""
        self._event.clear()
        super().clear()

    def wait(self, seconds: float) -> None:
        """Return when the ledger should be read: the job ended or moved, or the time is over."""
        deadline = time.monotonic() + seconds
        while self._news < READ and (left := deadline - time.monotonic()) > 0:
            self._event.wait(min(left, threading.TIMEOUT_MAX))
            self._event.clear()
            if self._news == MOVED:
                deadline = min(deadline, time.monotonic() + _GATHER_SECONDS)

    def _wake(self) -> None:
        self._event.set()


class CoroutineListener(Listener):
    """A coroutine that listens, to be made in its event loop."""

    def __init__(self, job_id: str) -> None:
        super().__init__(job_id)
        self._event = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    def clear(self) -> None:
        """See `Listener.clear`."""
        self._event.clear()
        super().clear()

    async def wait(self, seconds: float) -> None:
        """Return when the ledger should be read: the job ended, or the time is over."""
        if self._news == READ:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._event.wait()

    def _wake(self) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(self._event.set)
