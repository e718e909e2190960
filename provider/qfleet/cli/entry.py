# SPDX-License-Identifier: Apache-2.0
"""The entry point of the command line.

It imports very little, so that Ctrl-C ends the command with one line while the rest is being imported.
"""

from __future__ import annotations

import signal
import sys
from typing import NoReturn

from qfleet.cli import interrupts

__all__ = ["main"]


def main() -> NoReturn:
    """Run the command of this process, and exit with its exit code."""
    interrupts.install()
    from qfleet.cli import terminal

    terminal.guard()
    from qfleet.cli.command import qfleet

    try:
        qfleet.main(prog_name="qfleet")
    finally:
        # The command is done: an interrupt while the interpreter ends would print a traceback.
        for signum in interrupts.SIGNALS:
            signal.signal(signum, signal.SIG_IGN)
    sys.exit()
