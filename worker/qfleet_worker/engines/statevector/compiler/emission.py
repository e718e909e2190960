# SPDX-License-Identifier: Apache-2.0
"""The kernel of an item of a stage, and the sources of its coefficients, in machine code.

Each operation of a compiled circuit is one row of integers (`kernels.layout`) and its coefficients, which lie where
`kernels.coefficients` says. Of these only the *sources* are written here: the places of the pool's real and imaginary
parts, those of entry e being 2e and 2e + 1.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from qfleet_worker.engines.contract import CapacityError
from qfleet_worker.engines.statevector.compiler.draft import AT, CONTROLS, FLIP, KIND, SHAPE, SIZE, TARGETS, VALUES
from qfleet_worker.engines.statevector.compiler.frame import Frame
from qfleet_worker.engines.statevector.compiler.schedule import MIXED_GROUP, REAL_GROUP
from qfleet_worker.engines.statevector.compiler.shapes import MIXED, REAL, THIN
from qfleet_worker.engines.statevector.compiler.tape import ONE
from qfleet_worker.engines.statevector.kernels import kinds
from qfleet_worker.engines.statevector.kernels.bits import popcount
from qfleet_worker.engines.statevector.kernels.coefficients import (
    OTHER,
    OWN,
    group_high_place,
    group_lane_place,
    is_one_number,
    matrix_place,
    num_parts,
    schmidt_place,
)
from qfleet_worker.engines.statevector.kernels.kinds import CODES, MAX_TARGETS
from qfleet_worker.engines.statevector.kernels.layout import (
    OP_COEFS,
    OP_COUNT,
    OP_FIXED,
    OP_INTS,
    OP_KERNEL,
    OP_OUTSIDE,
    OP_OUTSIDE_VALUES,
    OP_PATTERN,
    OP_SECOND,
    OP_STRIDES,
)
from qfleet_worker.engines.statevector.machine_code.registry import inner_code, machine_code

#: The sources of 1 and 0.
_ONE, _ZERO = 2 * ONE, 2 * ONE + 1


class Matrix(NamedTuple):
    """A matrix on positions of a chunk."""

    #: where it lies in the pool, and its shape
    at: int
    shape: int
    #: int64: the positions of its targets, the lowest bit of its index first
    targets: NDArray[Any]
    #: its controls within the chunk, and the values that they must have, as masks of positions
    controls: int
    values: int


class _Entries(NamedTuple):
    """The entries of a matrix by vector and lane."""

    #: int64, shape (vectors, lanes): which row of the matrix belongs to a lane of a vector
    row_of: NDArray[Any]
    #: where the matrix lies in the pool, and its rows
    at: int
    size: int
    #: the lane bits among its targets
    lo: int
    #: its controls on lanes, and the values that they must have
    lane_controls: int
    lane_values: int


@inner_code
def begin_op(op: NDArray[Any], frame: Frame, fixed: int, pattern: int) -> None:
    """Fill in what all kernels have in common; `fixed` are high local positions. Controls outside stay as they are."""
    outside, outside_values = op[OP_OUTSIDE], op[OP_OUTSIDE_VALUES]
    op[:] = 0
    op[OP_FIXED] = fixed
    op[OP_PATTERN] = pattern
    op[OP_OUTSIDE] = outside
    op[OP_OUTSIDE_VALUES] = outside_values
    free = ((1 << frame.bits) - (1 << frame.lane_bits)) & ~fixed
    op[OP_COUNT] = 1 << popcount(free)
    second = 1
    while second <= free >> 1:
        second <<= 1
    op[OP_SECOND] = second if free else 0


@inner_code
def _split_controls(gate: NDArray[Any], frame: Frame, op: NDArray[Any]) -> tuple[int, int]:
    """Return the local controls of a gate and their values by position; write those outside to `op`."""
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


@inner_code
def _matrix_kind(matrix: Matrix, lo: int, lane_controls: int) -> int:
    """Return the kind of kernel that a matrix needs."""
    k = len(matrix.targets)
    if lo == 0 and lane_controls:
        return kinds.V
    if lo == 0 and k == 2 and matrix.shape & THIN:
        return kinds.S
    if k == 1 and matrix.shape & REAL:
        return kinds.R
    if k == 1 and matrix.shape & MIXED and lane_controls == 0:
        return kinds.X
    return kinds.C


@machine_code
def emit_matrix(matrix: Matrix, frame: Frame, op: NDArray[Any], sources: NDArray[Any], at: int) -> int:
    """Write the operation of a matrix.

    Args:
        matrix: the matrix.
        frame: the stage's chunks.
        op: int64, shape (OP_COLUMNS,): gets the operation; its controls outside of the chunk stay as they are.
        sources: int64: gets the sources of its coefficients.
        at: where these begin.

    Returns:
        Where the next coefficients go.

    Raises:
        CapacityError: `sources` has no room, or there is no kernel for so many targets.
    """
    lane_bits, lanes = frame.lane_bits, 1 << frame.lane_bits
    lane_mask = lanes - 1
    lo = fixed = high = 0
    k = len(matrix.targets)
    for target in matrix.targets:
        if target < lane_bits:
            lo |= 1 << target
        else:
            fixed |= 1 << target
            high += 1
    if k > MAX_TARGETS:
        raise CapacityError("a defect of qfleet, please report it: an operation has too many targets")
    lane_controls, lane_values = matrix.controls & lane_mask, matrix.values & lane_mask
    kind = _matrix_kind(matrix, lo, lane_controls)
    # As of vectors, which is the most.
    spec, last = (kind, high, lo), (1 << high) - 1
    shuffles = 1 << (k - high)
    if at + matrix_place(spec, (last, last, shuffles), 0, shuffles, 2 * lanes) > len(sources):
        raise CapacityError("a defect of qfleet, please report it: an operation has too many coefficients")
    begin_op(op, frame, fixed | (matrix.controls & ~lane_mask), matrix.values & ~lane_mask)
    op[OP_COEFS] = at
    op[OP_KERNEL] = CODES[lane_bits - 2, kind, high, lo]
    index = np.zeros((1 << high, lanes), np.int64)
    for bit in range(k):
        target = matrix.targets[bit]
        if target < lane_bits:
            for r in range(1 << high):
                for lane in range(lanes):
                    index[r, lane] |= (lane >> target & 1) << bit
            continue
        rank = popcount(fixed & ((1 << target) - 1))
        op[OP_STRIDES + rank] = 2 << target
        for r in range(1 << high):
            if r >> rank & 1:
                for lane in range(lanes):
                    index[r, lane] |= 1 << bit
    entries = _Entries(index, matrix.at, 1 << k, lo, lane_controls, lane_values)
    if kind == kinds.S:
        return _write_schmidt(entries, sources, at)
    if is_one_number(kind, lo):
        return _write_numbers(entries, kind, high, sources, at)
    return _write_vectors(entries, kind, high, sources, at)


@inner_code
def _source(entries: _Entries, row: int, column: int, lane: int, shuffle: int) -> int:
    """Return the source of the real part of the entry that a lane of two vectors is multiplied by."""
    entry = int(entries.row_of[row, lane]) * entries.size + int(entries.row_of[column, lane ^ shuffle])
    return 2 * (entries.at + entry)


@inner_code
def _write_schmidt(entries: _Entries, sources: NDArray[Any], at: int) -> int:
    """Write the sources of a matrix whose column 0 is (s, 0, 0, t); return where the next go."""
    for row in range(4):
        for column in range(4):
            if column == 0:
                if row == 0 or row == 3:
                    sources[at + schmidt_place(row, 0, 0)] = 2 * (entries.at + 4 * row)
                continue
            source = _source(entries, row, column, 0, 0)
            for part in range(2):
                sources[at + schmidt_place(row, column, part)] = source + part
    return at + schmidt_place(3, 3, 1) + 1


@inner_code
def _write_numbers(entries: _Entries, kind: int, high: int, sources: NDArray[Any], at: int) -> int:
    """Write the sources of a matrix whose coefficients are one number each; return where the next go."""
    spec = (kind, high, 0)
    last = 0
    for row in range(1 << high):
        for column in range(1 << high):
            source = _source(entries, row, column, 0, 0)
            for part in range(num_parts(kind)):
                last = matrix_place(spec, (row, column, 0), part, 1, 1)
                sources[at + last] = source + (1 if kind == kinds.X and row != column else part)
    return at + last + 1


@inner_code
def _write_vectors(entries: _Entries, kind: int, high: int, sources: NDArray[Any], at: int) -> int:
    """Write the sources of a matrix whose coefficients are vectors; return where the next go."""
    lo, lanes = entries.lo, len(entries.row_of[0])
    width = 2 * lanes
    spec, shuffles, last = (kind, high, lo), 1 << popcount(lo), 0
    for row in range(1 << high):
        for column in range(1 << high):
            number = 0
            for shuffle in range(lanes):
                if shuffle & ~lo:
                    continue
                for part in range(num_parts(kind)):
                    last = matrix_place(spec, (row, column, number), part, shuffles, width)
                    imaginary = part == 1 or (kind == kinds.X and shuffle != 0)
                    for lane in range(lanes):
                        if lane & entries.lane_controls == entries.lane_values:
                            source = _source(entries, row, column, lane, shuffle) + (1 if imaginary else 0)
                        else:
                            source = _ONE if row == column and shuffle == 0 and not imaginary else _ZERO
                        sources[at + last + 2 * lane] = source
                        sources[at + last + 2 * lane + 1] = source
                number += 1
    return at + last + width


@machine_code
def emit_gate(gate: NDArray[Any], frame: Frame, op: NDArray[Any], sources: NDArray[Any], at: int) -> int:
    """Write the operation of a gate, a matrix or an X with any controls; see `emit_matrix`."""
    inside, values = _split_controls(gate, frame, op)
    if gate[KIND] != FLIP:
        k = gate[SIZE]
        if k > MAX_TARGETS:
            raise CapacityError("a defect of qfleet, please report it: an operation has too many targets")
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
        raise CapacityError("a defect of qfleet, please report it: an operation has too many coefficients")
    for lane in range(1 << lane_bits):
        chosen = _ONE if lane & inside & lane_mask == values & lane_mask else _ZERO
        sources[at + 2 * lane] = chosen
        sources[at + 2 * lane + 1] = chosen
    return at + (2 << lane_bits)


@machine_code
def _part(one: int, entry: int, part: int) -> int:
    """Return the source of a part of an entry of the one-qubit matrix at a place, of the identity for -1."""
    if one < 0:
        return _ONE if part == 0 and (entry == 0 or entry == 3) else _ZERO
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


@machine_code
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
        CapacityError: `sources` has no room, or there is no kernel for so many targets.
    """
    group = _group_of(gates, members, frame)
    lane_bits, width = frame.lane_bits, 2 << frame.lane_bits
    code = kinds.GR if kind == REAL_GROUP else kinds.GX if kind == MIXED_GROUP else kinds.GC
    num_lanes = lane_bits if group.any_lane else 0
    end = at + group_high_place(code, num_lanes, group.high, 0, 0, width)
    if end > len(sources):
        raise CapacityError("a defect of qfleet, please report it: a group has too many coefficients")
    if group.high > OP_OUTSIDE - OP_STRIDES:
        raise CapacityError("a defect of qfleet, please report it: a group has too many targets")
    op[OP_OUTSIDE] = 0
    op[OP_OUTSIDE_VALUES] = 0
    begin_op(op, frame, group.fixed, 0)
    op[OP_COEFS] = at
    op[OP_KERNEL] = CODES[lane_bits - 2, code, group.high, (1 << lane_bits) - 1 if group.any_lane else 0]
    # Off the diagonal, the part that counts is the imaginary one in a mixed group.
    off = 1 if code == kinds.GX else 0
    for lane_bit in range(num_lanes):
        one = group.on_lane[lane_bit]
        for lane in range(1 << lane_bits):
            value = lane >> lane_bit & 1
            for part in range(num_parts(code)):
                for which in (OWN, OTHER):
                    entry = 3 * value if which == OWN else 1 + value
                    source = _part(one, entry, part if which == OWN else part + off)
                    place = at + group_lane_place(code, lane_bit, which, part, width) + 2 * lane
                    sources[place] = source
                    sources[place + 1] = source
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


