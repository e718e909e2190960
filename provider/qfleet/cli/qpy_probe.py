# SPDX-License-Identifier: Apache-2.0
"""Can this QPY be read within bounds? Asked in a process of its own.

Qiskit's native QPY reader believes the lengths that a file states: a damaged file can make it allocate memory until
the system kills the process. So a file is first read in a child process with a limit, and by its caller only if that
went well. ``python -m qfleet.cli.qpy_probe`` reads QPY from stdin, exits 0 if it is readable, else writes one line.
"""

from __future__ import annotations

import io
import re
import resource
import subprocess
import sys

__all__ = ["why_unreadable"]

#: what a circuit may take in memory, per byte of its file, and for every file
_MEMORY_PER_BYTE, _MEMORY = 200, 512 << 20
_SECONDS = 60

_ANSI = re.compile(r"\x1b\[[0-9;]*m")


def why_unreadable(data: bytes) -> str | None:
    """What is wrong with a QPY file, or None if it can be read."""
    try:
        probe = subprocess.run(
            [sys.executable, "-m", "qfleet.cli.qpy_probe"],
            input=data,
            capture_output=True,
            timeout=_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"reading it takes more than {_SECONDS} s"
    if probe.returncode == 0:
        return None
    if probe.returncode == 1:
        return probe.stdout.decode(errors="replace").strip()
    return "it states lengths that don't fit the file"


def first_reason(text: str) -> str:
    """One plain line out of the native reader's coloured backtrace."""
    lines = [line.strip() for line in _ANSI.sub("", text).splitlines()]
    return next((line.split("Error:", 1)[1].strip() for line in lines if "Error:" in line), lines[0] if lines else "")


def _main() -> int:
    import psutil
    from qiskit import qpy

    data = sys.stdin.buffer.read()
    limit = psutil.Process().memory_info().vms + _MEMORY + _MEMORY_PER_BYTE * len(data)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    try:
        qpy.load(io.BytesIO(data))
    except Exception as exc:  # noqa: BLE001 - whatever the reader raises is the answer
        print(first_reason(getattr(exc, "message", None) or str(exc)) or type(exc).__name__)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(_main())
