# SPDX-License-Identifier: Apache-2.0
"""The process of the command line, from its first line to its last.

Imports next to nothing, so that Ctrl-C is told in one line while all the rest is being imported.
"""

from __future__ import annotations

import signal
import sys
from typing import NoReturn

from qfleet.cli import interrupts

__all__ = ["main"]


def main() -> NoReturn:
    """Run the command that this process was started for, and end it with the command's exit code."""
    interrupts.install()
    from qfleet.cli import terminal

    terminal.guard()
    from qfleet.cli.command import qfleet

    try:
        qfleet.main(prog_name="qfleet")
    finally:
        # All is said and done: an interrupt of the interpreter's own end would only be a traceback.
        for signum in interrupts.SIGNALS:
            signal.signal(signum, signal.SIG_IGN)
    sys.exit()
