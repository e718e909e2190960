# SPDX-License-Identifier: Apache-2.0
"""Real matrices on density matrices in the Pauli basis, as vector instructions.

A density matrix is a flat array of 4**n real numbers. Two bits of an index belong to a qubit: I, X, Z or Y. A matrix on
some qubits is multiplied with columns of 16 numbers at a time: they are copied into a room of the thread, so that the
places that they come from may be written.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

from qfleet_worker.engines.machine_code.registry import compiled_for
from qfleet_worker.engines.statevector.kernels.bits import spread
from qfleet_worker.engines.statevector.kernels.vectors import I64, Vectors, data

#: Columns that a matrix is multiplied with at a time: two vectors.
LANES: Final = 16
#: Rows of the matrix that are multiplied at a time.
ROWS: Final = 4


@intrinsic
def _multiply_rows(typingctx, matrix, first, size, room, out, places):  # type: ignore[no-untyped-def]
    """Multiply some rows of a matrix with `LANES` columns.

    Rows `first` to ``first + ROWS - 1`` of the matrix of `size` columns are multiplied with `room`, shape (size,
    LANES). The products of row r go to `out`, from place ``places[r]`` on.
    """
    index = types.int64
    signature = types.void(matrix, index, index, room, out, places)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        vectors = Vectors(builder, True)
        arrays = [data(context, builder, sig.args[at], args[at]) for at in (0, 3, 4, 5)]
        matrix_data, room_data, out_data, places_data = arrays
        halves = range(LANES // vectors.width)
        sums = [[cgutils.alloca_once(builder, vectors.vector) for _ in halves] for _ in range(ROWS)]
        for total in [each for row in sums for each in row]:
            builder.store(ir.Constant(vectors.vector, [0.0] * vectors.width), total)
        rows = [builder.add(args[1], ir.Constant(I64, row)) for row in range(ROWS)]
        begins = [builder.mul(row, args[2]) for row in rows]
        with cgutils.for_range(builder, args[2], intp=I64) as loop:
            place = builder.mul(loop.index, ir.Constant(I64, LANES))
            columns = [
                vectors.load(room_data, builder.add(place, ir.Constant(I64, half * vectors.width))) for half in halves
            ]
            for begin, row_sums in zip(begins, sums, strict=True):
                entry = vectors.splat(builder.load(builder.gep(matrix_data, [builder.add(begin, loop.index)]), align=8))
                for column, total in zip(columns, row_sums, strict=True):
                    builder.store(vectors.multiply_add(entry, column, builder.load(total)), total)
        for row, row_sums in zip(rows, sums, strict=True):
            to = builder.load(builder.gep(places_data, [row]), align=8)
            for half, total in zip(halves, row_sums, strict=True):
                at = builder.add(to, ir.Constant(I64, half * vectors.width))
                vectors.store(builder.load(total), out_data, at)
        return context.get_dummy_value()

    return signature, codegen


@compiled_for("float64[::1]", "float64[::1]", "int64[::1]", "int64[::1]", "int64", "float64[::1]", "int64", "int64")
def apply_matrix(
    state: NDArray[np.float64],
    matrix: NDArray[np.float64],
    offsets: NDArray[np.int64],
    lanes: NDArray[np.int64],
    free: int,
    room: NDArray[np.float64],
    begin: int,
    end: int,
) -> None:
    """Multiply a matrix with some groups of columns of a state.

    Args:
        state: the numbers of the state, shape (4**n,).
        matrix: row by row, shape (rows * rows,).
        offsets: where each row of a column lies, counted from the column's first; shape (rows,).
        lanes: where each column of a group lies, counted from the group's first; shape (LANES,).
        free: the mask of the bits of an index that count the groups.
        room: this thread's own, of 2 * LANES * rows numbers.
        begin: the first group.
        end: the group after the last.
    """
    rows = len(offsets)
    together = lanes[LANES - 1] == LANES - 1
    columns, products = room[: LANES * rows], room[LANES * rows : 2 * LANES * rows]
    places = np.empty(rows, np.int64)
    at = spread(begin, free)
    for _ in range(begin, end):
        for row in range(rows):
            place = at + offsets[row]
            if together:
                places[row] = place
                for lane in range(LANES):
                    columns[LANES * row + lane] = state[place + lane]
            else:
                places[row] = LANES * row
                for lane in range(LANES):
                    columns[LANES * row + lane] = state[place + lanes[lane]]
        target = state if together else products
        for row in range(0, rows, ROWS):
            _multiply_rows(matrix, row, rows, columns, target, places)
        if not together:
            for row in range(rows):
                place = at + offsets[row]
                for lane in range(LANES):
                    state[place + lanes[lane]] = products[LANES * row + lane]
        at = ((at | ~free) + 1) & free
