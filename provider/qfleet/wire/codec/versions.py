# SPDX-License-Identifier: Apache-2.0
"""Older formats of messages, as messages of today."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from qfleet.wire.limits import MAX_POINTS
from qfleet.wire.messages.request import Output, Precision, Request
from qfleet.wire.messages.work import CircuitWork, ShardWork, Threads


class ShardWork3(Struct, frozen=True, forbid_unknown_fields=True):
    """The work of one task in format 3.

    It has one request for all circuits, without a method.
    """

    circuits: Annotated[tuple[CircuitWork, ...], Meta(min_length=1, max_length=MAX_POINTS)]
    output: Output
    precision: Precision
    memory: bool
    threads: Threads


def upgrade_work(work: ShardWork3) -> ShardWork:
    """Return work of format 3 as work of today."""
    request = Request(work.output, "automatic", work.precision, work.memory)
    return ShardWork(work.circuits, (request,), work.threads)
