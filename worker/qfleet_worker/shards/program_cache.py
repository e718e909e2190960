# SPDX-License-Identifier: Apache-2.0
"""Decoded programs that this process keeps for its next shards.

They are named by the hash of their bytes, so jobs share them.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Final

from qfleet.wire.codec.blobs import content_hash
from qfleet.wire.codec.programs import decode_program
from qfleet.wire.cost.sizes import num_nodes
from qfleet.wire.errors import WireError
from qfleet.wire.program.program import Program

#: Bytes of programs, as they are in memory, that are kept, out of `qfleet.wire.cost.cost.OVERHEAD_BYTES`.
LIMIT_BYTES: Final = 8 * 1024 * 1024
#: Bytes of Python's own that each program takes beside its blob, roughly, and each node of an expression.
_ENTRY_BYTES: Final = 4096
_NODE_BYTES: Final = 400


class Programs:
    """The programs that were used last.

    Args:
        read: a function that returns the blobs of some of a job's programs, by job and names.
        limit_bytes: the most bytes of programs to keep.
    """

    def __init__(self, read: Callable[[str, list[str]], list[bytes | None]], limit_bytes: int = LIMIT_BYTES) -> None:
        self._read = read
        self._limit_bytes = limit_bytes
        self._kept: OrderedDict[str, tuple[Program, int]] = OrderedDict()
        self._nbytes = 0

    def load(self, job_id: str, names: Sequence[str]) -> dict[str, Program | WireError]:
        """Return a job's programs by their names.

        Args:
            job_id: the job.
            names: the names of the programs.

        Returns:
            The error in place of a program that can't be read.
        """
        wanted = dict.fromkeys(names)
        missing = [name for name in wanted if name not in self._kept]
        found: dict[str, Program | WireError] = {}
        if missing:
            for name, blob in zip(missing, self._read(job_id, missing), strict=True):
                found[name] = self._decoded(name, blob)
        for name in wanted:
            if name not in found:
                self._kept.move_to_end(name)
                found[name] = self._kept[name][0]
        self._drop()
        return found

    def _decoded(self, name: str, blob: bytes | None) -> Program | WireError:
        if blob is None:
            return WireError("its program is missing from Redis")
        # Otherwise a damaged or forged program would be kept for others too.
        if content_hash(blob) != name:
            return WireError("its program isn't the one that its name says: it was damaged or changed in Redis")
        try:
            program = decode_program(blob)
        except WireError as exc:
            return exc
        nbytes = len(blob) + _ENTRY_BYTES + _NODE_BYTES * num_nodes(program)
        if nbytes <= self._limit_bytes:
            self._kept[name] = program, nbytes
            self._nbytes += nbytes
        return program

    def _drop(self) -> None:
        while self._nbytes > self._limit_bytes:
            _, (_, nbytes) = self._kept.popitem(last=False)
            self._nbytes -= nbytes
