# SPDX-License-Identifier: Apache-2.0
"""The programs that a client sends repeatedly.

A variational loop runs the same program with other values in each of its jobs. From the second job on, Redis keeps a
copy outside of any job, and later jobs get the program from it. Most programs are sent once, and have no copy.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from typing import Final, NamedTuple

#: The number of programs that are remembered.
_REMEMBERED: Final = 256
#: Larger programs are always sent, since copying them keeps Redis busy.
_LARGEST_BYTES: Final = 1024 * 1024


class Repeats(NamedTuple):
    """The programs of a job that earlier jobs had too."""

    #: those of one earlier job, to be sent and copied
    copies: list[str]
    #: those that Redis was given a copy of
    copied: list[str]


class RepeatedPrograms:
    """The names of the programs that were sent last.

    Threads may share the object.
    """

    def __init__(self) -> None:
        #: for each name, True if Redis was given a copy
        self._names: OrderedDict[str, bool] = OrderedDict()
        self._lock = threading.Lock()

    def among(self, programs: Mapping[str, bytes]) -> Repeats:
        """Return the programs of a job that earlier jobs had too.

        All programs of the job are remembered.
        """
        names = [name for name, blob in programs.items() if len(blob) <= _LARGEST_BYTES][-_REMEMBERED:]
        with self._lock:
            again = [name for name in names if name in self._names]
            repeats = Repeats(
                copies=[name for name in again if not self._names[name]],
                copied=[name for name in again if self._names[name]],
            )
            for name in names:
                self._names[name] = name in self._names
                self._names.move_to_end(name)
            while len(self._names) > _REMEMBERED:
                self._names.popitem(last=False)
        return repeats
