# SPDX-License-Identifier: Apache-2.0
"""The processes that the kernel killed because memory ran out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

_VMSTAT: Final = Path("/proc/vmstat")


def number_of_kills(path: Path = _VMSTAT) -> int:
    """Return the processes killed for want of memory since the machine's start.

    Those that a control group's limit killed count as well. It is 0 where the kernel doesn't tell.

    Args:
        path: the file that has the number.
    """
    try:
        lines = path.read_text("ascii").splitlines()
    except (OSError, UnicodeDecodeError):
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), 0)


class OutOfMemoryKills:
    """Kills for want of memory since this process last asked.

    Args:
        count: a function that returns their number.
    """

    def __init__(self, count: Callable[[], int] = number_of_kills) -> None:
        self._count = count
        self._known = count()

    def is_new(self) -> bool:
        """Tell whether there was a kill since the last call."""
        before, self._known = self._known, self._count()
        return self._known > before
