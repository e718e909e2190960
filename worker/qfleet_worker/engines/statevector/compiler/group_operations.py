# SPDX-License-Identifier: Apache-2.0
"""Operations of several one-qubit gates in one pass, in machine code."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from qfleet_worker.engines.contract import CompilerError
from qfleet_worker.engines.machine_code.registry import built_in, inner_code, machine_code
from qfleet_worker.engines.statevector.compiler.draft import AT, TARGETS
from qfleet_worker.engines.statevector.compiler.frame import Frame
from qfleet_worker.engines.statevector.compiler.matrix_operations import ONE_SOURCE, ZERO_SOURCE, begin_op
from qfleet_worker.engines.statevector.compiler.schedule import MIXED_GROUP, REAL_GROUP
from qfleet_worker.engines.statevector.kernels import kinds
from qfleet_worker.engines.statevector.kernels.coefficients import (
    OWN,
    group_high_place,
    group_lane_place,
    num_parts,
)
from qfleet_worker.engines.statevector.kernels.kinds import CODES
from qfleet_worker.engines.statevector.kernels.layout import (
    OP_COEFS,
    OP_KERNEL,
    OP_OUTSIDE,
    OP_OUTSIDE_VALUES,
    OP_STRIDES,
)


@inner_code
def _part(one: int, entry: int, part: int) -> int:
    """Return the source of a part of a one-qubit matrix's entry.

    The identity lies at -1.
    """
    if one < 0:
        return ONE_SOURCE if part == 0 and (entry == 0 or entry == 3) else ZERO_SOURCE
    return 2 * (one + entry) + part


class _Group(NamedTuple):
    """One-qubit gates by their positions."""

    #: int64, shape (lane bits,) and (bits,): where the matrix on each lane and on each position lies, or -1
    on_lane: NDArray[Any]
    by_place: NDArray[Any]
    #: the high targets as a mask, at least one: the identity may be on it
    fixed: int
    high: int
    any_lane: bool


@built_in
def _group_of(gates: NDArray[Any], members: NDArray[Any], frame: Frame) -> _Group:
    """Return the gates of a group by their positions."""
    on_lane = np.full(frame.lane_bits, -1, np.int64)
    by_place = np.full(frame.bits, -1, np.int64)
    fixed = high = 0
    any_lane = False
    for gate in members:
        place = frame.places[gates[gate, TARGETS]]
        if place < frame.lane_bits:
            on_lane[place] = gates[gate, AT]
            any_lane = True
        else:
            by_place[place] = gates[gate, AT]
            fixed |= 1 << place
            high += 1
    if high == 0:
        # There is no kernel without high targets.
        fixed = 1 << frame.lane_bits
        high = 1
    return _Group(on_lane, by_place, fixed, high, any_lane)


@machine_code
def emit_group(gates: NDArray[Any], members: NDArray[Any], kind: int, frame: Frame, op: NDArray[Any],
               sources: NDArray[Any], at: int) -> int:  # fmt: skip
    """Write the operation of one-qubit gates of one kind in one pass.

    Args:
        gates: int64, shape (gates, columns): those of a draft.
        members: int64: the numbers of the gates.
        kind: `schedule.REAL_GROUP`, `MIXED_GROUP` or `FULL_GROUP`.
        frame: the stage's chunks.
        op: int64, shape (OP_COLUMNS,): gets the operation.
        sources: int64: gets the sources of its coefficients.
        at: where these begin.

    Returns:
        Where the next coefficients go.

    Raises:
        CompilerError: `sources` has no room, or there is no kernel for this number of targets.
    """
    group = _group_of(gates, members, frame)
    lane_bits, width = frame.lane_bits, 2 << frame.lane_bits
    code = kinds.GR if kind == REAL_GROUP else kinds.GX if kind == MIXED_GROUP else kinds.GC
    num_lanes = lane_bits if group.any_lane else 0
    end = at + group_high_place(code, num_lanes, group.high, 0, 0, width)
    if end > len(sources):
        raise CompilerError("a defect of qfleet, please report it: a group has too many coefficients")
    if group.high > OP_OUTSIDE - OP_STRIDES:
        raise CompilerError("a defect of qfleet, please report it: a group has too many targets")
    op[OP_OUTSIDE] = 0
    op[OP_OUTSIDE_VALUES] = 0
    begin_op(op, frame, group.fixed, 0)
    op[OP_COEFS] = at
    op[OP_KERNEL] = CODES[lane_bits - 2, code, group.high, (1 << lane_bits) - 1 if group.any_lane else 0]
    # Off the diagonal, the part that counts is the imaginary one in a mixed group.
    off = 1 if code == kinds.GX else 0
    for lane_bit in range(num_lanes):
        one = group.on_lane[lane_bit]
        for part in range(num_parts(code)):
            for which in range(2):
                place = at + group_lane_place(code, lane_bit, which, part, width)
                for lane in range(1 << lane_bits):
                    value = lane >> lane_bit & 1
                    entry = 3 * value if which == OWN else 1 + value
                    source = _part(one, entry, part if which == OWN else part + off)
                    sources[place + 2 * lane] = source
                    sources[place + 2 * lane + 1] = source
    rank = 0
    for place in range(lane_bits, frame.bits):
        if not group.fixed >> place & 1:
            continue
        op[OP_STRIDES + rank] = 2 << place
        for entry in range(4):
            for part in range(num_parts(code)):
                shown = part if entry == 0 or entry == 3 else part + off
                to = at + group_high_place(code, num_lanes, rank, entry, part, width)
                sources[to] = _part(group.by_place[place], entry, shown)
        rank += 1
    return end
