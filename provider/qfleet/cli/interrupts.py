# SPDX-License-Identifier: Apache-2.0
"""Ctrl-C, SIGTERM and SIGHUP end a command with one line, whenever they come.

A command that has nothing to clean up ends right in the signal's handler: an exception may come in the midst of an
import or a destructor, where it becomes another error, or is lost. Where a local fleet has to be stopped, or a job's id
has to be told, `raised` has the signal raise KeyboardInterrupt instead.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Final, NoReturn

__all__ = ["CODE", "SIGNALS", "came", "forget", "install", "message", "on_bar", "raised", "reset", "say"]

#: The exit code.
CODE: Final = 130
SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
#: After this time an interrupt is raised again if a destructor has swallowed it.
_AGAIN_SECONDS: Final = 0.05
#: Takes a progress bar away: its line, and the hidden cursor.
_NO_BAR: Final = "\r\x1b[K\x1b[?25h"


class _State:
    message = ""
    came = False
    bar = False


def install() -> None:
    """From now on, end this process when a signal comes. Those that it was started to ignore stay ignored."""
    for signum in SIGNALS:
        if signal.getsignal(signum) is not signal.SIG_IGN:
            signal.signal(signum, _end)


def reset() -> None:
    """Begin a command: no signal has come, and there is nothing to say of one."""
    _State.came, _State.message, _State.bar = False, "", False


def say(text: str) -> None:
    """Set what an interrupt says from now on."""
    from qfleet.cli.terminal import one_line

    _State.message = one_line(text)


def on_bar(drawn: bool) -> None:
    """Note whether a progress bar is on the terminal, which an interrupt has to take away."""
    _State.bar = drawn


def came() -> bool:
    """Return whether a signal has come, whatever became of its exception."""
    return _State.came


def forget() -> None:
    """Take the interrupt for done: it was what the command waited for."""
    _State.came = False


def message(error: BaseException | None = None) -> str:
    """Return what an interrupt says: what was noted where it was raised, or else what the command has set."""
    notes = " ".join(getattr(error, "__notes__", ()))
    return f"interrupted. {notes}" if notes else _State.message or "interrupted"


@contextmanager
def raised() -> Iterator[None]:
    """Have signals raise KeyboardInterrupt in a block, which then ends with it even if something swallowed it."""
    _State.came = False
    before: dict[signal.Signals, Any] = {}
    hook = sys.unraisablehook

    def unraisable(seen: sys.UnraisableHookArgs) -> None:
        if seen.exc_type is KeyboardInterrupt:
            signal.signal(signal.SIGALRM, _raise)
            signal.setitimer(signal.ITIMER_REAL, _AGAIN_SECONDS)
        else:
            hook(seen)

    try:
        sys.unraisablehook = unraisable
        for signum in SIGNALS:
            if (handler := signal.getsignal(signum)) is not signal.SIG_IGN:
                before[signum] = handler
                signal.signal(signum, _raise)
        yield
        if _State.came:
            raise KeyboardInterrupt
    finally:
        for restored, handler in before.items():
            signal.signal(restored, handler)
        signal.setitimer(signal.ITIMER_REAL, 0)
        sys.unraisablehook = hook


def _raise(_signum: int, _frame: FrameType | None) -> NoReturn:
    _State.came = True
    raise KeyboardInterrupt


def _end(_signum: int, _frame: FrameType | None) -> NoReturn:
    try:
        text = message()
        if "--json" in sys.argv:
            line = json.dumps({"error": {"type": "Interrupted", "message": text}})
        else:
            line = f"{_NO_BAR if _State.bar else ''}Error: {text}"
        os.write(2, f"{line}\n".encode(errors="backslashreplace"))
    finally:
        os._exit(CODE)
