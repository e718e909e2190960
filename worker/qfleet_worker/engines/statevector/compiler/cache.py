# SPDX-License-Identifier: Apache-2.0
"""Compiled circuits, kept to run again with other angles."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from qfleet.wire.program.program import Program

#: Bytes that are kept, out of `qfleet.wire.cost.cost.OVERHEAD_BYTES`.
LIMIT_BYTES = 16 * 1024 * 1024
#: Bytes of Python's own that each circuit takes beside its arrays, roughly.
ENTRY_BYTES = 4096

Key: TypeAlias = tuple[Any, ...]


def structure(program: Program, fixed: NDArray[np.bool_]) -> Key:
    """Return all that a program's compiled form depends on.

    The program has no flow. Of its angles, only those count that are `fixed`, shape (angles,). Of what it saves, only
    these count: the saves' places among those of the whole program, and whether the clbits matter to one.
    """
    return (
        program.num_qubits,
        program.num_clbits,
        program.codes.tobytes(),
        program.num_controls.tobytes(),
        program.num_targets.tobytes(),
        program.operands.tobytes(),
        fixed.tobytes(),
        program.params[fixed].tobytes(),
        program.clbits.tobytes(),
        program.table_refs.tobytes(),
        program.save_refs.tobytes(),
        program.channel_refs.tobytes(),
        program.flips.tobytes(),
        any(save.conditional for save in program.saves),
        *map(_content, program.tables),
    )


def _content(table: NDArray[np.complex128]) -> bytes:
    return table.tobytes()


class Cache:
    """A cache of what was used last.

    Threads may share it.
    """

    def __init__(self, limit_bytes: int = LIMIT_BYTES) -> None:
        self._limit_bytes = limit_bytes
        self._kept: OrderedDict[Key, tuple[Any, int]] = OrderedDict()
        self._lock = threading.Lock()
        #: bytes that are kept
        self.nbytes = 0

    def __len__(self) -> int:
        """Return the number of circuits that are kept."""
        return len(self._kept)

    def get(self, key: Key) -> Any:
        """Return what is kept under a key, or ``None``."""
        with self._lock:
            found = self._kept.get(key)
            if found is None:
                return None
            self._kept.move_to_end(key)
            return found[0]

    def put(self, key: Key, compiled: Any, nbytes: int) -> None:
        """Keep what was compiled, and drop the least recently used.

        What is too large isn't kept at all.
        """
        nbytes += ENTRY_BYTES + sum(len(part) for part in key if isinstance(part, bytes))
        if nbytes > self._limit_bytes:
            return
        with self._lock:
            if key in self._kept:
                return
            self._kept[key] = compiled, nbytes
            self.nbytes += nbytes
            while self.nbytes > self._limit_bytes:
                _, (_, dropped) = self._kept.popitem(last=False)
                self.nbytes -= dropped
