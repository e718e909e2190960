# SPDX-License-Identifier: Apache-2.0
"""The operation of an item of a stage, in machine code.

An item is one gate, or several controlled X.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from qfleet_worker.engines.contract import CompilerError
from qfleet_worker.engines.machine_code.registry import built_in, inner_code, machine_code
from qfleet_worker.engines.statevector.compiler.draft import AT, CONTROLS, FLIP, KIND, SHAPE, SIZE, TARGETS, VALUES
from qfleet_worker.engines.statevector.compiler.frame import Frame
from qfleet_worker.engines.statevector.compiler.matrix_operations import (
    ONE_SOURCE,
    ZERO_SOURCE,
    Matrix,
    begin_op,
    emit_matrix,
)
from qfleet_worker.engines.statevector.kernels import kinds
from qfleet_worker.engines.statevector.kernels.bits import popcount
from qfleet_worker.engines.statevector.kernels.kinds import CODES, MAX_TARGETS
from qfleet_worker.engines.statevector.kernels.layout import (
    OP_COEFS,
    OP_COUNT,
    OP_INTS,
    OP_KERNEL,
    OP_OUTSIDE,
    OP_OUTSIDE_VALUES,
    OP_STRIDES,
    PERMUTATION,
)
from qfleet_worker.engines.statevector.kernels.permutations import BLOCK_BITS


@built_in
def _split_controls(gate: NDArray[Any], frame: Frame, op: NDArray[Any]) -> tuple[int, int]:
    """Return a gate's local controls and their values, by position.

    Those outside are written to `op`.
    """
    inside = values = 0
    controls = gate[CONTROLS]
    op[OP_OUTSIDE] = 0
    op[OP_OUTSIDE_VALUES] = 0
    if controls:
        for wire in range(len(frame.places)):
            if controls >> wire & 1:
                value = gate[VALUES] >> wire & 1
                place = frame.places[wire]
                if place >= 0:
                    inside |= 1 << place
                    values |= value << place
                else:
                    op[OP_OUTSIDE] |= 1 << wire
                    op[OP_OUTSIDE_VALUES] |= value << wire
    return inside, values


@machine_code
def emit_gate(gate: NDArray[Any], frame: Frame, op: NDArray[Any], sources: NDArray[Any], at: int) -> int:
    """Write the operation of a gate; see `emit_matrix`.

    The gate is a matrix or an X, with any controls.
    """
    inside, values = _split_controls(gate, frame, op)
    if gate[KIND] != FLIP:
        k = gate[SIZE]
        if k > MAX_TARGETS:
            raise CompilerError("a defect of qfleet, please report it: an operation has too many targets")
        targets = np.empty(k, np.int64)
        for bit in range(k):
            targets[bit] = frame.places[gate[TARGETS] >> 8 * bit & 255]
        return emit_matrix(Matrix(gate[AT], gate[SHAPE], targets, inside, values), frame, op, sources, at)
    lane_bits = frame.lane_bits
    lane_mask = (1 << lane_bits) - 1
    place = frame.places[gate[TARGETS]]
    high_target = 1 << place if place >= lane_bits else 0
    begin_op(op, frame, high_target | (inside & ~lane_mask), values & ~lane_mask)
    op[OP_COEFS] = at
    if high_target:
        op[OP_STRIDES] = 2 << place
        op[OP_KERNEL] = CODES[lane_bits - 2, kinds.FLIPM if inside & lane_mask else kinds.FLIP, 1, 0]
        if inside & lane_mask == 0:
            return at
    else:
        op[OP_KERNEL] = CODES[lane_bits - 2, kinds.FLIPL, 0, 1 << place]
    if at + (2 << lane_bits) > len(sources):
        raise CompilerError("a defect of qfleet, please report it: an operation has too many coefficients")
    for lane in range(1 << lane_bits):
        chosen = ONE_SOURCE if lane & inside & lane_mask == values & lane_mask else ZERO_SOURCE
        sources[at + 2 * lane] = chosen
        sources[at + 2 * lane + 1] = chosen
    return at + (2 << lane_bits)


@machine_code
def emit_permutation(gates: NDArray[Any], members: NDArray[Any], wires: int, frame: Frame, op: NDArray[Any],
                     ints: NDArray[Any], at: int) -> int:  # fmt: skip
    """Write the operation of several controlled X, as one permutation.

    They act on at most four wires, local and high.

    Args:
        gates: int64, shape (gates, columns): those of a draft.
        members: int64: the numbers of the gates, in order.
        wires: those that they act on, as a mask.
        frame: the stage's chunks.
        op: int64, shape (OP_COLUMNS,): gets the operation.
        ints: int64: gets its integers.
        at: where these begin.

    Returns:
        Where the next integers go.

    Raises:
        CompilerError: `ints` has no room, or there are too many wires.
    """
    k = fixed = 0
    strides = np.zeros(4, np.int64)
    wire_bit = np.zeros(len(frame.places), np.int64)
    if popcount(wires) > len(strides) or at + (1 << popcount(wires)) > len(ints):
        raise CompilerError("a defect of qfleet, please report it: a permutation has too many entries")
    for wire in range(len(frame.places)):
        if wires >> wire & 1:
            fixed |= 1 << frame.places[wire]
            strides[k] = 2 << frame.places[wire]
            wire_bit[wire] = k
            k += 1
    op[OP_OUTSIDE] = 0
    op[OP_OUTSIDE_VALUES] = 0
    begin_op(op, frame, fixed, 0)
    for bit in range(k):
        op[OP_STRIDES + bit] = strides[bit]
    op[OP_KERNEL] = CODES[frame.lane_bits - 2, kinds.PERM, k, 0]
    op[OP_INTS] = at
    end = at + (1 << k)
    _write_origins(gates, members, wire_bit, ints[at:end])
    for place in range(at, end):
        origin = ints[place]
        ints[place] = 0
        for bit in range(k):
            if origin >> bit & 1:
                ints[place] += strides[bit]
    return end


@machine_code
def emit_linear_permutation(gates: NDArray[Any], members: NDArray[Any], frame: Frame, op: NDArray[Any],
                            ints: NDArray[Any], at: int) -> int:  # fmt: skip
    """Write the operation of many X with at most one control each.

    It is one pass; see `kernels.permutations`.

    Args:
        gates: int64, shape (gates, columns): those of a draft.
        members: int64: the numbers of the gates, in order.
        frame: the stage's chunks; all wires of the gates are local.
        op: int64, shape (OP_COLUMNS,): gets the operation.
        ints: int64: gets its integers.
        at: where these begin.

    Returns:
        Where the next integers go.

    Raises:
        CompilerError: `ints` has no room.
    """
    block_bits = frame.lane_bits + BLOCK_BITS
    first, changes = 1 << block_bits, frame.bits - block_bits
    end = at + first + changes + 1
    if changes < 0 or end > len(ints):
        raise CompilerError("a defect of qfleet, please report it: a permutation has too many entries")
    op[:] = 0
    op[OP_KERNEL], op[OP_INTS], op[OP_COUNT] = PERMUTATION, at, 1 << changes
    for index in range(first):
        ints[at + index] = 2 * _origin(gates, members, frame, index)
    # The next block's number differs from that of a block in all bits up to the lowest one that becomes 1.
    none = _origin(gates, members, frame, 0)
    change = 0
    for bit in range(changes):
        change ^= _origin(gates, members, frame, first << bit) ^ none
        ints[at + first + bit] = 2 * change
    ints[end - 1] = 0
    return end


@inner_code
def _origin(gates: NDArray[Any], members: NDArray[Any], frame: Frame, index: int) -> int:
    """Return where an amplitude was before X with one control at most."""
    for item in range(len(members) - 1, -1, -1):
        gate = gates[members[item]]
        moved = True
        for wire in range(len(frame.places) if gate[CONTROLS] else 0):
            if gate[CONTROLS] >> wire & 1:
                moved = index >> frame.places[wire] & 1 == gate[VALUES] >> wire & 1
        if moved:
            index ^= 1 << frame.places[gate[TARGETS]]
    return index


@inner_code
def _write_origins(gates: NDArray[Any], members: NDArray[Any], wire_bit: NDArray[Any], origins: NDArray[Any]) -> None:
    """Write the vector that controlled X move to each vector."""
    for vector in range(len(origins)):
        origins[vector] = vector
    # Backwards.
    for item in range(len(members) - 1, -1, -1):
        gate = gates[members[item]]
        controls = values = 0
        for wire in range(len(wire_bit)):
            if gate[CONTROLS] >> wire & 1:
                controls |= 1 << wire_bit[wire]
                values |= (gate[VALUES] >> wire & 1) << wire_bit[wire]
        for vector in range(len(origins)):
            if origins[vector] & controls == values:
                origins[vector] ^= 1 << wire_bit[gate[TARGETS]]
