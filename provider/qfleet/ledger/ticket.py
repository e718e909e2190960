# SPDX-License-Identifier: Apache-2.0
"""Tickets: the messages about each job that this process sent."""

from __future__ import annotations

from typing import NamedTuple

from qfleet.ledger.snapshot import Snapshot, last_snapshot
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
            told: the rest of the message. For a job with one shard and a small result: the time of its end, that of
                its beginning, its core seconds, and the result.
        """
        self._told = told
        self.is_told = True

    def end(self) -> End | None:
        """Return the end of the job, if a message had it.

        One that can't be read counts as none: the ledger has the same.
        """
        if self._end is None and self._told and self.stored is not None:
            try:
                ended, began, usage, blob = self._told.split(b" ", 3)
                self._end = End(last_snapshot(self.stored, ended, began, usage), decode_result(blob))
            except (ValueError, WireError):
                self._told = b""
        return self._end
