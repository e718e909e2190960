# SPDX-License-Identifier: Apache-2.0
"""The command ``qfleet`` as a process.

It may run to its end, until it is stopped, or on a terminal.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from pathlib import Path

QFLEET = [str(Path(sys.executable).with_name("qfleet"))]


def _environment(url: str | None, extra: dict[str, str]) -> dict[str, str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("QFLEET_")}
    return environment | ({} if url is None else {"QFLEET_URL": url}) | extra


def qfleet(*arguments: object, url: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    words = [*QFLEET, *map(str, arguments)]
    return subprocess.run(words, env=_environment(url, {}), capture_output=True, text=True, check=False)


@contextlib.contextmanager
def serving(
    *arguments: object, url: str | None = None, stdout: int = subprocess.PIPE, **environment: str
) -> Iterator[subprocess.Popen[str]]:
    """Run a command until it is interrupted or the block ends."""
    process = subprocess.Popen(
        [*QFLEET, *map(str, arguments)],
        env=_environment(url, environment),
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def on_terminal(*arguments: str | bytes, url: str | None = None, until: str | None = None) -> tuple[int, str]:
    """Run a command on a terminal of 200 columns.

    Args:
        arguments: the arguments of ``qfleet``.
        url: the fleet's Redis.
        until: the output after which the command is interrupted, as by Ctrl-C.

    Returns:
        The exit code and the output.
    """
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 200, 0, 0))
    process = subprocess.Popen(
        [*QFLEET, *arguments],
        env=_environment(url, {"TERM": "xterm-256color"}),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    got = b""
    # On Linux the read fails once the last process has closed the terminal.
    with contextlib.suppress(OSError):
        while part := os.read(ours, 65536):
            got += part
            if until is not None and until.encode() in got:
                os.killpg(process.pid, signal.SIGINT)
                until = None
    os.close(ours)
    return process.wait(60), got.decode("utf-8", "surrogateescape")


def catches(pid: int, signum: signal.Signals) -> bool:
    """Tell whether a process has its own handler for a signal."""
    status = Path(f"/proc/{pid}/status").read_text()
    caught = next(line for line in status.splitlines() if line.startswith("SigCgt:"))
    return bool(int(caught.split()[1], 16) >> (signum - 1) & 1)
