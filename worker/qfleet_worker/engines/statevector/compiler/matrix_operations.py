# SPDX-License-Identifier: Apache-2.0
"""Operations of matrices, and the sources of their coefficients, in machine code.

Each operation of a compiled circuit is one row of integers (`kernels.layout`) and its coefficients, which lie where
`kernels.coefficients` says. Of these only the *sources* are written here: the places of the pool's real and imaginary
parts, those of entry e being 2e and 2e + 1.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from qfleet_worker.engines.contract import CompilerError
from qfleet_worker.engines.machine_code.registry import built_in, inner_code, machine_code
from qfleet_worker.engines.statevector.compiler.frame import Frame
from qfleet_worker.engines.statevector.compiler.shapes import MIXED, REAL, SCHMIDT
from qfleet_worker.engines.statevector.compiler.tape import ONE
from qfleet_worker.engines.statevector.kernels import kinds
from qfleet_worker.engines.statevector.kernels.bits import popcount
from qfleet_worker.engines.statevector.kernels.coefficients import is_one_number, matrix_place, num_parts, schmidt_place
from qfleet_worker.engines.statevector.kernels.kinds import CODES, MAX_TARGETS
from qfleet_worker.engines.statevector.kernels.layout import (
    DIAGONAL,
    OP_COEFS,
    OP_COUNT,
    OP_FIXED,
    OP_KERNEL,
    OP_OUTSIDE,
    OP_OUTSIDE_VALUES,
    OP_PATTERN,
    OP_SECOND,
    OP_STRIDES,
    PERMUTATION,
)

#: The sources of 1 and 0.
ONE_SOURCE, ZERO_SOURCE = 2 * ONE, 2 * ONE + 1


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
    """Fill in what the operations of all kernels have in common.

    `fixed` are high local positions. Controls outside stay as they are.
    """
    outside, outside_values = op[OP_OUTSIDE], op[OP_OUTSIDE_VALUES]
    op[:] = 0
    op[OP_FIXED] = fixed
    op[OP_PATTERN] = pattern
    op[OP_OUTSIDE] = outside
    op[OP_OUTSIDE_VALUES] = outside_values
    _count_groups(op, frame)


@inner_code
def _count_groups(op: NDArray[Any], frame: Frame) -> None:
    """Fill in how many groups of vectors an operation has."""
    free = ((1 << frame.bits) - (1 << frame.lane_bits)) & ~op[OP_FIXED]
    op[OP_COUNT] = 1 << popcount(free)
    second = 1
    while second <= free >> 1:
        second <<= 1
    op[OP_SECOND] = second if free else 0


@inner_code
def leave_out_zeros(ops: NDArray[Any], frame: Frame) -> None:
    """Let the operations that come first leave out amplitudes of 0.

    In |0...0>, these are all where a bit is 1 that no operation has changed.

    Args:
        ops: int64, shape (operations, OP_COLUMNS): those of the first stage.
        frame: its chunks.
    """
    still_zero = (1 << frame.bits) - (1 << frame.lane_bits)
    for at in range(len(ops)):
        if ops[at, OP_KERNEL] == PERMUTATION:
            # It may move any amplitude to any place.
            break
        if ops[at, OP_KERNEL] == DIAGONAL:
            continue
        for target in range(MAX_TARGETS):
            still_zero &= ~(ops[at, OP_STRIDES + target] >> 1)
        ops[at, OP_FIXED] |= still_zero
        _count_groups(ops[at], frame)


@built_in
def _matrix_kind(matrix: Matrix, lo: int, lane_controls: int) -> int:
    """Return the kind of kernel that a matrix needs."""
    k = len(matrix.targets)
    if lo == 0 and lane_controls:
        return kinds.V
    if lo == 0 and k == 2 and matrix.shape & SCHMIDT:
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
        CompilerError: `sources` has no room, or there is no kernel for this number of targets.
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
        raise CompilerError("a defect of qfleet, please report it: an operation has too many targets")
    lane_controls, lane_values = matrix.controls & lane_mask, matrix.values & lane_mask
    kind = _matrix_kind(matrix, lo, lane_controls)
    # As of vectors, which is the most.
    spec, last = (kind, high, lo), (1 << high) - 1
    shuffles = 1 << (k - high)
    if at + matrix_place(spec, (last, last, shuffles), 0, shuffles, 2 * lanes) > len(sources):
        raise CompilerError("a defect of qfleet, please report it: an operation has too many coefficients")
    begin_op(op, frame, fixed | (matrix.controls & ~lane_mask), matrix.values & ~lane_mask)
    op[OP_COEFS] = at
    op[OP_KERNEL] = CODES[lane_bits - 2, kind, high, lo]
    index = _rows_of_lanes(matrix, frame, fixed, op)
    entries = _Entries(index, matrix.at, 1 << k, lo, lane_controls, lane_values)
    if kind == kinds.S:
        return _write_schmidt(entries, sources, at)
    if is_one_number(kind, lo):
        return _write_numbers(entries, kind, high, sources, at)
    return _write_vectors(entries, kind, high, sources, at)


@built_in
def _rows_of_lanes(matrix: Matrix, frame: Frame, fixed: int, op: NDArray[Any]) -> NDArray[Any]:
    """Return the matrix row of each vector and lane.

    The strides of the matrix's high targets are written to `op`; `fixed` are these targets as a mask.

    Returns:
        Shape (vectors, lanes).
    """
    lanes = 1 << frame.lane_bits
    index = np.zeros((1 << popcount(fixed), lanes), np.int64)
    for bit in range(len(matrix.targets)):
        target = matrix.targets[bit]
        high = target >= frame.lane_bits
        place = popcount(fixed & ((1 << target) - 1)) if high else target
        if high:
            op[OP_STRIDES + place] = 2 << target
        for vector in range(len(index)):
            for lane in range(lanes):
                index[vector, lane] |= ((vector if high else lane) >> place & 1) << bit
    return index


@inner_code
def _source(entries: _Entries, row: int, column: int, lane: int, shuffle: int) -> int:
    """Return the source of an entry's real part.

    It is the entry by which a lane of two vectors is multiplied.
    """
    entry = int(entries.row_of[row, lane]) * entries.size + int(entries.row_of[column, lane ^ shuffle])
    return 2 * (entries.at + entry)


@inner_code
def _write_schmidt(entries: _Entries, sources: NDArray[Any], at: int) -> int:
    """Write the sources of a matrix of kind S.

    Its column 0 is (s, 0, 0, t).

    Returns:
        Where the next sources go.
    """
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
    """Write the sources of a matrix with single numbers as coefficients.

    Returns:
        Where the next sources go.
    """
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
    """Write the sources of a matrix with vectors as coefficients.

    Returns:
        Where the next sources go.
    """
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
                            source = ONE_SOURCE if row == column and shuffle == 0 and not imaginary else ZERO_SOURCE
                        sources[at + last + 2 * lane] = source
                        sources[at + last + 2 * lane + 1] = source
                number += 1
    return at + last + width
