# SPDX-License-Identifier: Apache-2.0
"""Blocks that no signal interrupts.

A new process or job is never left behind unknown.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, Final

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class shielded:  # noqa: N801 - used like a function, as contextlib's own are
    """Hold SIGINT, SIGTERM and SIGHUP back while a block runs.

    The first signal takes effect at the end of the block. Blocks may be nested. Outside of the main thread, where
    signals don't interrupt, this has no effect.

    Args:
        patient: hold back later signals too. Otherwise the second one takes effect at once.
    """

    def __init__(self, *, patient: bool = True) -> None:
        self._patient = patient
        self._handlers: dict[int, Callable[..., Any] | int] = {}
        self._came: list[tuple[int, FrameType | None]] = []

    @property
    def interrupted(self) -> bool:
        """Tell whether a signal waits for the end of the block."""
        return bool(self._came)

    def __enter__(self) -> shielded:
        if threading.current_thread() is threading.main_thread():
            try:
                for signum in _SIGNALS:
                    handler = signal.getsignal(signum)
                    # None: not set by Python; SIG_IGN: nothing to hold back
                    if handler is not None and handler is not signal.SIG_IGN:
                        self._handlers[signum] = handler
                        signal.signal(signum, self._hold)
            except BaseException:
                self._restore()
                raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._restore()
        if self._came:
            self._deliver(*self._came.pop(0))

    def _hold(self, signum: int, frame: FrameType | None) -> None:
        if self._came and not self._patient:
            self._came.clear()
            self._restore()
            self._deliver(signum, frame)
        else:
            self._came.append((signum, frame))

    def _restore(self) -> None:
        for signum, handler in self._handlers.items():
            signal.signal(signum, handler)

    def _deliver(self, signum: int, frame: FrameType | None) -> None:
        handler = self._handlers[signum]
        if callable(handler):
            handler(signum, frame)
        else:
            os.kill(os.getpid(), signum)
