# SPDX-License-Identifier: Apache-2.0
"""Listeners: waits for one job that the hub ends.

A listener is a thread or a coroutine.
"""

from __future__ import annotations

import asyncio
import threading
import time
from abc import ABC, abstractmethod
from contextlib import suppress
from typing import Final

from qfleet.wire.redis import keys

#: The kinds of news: a shard moved; or the job ended, or a message may have been missed.
MOVED: Final = 1
READ: Final = 2
#: The time in which several moves of shards wake a listener only once.
_GATHER_SECONDS: Final = 0.01


class Listener(ABC):
    """A listener to one job.

    Call `clear` before each read of the ledger, so that messages during the read wake the listener again.

    Args:
        job_id: the job.
        moves: wake the listener also at each move of a shard.
    """

    def __init__(self, job_id: str, *, moves: bool = False) -> None:
        self.job_id: Final = job_id
        #: the channel that tells of the job; the hub sets it, and whether this process sent the job
        self.channel = keys.events(job_id)
        self.is_own = False
        #: True if Redis has confirmed the subscription
        self.confirmed = False
        #: the error if there is no subscription
        self.error: Exception | None = None
        self._moves = moves
        self._news = 0

    def confirm(self) -> None:
        """Note that Redis has confirmed the channel, and wake the listener.

        After a reconnection, a message may have been missed.
        """
        self.confirmed = True
        self.tell(READ)

    def tell(self, news: int) -> None:
        """Wake the listener, from any thread.

        Args:
            news: `MOVED` or `READ`.
        """
        if news == READ or self._moves:
            self._news = max(self._news, news)
            self._wake()

    def clear(self) -> None:
        """Forget the news: the ledger is read next."""
        self._news = 0

    @abstractmethod
    def _wake(self) -> None: ...


class ThreadListener(Listener):
    """A listener for a thread."""

    def __init__(self, job_id: str, *, moves: bool = False) -> None:
        super().__init__(job_id, moves=moves)
        self._event = threading.Event()

    def clear(self) -> None:
        """See `Listener.clear`."""
        self._event.clear()
        super().clear()

    def wait(self, seconds: float) -> None:
        """Wait until the ledger should be read.

        The job ended or moved, or the seconds are over.
        """
        deadline = time.monotonic() + seconds
        while self._news < READ and (left := deadline - time.monotonic()) > 0:
            self._event.wait(min(left, threading.TIMEOUT_MAX))
            self._event.clear()
            if self._news == MOVED:
                deadline = min(deadline, time.monotonic() + _GATHER_SECONDS)

    def _wake(self) -> None:
        self._event.set()


class CoroutineListener(Listener):
    """A listener for a coroutine, made in the coroutine's event loop."""

    def __init__(self, job_id: str) -> None:
        super().__init__(job_id)
        self._event = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    def clear(self) -> None:
        """See `Listener.clear`."""
        self._event.clear()
        super().clear()

    async def wait(self, seconds: float) -> None:
        """Wait until the ledger should be read.

        The job ended, or the seconds are over.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                # The event may be set late, by news that were cleared before.
                while self._news < READ:
                    await self._event.wait()
                    self._event.clear()

    def _wake(self) -> None:
        with suppress(RuntimeError):  # the loop is closed, so there is no wait any more
            self._loop.call_soon_threadsafe(self._event.set)
