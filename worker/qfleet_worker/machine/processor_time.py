# SPDX-License-Identifier: Apache-2.0
"""The processor time of another process."""

from __future__ import annotations

import sys
import time
from typing import Final

#: The clock of a process that counts the time of all its threads; see clock_getcpuclockid(3) of glibc.
_ALL_THREADS: Final = 2


def processor_seconds(process: int) -> float | None:
    """Return the processor time that a process has taken.

    That of a dead process is there until somebody waits for it.

    Args:
        process: its id.

    Returns:
        The core seconds of all its threads; ``None`` if the process is gone, or this system doesn't tell.
    """
    if sys.platform != "linux":
        return None
    try:
        return time.clock_gettime((~process << 3) | _ALL_THREADS)
    except OSError:
        return None
