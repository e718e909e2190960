# SPDX-License-Identifier: Apache-2.0
"""Which programs does this client send again and again?

A variational loop runs the same program at other values in each of its jobs. From its second job on Redis keeps a copy
that belongs to no job, and later jobs are given theirs from that. Most programs are sent once, and leave no copy.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from typing import Final

#: Programs that are remembered.
_REMEMBERED: Final = 256
#: Larger programs are sent each time: copying them keeps Redis busy.
_LARGEST_BYTES: Final = 1024 * 1024


class Repeated:
    """Remembers the programs that were sent last. Threads may share it."""

    def __init__(self) -> None:
        self._names: OrderedDict[str, None] = OrderedDict()
        self._lock = threading.Lock()

    def among(self, programs: Mapping[str, bytes]) -> list[str]:
        """Those of a job's programs that an earlier job had too. All of them are remembered."""
        names = [name for name, blob in programs.items() if len(blob) <= _LARGEST_BYTES][-_REMEMBERED:]
        with self._lock:
            again = [name for name in names if name in self._names]
            for name in names:
                self._names[name] = None
                self._names.move_to_end(name)
            while len(self._names) > _REMEMBERED:
                self._names.popitem(last=False)
        return again
