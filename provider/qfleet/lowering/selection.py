# SPDX-License-Identifier: Apache-2.0
"""Take rows out of a program."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from qfleet.wire.program.operations import ANGLES, HAS_CHANNEL, HAS_TABLE
from qfleet.wire.program.program import Program


def only_rows(program: Program, kept: NDArray[np.bool_]) -> Program:
    """Return a program without some of its rows.

    These are gates, noise, resets and initializations. A jump to a row that is gone leads to the next one.

    Args:
        program: the program.
        kept: shape (rows,); False for the rows to take out.
    """
    codes = program.codes
    before = np.concatenate([[0], np.cumsum(kept)]).astype(np.int32)
    angles = np.repeat(kept, ANGLES[codes])
    slots = angles[program.slots]
    table_refs, tables = _used(program.table_refs[kept[HAS_TABLE[codes]]], program.tables)
    channel_refs, channels = _used(program.channel_refs[kept[HAS_CHANNEL[codes]]], program.channels)
    return msgspec.structs.replace(
        program,
        codes=codes[kept],
        num_controls=program.num_controls[kept],
        num_targets=program.num_targets[kept],
        operands=program.operands[np.repeat(kept, program.num_controls.astype(np.int64) + program.num_targets)],
        params=program.params[angles],
        slots=(np.cumsum(angles) - 1).astype(np.int32)[program.slots[slots]],
        slot_refs=program.slot_refs[slots],
        table_refs=table_refs,
        tables=tables,
        channel_refs=channel_refs,
        channels=channels,
        jumps=before[program.jumps] if len(program.jumps) else program.jumps,
        loops=tuple([(int(before[row]), name) for row, name in program.loops]),
    )


def _used(refs: NDArray[np.int32], items: tuple[Any, ...]) -> tuple[NDArray[np.int32], tuple[Any, ...]]:
    """Return the items that are referred to, and the references to them."""
    numbers, places = np.unique(refs, return_inverse=True)
    return places.astype(np.int32), tuple([items[number] for number in numbers.tolist()])
