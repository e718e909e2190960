# SPDX-License-Identifier: Apache-2.0
"""Which kernel runs for an item of a stage, and with which coefficients? In machine code.

Each operation of a compiled circuit is one row of integers (`kernels.layout`) and its coefficients. Of these only
the *sources* are found here: the places of the pool's real and imaginary parts, those of entry e being 2e and 2e + 1.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from qfleet_worker.engines.contract import CapacityError
from qfleet_worker.engines.statevector.compiler.draft import AT, CONTROLS, FLIP, KIND, SHAPE, SIZE, TARGETS, VALUES
from qfleet_worker.engines.statevector.compiler.schedule import MIXED_GROUP, REAL_GROUP
from qfleet_worker.engines.statevector.compiler.shapes import MIXED, REAL, THIN
from qfleet_worker.engines.statevector.compiler.tape import ONE
from qfleet_worker.engines.statevector.kernels import gates as kernels
from qfleet_worker.engines.statevector.kernels.bits import popcount
from qfleet_worker.engines.statevector.kernels.gates import CODES
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
from qfleet_worker.engines.statevector.machine_code.registry import machine_code

_C, _R, _X, _V, _S = kernels.C, kernels.R, kernels.X, kernels.V, kernels.S
_GR, _GX, _GC = kernels.GR, kernels.GX, kernels.GC
_FLIP, _FLIPM, _FLIPL, _PERM = kernels.FLIP, kernels.FLIPM, kernels.FLIPL, kernels.PERM

#: The sources of 1 and 0.
_ONE, _ZERO = 2 * ONE, 2 * ONE + 1


@machine_code
def begin_op(op: NDArray[Any], bits: int, lane_bits: int, fixed: int, pattern: int) -> None:
    """Fill in what all kernels have in common; `fixed` are high local positions."""
    op[:] = 0
    op[OP_FIXED] = fixed
    op[OP_PATTERN] = pattern
    free = ((1 << bits) - (1 << lane_bits)) & ~fixed
    op[OP_COUNT] = 1 << popcount(free)
    second = 1
    while second <= free >> 1:
        second <<= 1
    op[OP_SECOND] = second if free else 0


@machine_code
def _split_controls(
    gates: NDArray[Any], gate: int, places: NDArray[Any], num_wires: int, op: NDArray[Any]
) -> tuple[int, int]:
    """The local controls of a gate and their values by position; those outside are written to `op`."""
    inside = values = 0
    controls = gates[gate, CONTROLS]
    op[OP_OUTSIDE] = 0
    op[OP_OUTSIDE_VALUES] = 0
    if controls:
        for wire in range(num_wires):
            if controls >> wire & 1:
                value = gates[gate, VALUES] >> wire & 1
                if places[wire] >= 0:
                    inside |= 1 << places[wire]
                    values |= value << places[wire]
                else:
                    op[OP_OUTSIDE] |= 1 << wire
                    op[OP_OUTSIDE_VALUES] |= value << wire
    return inside, values


@machine_code
def emit_matrix(matrix: int, shape: int, k: int, targets: NDArray[Any], inside: int, values: int, bits: int,
                lane_bits: int, op: NDArray[Any], sources: NDArray[Any], at: int) -> int:  # fmt: skip
    """The matrix at a place, on the positions `targets`, with local controls. Returns where the next coefficients go.

    Leaves the columns ``OUTSIDE`` as they are.
    """
    outside, outside_values = op[OP_OUTSIDE], op[OP_OUTSIDE_VALUES]
    lanes, width = 1 << lane_bits, 2 << lane_bits
    lane_mask = lanes - 1
    lo = fixed = high = 0
    for bit in range(k):
        if targets[bit] < lane_bits:
            lo |= 1 << targets[bit]
        else:
            fixed |= 1 << targets[bit]
            high += 1
    lane_controls, lane_values = inside & lane_mask, values & lane_mask
    # Real and imaginary parts of each lane, for each entry of the matrix over the high targets and each shuffle.
    if at + (4 * lanes << (2 * high + k - high)) > len(sources):
        raise CapacityError("a defect of qfleet, please report it: an operation has too many coefficients")
    if k > len(targets) or high > OP_OUTSIDE - OP_STRIDES:
        raise CapacityError("a defect of qfleet, please report it: an operation has too many targets")
    begin_op(op, bits, lane_bits, fixed | (inside & ~lane_mask), values & ~lane_mask)
    op[OP_OUTSIDE] = outside
    op[OP_OUTSIDE_VALUES] = outside_values
    op[OP_COEFS] = at
    # Which row of the matrix belongs to vector r, lane l.
    index = np.zeros((1 << high, lanes), np.int64)
    for bit in range(k):
        if targets[bit] < lane_bits:
            for r in range(1 << high):
                for lane in range(lanes):
                    index[r, lane] |= (lane >> targets[bit] & 1) << bit
            continue
        rank = popcount(fixed & ((1 << targets[bit]) - 1))
        op[OP_STRIDES + rank] = 2 << targets[bit]
        for r in range(1 << high):
            if r >> rank & 1:
                for lane in range(lanes):
                    index[r, lane] |= 1 << bit
    kind = _C
    if k == 1 and shape & REAL:
        kind = _R
    elif k == 1 and shape & MIXED:
        kind = _X
    size = 1 << k
    splat = lo == 0
    if splat and lane_controls:
        splat = False
        kind = _V
    if splat:
        if k == 2 and shape & THIN:
            op[OP_KERNEL] = CODES[lane_bits - 2, _S, 2, 0]
            sources[at] = 2 * matrix
            sources[at + 1] = 2 * (matrix + 12)
            at += 2
            for r in range(4):
                for c in range(1, 4):
                    entry = 2 * (matrix + index[r, 0] * 4 + index[c, 0])
                    sources[at] = entry
                    sources[at + 1] = entry + 1
                    at += 2
            return at
        op[OP_KERNEL] = CODES[lane_bits - 2, kind, high, 0]
        for r in range(1 << high):
            for c in range(1 << high):
                entry = 2 * (matrix + index[r, 0] * size + index[c, 0])
                if kind == _C:
                    sources[at] = entry
                    sources[at + 1] = entry + 1
                    at += 2
                else:
                    sources[at] = entry + 1 if kind == _X and r != c else entry
                    at += 1
        return at
    op[OP_KERNEL] = CODES[lane_bits - 2, kind, high, lo]
    if lane_controls and kind == _X:
        kind = _C
        op[OP_KERNEL] = CODES[lane_bits - 2, _C, high, lo]
    for r in range(1 << high):
        for c in range(1 << high):
            for shuffle in range(lanes):
                if shuffle & ~lo:
                    continue
                for lane in range(lanes):
                    if lane & lane_controls == lane_values:
                        real = 2 * (matrix + index[r, lane] * size + index[c, lane ^ shuffle])
                        imaginary = real + 1
                    else:
                        real = _ONE if r == c and shuffle == 0 else _ZERO
                        imaginary = _ZERO
                    place = at + 2 * lane
                    if kind == _R or (kind == _X and shuffle == 0):
                        sources[place] = real
                        sources[place + 1] = real
                    elif kind == _X:
                        sources[place] = imaginary
                        sources[place + 1] = imaginary
                    else:
                        sources[place] = real
                        sources[place + 1] = real
                        sources[place + width] = imaginary
                        sources[place + width + 1] = imaginary
                at += width if kind == _R or kind == _X else 2 * width
    return at


@machine_code
def emit_gate(gates: NDArray[Any], gate: int, places: NDArray[Any], num_wires: int, bits: int,
              lane_bits: int, op: NDArray[Any], sources: NDArray[Any], at: int) -> int:  # fmt: skip
    """A matrix or an X with any controls. Returns where the next coefficients go."""
    inside, values = _split_controls(gates, gate, places, num_wires, op)
    if gates[gate, KIND] != FLIP:
        k = gates[gate, SIZE]
        targets = np.empty(4, np.int64)
        if k > len(targets):
            raise CapacityError("a defect of qfleet, please report it: an operation has too many targets")
        for bit in range(k):
            targets[bit] = places[gates[gate, TARGETS] >> 8 * bit & 255]
        return emit_matrix(
            gates[gate, AT], gates[gate, SHAPE], k, targets, inside, values, bits, lane_bits, op, sources, at
        )
    outside, outside_values = op[OP_OUTSIDE], op[OP_OUTSIDE_VALUES]
    lane_mask = (1 << lane_bits) - 1
    place = places[gates[gate, TARGETS]]
    high_target = 1 << place if place >= lane_bits else 0
    begin_op(op, bits, lane_bits, high_target | (inside & ~lane_mask), values & ~lane_mask)
    op[OP_OUTSIDE] = outside
    op[OP_OUTSIDE_VALUES] = outside_values
    op[OP_COEFS] = at
    if high_target:
        op[OP_STRIDES] = 2 << place
        op[OP_KERNEL] = CODES[lane_bits - 2, _FLIPM if inside & lane_mask else _FLIP, 1, 0]
        if inside & lane_mask == 0:
            return at
    else:
        op[OP_KERNEL] = CODES[lane_bits - 2, _FLIPL, 0, 1 << place]
    if at + (2 << lane_bits) > len(sources):
        raise CapacityError("a defect of qfleet, please report it: an operation has too many coefficients")
    for lane in range(1 << lane_bits):
        chosen = _ONE if lane & inside & lane_mask == values & lane_mask else _ZERO
        sources[at + 2 * lane] = chosen
        sources[at + 2 * lane + 1] = chosen
    return at + (2 << lane_bits)


@machine_code
def _part(one: int, entry: int, real: bool) -> int:
    """The source of a part of an entry of the one-qubit matrix at a place, of the identity for -1."""
    if one < 0:
        return _ONE if real and (entry == 0 or entry == 3) else _ZERO
    return 2 * (one + entry) + (0 if real else 1)


@machine_code
def emit_group(gates: NDArray[Any], sequence: NDArray[Any], begin: int, end: int, kind: int, places: NDArray[Any],
               bits: int, lane_bits: int, op: NDArray[Any], sources: NDArray[Any], at: int) -> int:  # fmt: skip
    """One-qubit gates of one kind in one pass. Returns where the next coefficients go."""
    on_lane = np.full(3, -1, np.int64)
    by_place = np.full(bits, -1, np.int64)
    fixed = high = 0
    any_lane = False
    for item in range(begin, end):
        gate = sequence[item]
        place = places[gates[gate, TARGETS]]
        if place < lane_bits:
            on_lane[place] = gates[gate, AT]
            any_lane = True
        else:
            by_place[place] = gates[gate, AT]
            fixed |= 1 << place
            high += 1
    if high == 0:
        # A kernel without high targets isn't there: the identity on one.
        fixed = 1 << lane_bits
        high = 1
    if at + lane_bits * (8 << lane_bits) + 8 * high > len(sources):
        raise CapacityError("a defect of qfleet, please report it: a group has too many coefficients")
    if high > OP_OUTSIDE - OP_STRIDES:
        raise CapacityError("a defect of qfleet, please report it: a group has too many targets")
    begin_op(op, bits, lane_bits, fixed, 0)
    op[OP_COEFS] = at
    code = _GR if kind == REAL_GROUP else _GX if kind == MIXED_GROUP else _GC
    every = (1 << lane_bits) - 1
    op[OP_KERNEL] = CODES[lane_bits - 2, code, high, every if any_lane else 0]
    width = 2 << lane_bits
    if any_lane:
        for lane_bit in range(lane_bits):
            one = on_lane[lane_bit]
            for lane in range(1 << lane_bits):
                value = lane >> lane_bit & 1
                diagonal = _part(one, 3 * value, True)
                for part in range(2):
                    place = at + 2 * lane + part
                    sources[place] = diagonal
                    if code == _GC:
                        sources[place + width] = _part(one, 3 * value, False)
                        sources[place + 2 * width] = _part(one, 1 + value, True)
                        sources[place + 3 * width] = _part(one, 1 + value, False)
                    else:
                        sources[place + width] = _part(one, 1 + value, code == _GR)
            at += 4 * width if code == _GC else 2 * width
    rank = 0
    for place in range(lane_bits, bits):
        if not fixed >> place & 1:
            continue
        op[OP_STRIDES + rank] = 2 << place
        rank += 1
        one = by_place[place]
        for entry in range(4):
            if code == _GC:
                sources[at] = _part(one, entry, True)
                sources[at + 1] = _part(one, entry, False)
                at += 2
            else:
                sources[at] = _part(one, entry, code == _GR or entry == 0 or entry == 3)
                at += 1
    return at


@machine_code
def emit_permutation(gates: NDArray[Any], sequence: NDArray[Any], begin: int, end: int, wires: int,
                     places: NDArray[Any], num_wires: int, bits: int, lane_bits: int, op: NDArray[Any],
                     ints: NDArray[Any], at: int) -> int:  # fmt: skip
    """Controlled X on at most four wires, local and high, as one permutation. Returns where the next integers go."""
    k = fixed = 0
    strides = np.zeros(4, np.int64)
    wire_bit = np.zeros(num_wires, np.int64)
    if popcount(wires) > len(strides) or at + (1 << popcount(wires)) > len(ints):
        raise CapacityError("a defect of qfleet, please report it: a permutation has too many entries")
    for wire in range(num_wires):
        if wires >> wire & 1:
            fixed |= 1 << places[wire]
            strides[k] = 2 << places[wire]
            wire_bit[wire] = k
            k += 1
    begin_op(op, bits, lane_bits, fixed, 0)
    op[OP_STRIDES : OP_STRIDES + 4] = strides
    op[OP_KERNEL] = CODES[lane_bits - 2, _PERM, k, 0]
    op[OP_INTS] = at
    for r in range(1 << k):
        # Backwards: what ends in r, where did it come from?
        origin = r
        for item in range(end - 1, begin - 1, -1):
            gate = sequence[item]
            applies = True
            for wire in range(num_wires):
                if gates[gate, CONTROLS] >> wire & 1:
                    applies &= origin >> wire_bit[wire] & 1 == gates[gate, VALUES] >> wire & 1
            if applies:
                origin ^= 1 << wire_bit[gates[gate, TARGETS]]
        ints[at] = 0
        for bit in range(k):
            if origin >> bit & 1:
                ints[at] += strides[bit]
        at += 1
    return at
