# SPDX-License-Identifier: Apache-2.0
"""The processes that the kernel killed because memory ran out."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from qfleet_worker.machine.cgroups import killed_for_memory

_VMSTAT: Final = Path("/proc/vmstat")
#: Seconds for which a kill may be the cause of a death. A worker notices a death within a second.
RECENT_SECONDS: Final = 5.0


def number_of_kills() -> int:
    """Return the processes killed for want of memory here.

    They are those of this process's control group, or of the machine if it has no group.
    """
    found = killed_for_memory()
    return kills_on_machine() if found is None else found


def kills_on_machine(path: Path = _VMSTAT) -> int:
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
    """Kills for want of memory in the last seconds.

    `look` must be called regularly, since nothing else tells when a kill was.

    Args:
        count: a function that returns the number of kills so far.
        clock: a monotonic clock, in seconds.
    """

    def __init__(self, count: Callable[[], int] = number_of_kills, clock: Callable[[], float] = time.monotonic) -> None:
        self._count = count
        self._clock = clock
        self._known = count()
        #: kills that no death was explained by, and when the last of them was noticed
        self._unclaimed = 0
        self._noticed_at = 0.0

    def look(self) -> None:
        """Notice the kills since the last look."""
        now, count = self._clock(), self._count()
        if now - self._noticed_at > RECENT_SECONDS:
            self._unclaimed = 0
        if count > self._known:
            self._unclaimed += count - self._known
            self._noticed_at = now
        self._known = count

    def explain(self) -> bool:
        """Tell whether a kill explains the death of a process.

        Each kill explains one death.
        """
        self.look()
        if not self._unclaimed:
            return False
        self._unclaimed -= 1
        return True
