# SPDX-License-Identifier: Apache-2.0
"""Bounds the time and the memory of one input, on Linux."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

#: What Python and its libraries take now and then, whatever is done: caches, and pages that malloc gives back late.
SLACK_BYTES: Final = 24 * 1024 * 1024

_STATUS: Final = Path("/proc/self/status")
_CLEAR: Final = Path("/proc/self/clear_refs")


class TooMuchError(BaseException):
    """An input took more time or memory than it may; no handler of errors takes this for its own."""


@contextmanager
def seconds_of_cpu(seconds: float) -> Iterator[None]:
    """Raise `TooMuchError` in what takes longer by the clock of this process, which other processes don't slow down."""

    def over(*_: Any) -> None:
        raise TooMuchError(f"more than {seconds} s of this process's time")

    before = signal.signal(signal.SIGPROF, over)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


@contextmanager
def held_to(nbytes: int, what: str) -> Iterator[None]:
    """Raise `TooMuchError` for what takes more memory at its peak."""
    if sys.platform != "linux":
        yield
        return
    _CLEAR.write_text("5", "ascii")
    before = _status("VmRSS")
    yield
    peak = _status("VmHWM") - before
    if peak > nbytes + SLACK_BYTES:
        raise TooMuchError(f"{what} took {peak >> 20} MiB; {nbytes >> 20} MiB are promised")


def _status(name: str) -> int:
    """Return a size in this process's status, in bytes."""
    line = next(line for line in _STATUS.read_text("ascii").splitlines() if line.startswith(f"{name}:"))
    return int(line.split()[1]) * 1024
