# SPDX-License-Identifier: Apache-2.0
"""Interrupts: a signal ends a command with one line at any time.

The signals are Ctrl-C, SIGTERM and SIGHUP. A command with nothing to clean up ends in the signal's handler. An
exception might be raised during an import or a destructor, where it becomes another error or is lost. Where a local
fleet has to be stopped or a job's id printed, `raised` makes signals raise KeyboardInterrupt instead.
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
#: The time after which an interrupt that a destructor has swallowed is raised again.
_AGAIN_SECONDS: Final = 0.05
#: Erases the line of a progress bar, and shows the cursor again.
_NO_BAR: Final = "\r\x1b[K\x1b[?25h"


class _State:
    message = ""
    came = False
    bar = False


def install() -> None:
    """End this process at a signal from now on.

    Signals that are ignored already stay ignored.
    """
    for signum in SIGNALS:
        if signal.getsignal(signum) is not signal.SIG_IGN:
            signal.signal(signum, _end)


def reset() -> None:
    """Forget all signals and messages at the start of a command."""
    _State.came, _State.message, _State.bar = False, "", False


def say(text: str) -> None:
    """Set the message of interrupts from now on."""
    from qfleet.cli.terminal import one_line

    _State.message = one_line(text)


def on_bar(drawn: bool) -> None:
    """Note whether a progress bar is on the terminal.

    An interrupt erases the bar.
    """
    _State.bar = drawn


def came() -> bool:
    """Tell whether a signal has come, even if its exception was swallowed."""
    return _State.came


def forget() -> None:
    """Forget an interrupt that the command waited for."""
    _State.came = False


def message(error: BaseException | None = None) -> str:
    """Return the message of an interrupt.

    The notes of its exception come first; without any, the command's message is returned.
    """
    notes = " ".join(getattr(error, "__notes__", ()))
    return f"interrupted. {notes}" if notes else _State.message or "interrupted"


@contextmanager
def raised() -> Iterator[None]:
    """Make signals raise KeyboardInterrupt in a block.

    It is raised at the end of the block if code in the block swallowed it.
    """
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