@machine_code
def emit_permutation(gates: NDArray[Any], members: NDArray[Any], wires: int, frame: Frame, op: NDArray[Any],
                     ints: NDArray[Any], at: int) -> int:  # fmt: skip
    """Write the operation of controlled X on at most four wires, local and high, as one permutation.

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
        CapacityError: `ints` has no room, or there are too many wires.
    """
    k = fixed = 0
    strides = np.zeros(4, np.int64)
    wire_bit = np.zeros(len(frame.places), np.int64)
    if popcount(wires) > len(strides) or at + (1 << popcount(wires)) > len(ints):
        raise CapacityError("a defect of qfleet, please report it: a permutation has too many entries")
    for wire in range(len(frame.places)):
        if wires >> wire & 1:
            fixed |= 1 << frame.places[wire]
            strides[k] = 2 << frame.places[wire]
            wire_bit[wire] = k
            k += 1
    op[OP_OUTSIDE] = 0
    op[OP_OUTSIDE_VALUES] = 0
    begin_op(op, frame, fixed, 0)
    op[OP_STRIDES : OP_STRIDES + 4] = strides
    op[OP_KERNEL] = CODES[frame.lane_bits - 2, kinds.PERM, k, 0]
    op[OP_INTS] = at
    for vector in range(1 << k):
        origin = _origin(gates, members, wire_bit, vector)
        ints[at] = 0
        for bit in range(k):
            if origin >> bit & 1:
                ints[at] += strides[bit]
        at += 1
    return at


@inner_code
def _origin(gates: NDArray[Any], members: NDArray[Any], wire_bit: NDArray[Any], vector: int) -> int:
    """Return which vector controlled X move to `vector`, by going backwards."""
    origin = vector
    for item in range(len(members) - 1, -1, -1):
        gate = gates[members[item]]
        applies = True
        for wire in range(len(wire_bit)):
            if gate[CONTROLS] >> wire & 1:
                applies &= origin >> wire_bit[wire] & 1 == gate[VALUES] >> wire & 1
        if applies:
            origin ^= 1 << wire_bit[gate[TARGETS]]
    return origin
