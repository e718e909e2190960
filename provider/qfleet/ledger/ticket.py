# SPDX-License-Identifier: Apache-2.0
"""Tickets: the messages about each job that this process sent."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from qfleet.ledger.snapshot import Snapshot, read_time
from qfleet.wire.codec.shards import decode_result
from qfleet.wire.errors import WireError
from qfleet.wire.messages.result import ShardResult


class End(NamedTuple):
    """The end of a job of one shard, which succeeded."""

    snapshot: Snapshot
    result: ShardResult


class Ticket:
    """The messages about a job that this process sent.

    The job has it, and the hub writes what it hears.

    Args:
        job_id: the job.
        is_sure: true if every message about the job will be heard.
    """

    def __init__(self, job_id: str, *, is_sure: bool) -> None:
        self.job_id = job_id
        #: False if a message may have been missed, or the ledger was read meanwhile
        self.is_sure = is_sure
        #: True after the message that the job ended
        self.is_told = False
        #: the job's state when it was stored; ``None`` before
        self.stored: Snapshot | None = None
        self._told = b""
        self._end: End | None = None

    def tell(self, told: bytes) -> None:
        """Note that the job ended.

        Args:
            told: the rest of the message: for a job with one shard and a small result, the time and the result.
        """
        self._told = told
        self.is_told = True

    def end(self) -> End | None:
        """Return the end of the job, if a message had it.

        One that can't be read counts as none: the ledger has the same.
        """
        if self._end is None and self._told and self.stored is not None:
            time, _, blob = self._told.partition(b" ")
            try:
                ended, result = read_time(time), decode_result(blob)
            except (ValueError, WireError):
                self._told = b""
                return None
            states = dict.fromkeys(self.stored.states, 0) | {"SUCCESS": 1}
            snapshot = replace(self.stored, states=states, circuits_done=self.stored.circuits, ended=ended, usage=None)
            self._end = End(snapshot, result)
        return self._end
