# SPDX-License-Identifier: Apache-2.0
"""The run of a stage over a state, in machine code.

It doesn't hold the GIL. A stage copies a chunk into a thread's own room, runs every operation of the stage on it while
it lies in the cache, and copies it back; where the local wires are the lowest ones, a chunk is contiguous and is worked
on in place. The last stage may also sum up the chunk's rows, for sampling. Wires that no stage has had yet are in |0>:
the part of the state where one of them is 1 is neither read nor worked on, nor was it ever written; `clear_rest` writes
its zeros at the end. A chunk is left out that holds nothing but zeros, or that all operations leave as it is.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from qfleet_worker.engines.machine_code.registry import compiled_for, inner_code, machine_code, structure
from qfleet_worker.engines.statevector.kernels.bits import popcount, spread
from qfleet_worker.engines.statevector.kernels.diagonals import Chunk, Factors, apply_diagonal, new_room
from qfleet_worker.engines.statevector.kernels.dots import square_row
from qfleet_worker.engines.statevector.kernels.gates import call_kernel
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
    PERMUTATION,
    Operations,
    Values,
)
from qfleet_worker.engines.statevector.kernels.permutations import permute
from qfleet_worker.engines.statevector.kernels.runs import copy_run

#: Runs that are fetched before they are copied.
AHEAD = 2

#: Steps from one state to the next, of its real numbers, its coefficients, its factors and its two sorts of tables; and
#: those where there is one state only.
STATE_STEP, COEF_STEP, FACTOR_STEP, TABLE_STEP, HIGH_STEP = range(5)
ONE_STATE = np.zeros(5, np.int64)
#: Where no sums are wanted.
NO_SUMS = np.zeros(0)


@inner_code
def _is_zero(state: NDArray[Any], first: int, places: NDArray[Any], run: int, known: int) -> bool:
    """Tell whether a chunk is zero wherever it is known.

    Its runs begin `places` after `first`. Each is known as a whole or not at all.
    """
    step = min(run, 16)
    for place in places:
        if (place >> 1) & ~known:
            continue
        for part in range(first + place, first + place + run, step):
            # Some at a time, so that vector instructions are used.
            some = 0
            for at in range(part, part + step):
                some += state[at] != 0
            if some:
                return False
    return True


@inner_code
def _stays(ops: NDArray[Any], first_op: int, end_op: int, base: int) -> bool:
    """Tell whether controls outside of a chunk keep all operations from it."""
    at = first_op
    while at < end_op and base & ops[at, OP_OUTSIDE] != ops[at, OP_OUTSIDE_VALUES]:
        at += 1
    return at == end_op


@inner_code
def _gather(state: NDArray[Any], room: NDArray[Any], base: int, places: NDArray[Any], run: int, known: int) -> None:
    """Copy a chunk to `room`, with zeros for what isn't known."""
    low_known = known != 0 and ~known & ((run >> 1) - 1) == 0
    for at in range(len(places)):
        source, to = 2 * base + places[at], at * run
        if known == 0 or (places[at] >> 1) & ~known:
            room[to : to + run] = 0
        elif low_known:
            ahead = 2 * base + places[min(at + AHEAD, len(places) - 1)]
            copy_run(room, to, state, source, run, state, ahead)
        else:
            for j in range(run):
                room[to + j] = 0 if (j >> 1) & ~known else state[source + j]
    if known == 0:
        room[0] = 1


@inner_code
def _sum_rows(
    work: NDArray[Any], offset: int, bits: int, base: int, places: NDArray[Any], run: int, sums: NDArray[Any], row: int
) -> None:
    """Write the squared norms of a chunk's rows; see `run_stage`.

    The chunk lies at an `offset` and has ``2**bits`` amplitudes. `row` and `run` count elements.
    """
    for at in range(0, 2 << bits, row):
        place = 2 * base + places[at // run] + at % run
        sums[place // row] = square_row(work, offset + at, row)


@machine_code
def _new_spare(state: NDArray[Any], ops: NDArray[Any], bits: int) -> NDArray[Any]:
    """Return room for another chunk if an operation needs it."""
    needed = False
    for at in range(len(ops)):
        needed |= ops[at, OP_KERNEL] == PERMUTATION
    size = 2 << bits if needed else 0
    room = np.empty(size + 64 // state.itemsize, state.dtype)
    # As `qfleet_worker.machine.arrays.empty` does.
    begin = (-room.ctypes.data % 64) // state.itemsize
    return room[begin : begin + size]


@structure(local="int64", known="int64", first_op="int64", end_op="int64", num_wires="int64")
class Stage(NamedTuple):
    """One stage, and the state that it finds."""

    #: the local wires, as a mask
    local: int
    #: the wires that may be other than |0>, as a mask; if there are none, the state is |0...0>, whatever memory holds
    known: int
    #: the operations, from and to
    first_op: int
    end_op: int
    #: wires of the state
    num_wires: int


@compiled_for(
    "{real}[::1]", "Stage", "Operations", "Values", "{real}[::1]", "int64[::1]", "float64[::1]", "int64", "int64"
)  # fmt: skip
def run_stage(  # noqa: C901 - a kernel
    state: NDArray[Any], stage: Stage, operations: Operations, values: Values, room: NDArray[Any], steps: NDArray[Any],
    sums: NDArray[Any], begin: int, end: int,
) -> None:  # fmt: skip
    """Run the operations of a stage over some chunks.

    No other function calls kernels: each that did would have them compiled once more.

    Args:
        state: the amplitudes' real and imaginary parts, shape (2 * 2**wires,).
        stage: which operations, on which wires.
        operations: those of the compiled stretch.
        values: its numbers, in the state's precision.
        room: for one chunk, shape (2 * 2**local wires,); not used where chunks are contiguous.
        steps: int64, shape (5,): `ONE_STATE`; or, if all wires are local, how far the states and their values lie
            apart, each chunk being a state of its own.
        sums: float64: gets the squared norm of each row of the state, a chunk's rows each time; or `NO_SUMS`. The
            wires inside a row are local.
        begin: the first chunk.
        end: the one after the last.
    """
    local, known, first_op, end_op, num_wires = stage
    ops, ints, diagonals, terms = operations
    coefs, factors, low_tables, high_tables, _ = values
    bits = popcount(local)
    working = new_room(state, bits)
    outside = ((1 << num_wires) - 1) & ~local & known
    in_place = local == (1 << bits) - 1 and (known == 0 or known & local == local)
    run_bits = 0
    while local >> run_bits & 1:
        run_bits += 1
    run = 2 << run_bits
    # Runs are known as a whole or not at all.
    by_runs = known != 0 and ~known & ((run >> 1) - 1) == 0
    upper = local >> run_bits << run_bits
    places = np.empty(1 << (bits - run_bits), np.int64)
    for at in range(len(places)):
        places[at] = 2 * spread(at, upper)
    spare = _new_spare(state, ops[first_op:end_op], bits)
    for chunk in range(begin, end):
        base = spread(chunk, outside)
        coef_at = chunk * steps[COEF_STEP]
        own = Factors(
            terms,
            factors[chunk * steps[FACTOR_STEP] :],
            low_tables[chunk * steps[TABLE_STEP] :],
            high_tables[chunk * steps[HIGH_STEP] :],
        )
        if by_runs and (
            (len(sums) == 0 and _stays(ops, first_op, end_op, base))
            or _is_zero(state, 2 * base + chunk * steps[STATE_STEP], places, run, known)
        ):
            for place in places:
                if (place >> 1) & ~known:
                    state[2 * base + place : 2 * base + place + run] = 0
            continue
        if in_place:
            work, offset = state, 2 * base + chunk * steps[STATE_STEP]
            if known == 0:
                state[offset : offset + (2 << bits)] = 0
                state[offset] = 1
        else:
            work, offset = room, 0
            _gather(state, room, base, places, run, known)
        spare_at, exchanged = 0, False
        for at in range(first_op, end_op):
            if base & ops[at, OP_OUTSIDE] != ops[at, OP_OUTSIDE_VALUES]:
                continue
            code = ops[at, OP_KERNEL]
            if code >= 0:
                call_kernel(
                    work, coefs, ints, code, coef_at + ops[at, OP_COEFS], ops[at, OP_INTS], offset, ops[at, OP_COUNT],
                    ops[at, OP_FIXED], ops[at, OP_PATTERN], ops[at, OP_SECOND], ops[at, OP_STRIDES],
                    ops[at, OP_STRIDES + 1], ops[at, OP_STRIDES + 2], ops[at, OP_STRIDES + 3],
                )  # fmt: skip
            elif code == PERMUTATION:
                permute(work, offset, spare, spare_at, ints, ops[at, OP_INTS], ops[at, OP_COUNT])
                work, offset, spare, spare_at = spare, spare_at, work, offset
                exchanged = not exchanged
            else:
                apply_diagonal(work, Chunk(offset, bits, base), diagonals[ops[at, OP_INTS]], own, working)
        if exchanged:
            copy_run(spare, spare_at, work, offset, 2 << bits, work, offset)
            work, offset, spare, spare_at = spare, spare_at, work, offset
        if len(sums):
            _sum_rows(work, offset, bits, base, places, run, sums, (2 << num_wires) // len(sums))
        if not in_place:
            for at in range(len(places)):
                ahead = 2 * base + places[min(at + AHEAD, len(places) - 1)]
                copy_run(state, 2 * base + places[at], room, at * run, run, state, ahead)


@compiled_for("{real}[::1]", "int64", "int64", "int64", "int64")
def clear_rest(state: NDArray[Any], num_wires: int, known: int, begin: int, end: int) -> None:
    """Write zeros to some blocks' amplitudes where an unknown wire is 1.

    A block is as long as the known wires at the bottom make it.
    """
    run_bits = 0
    while run_bits < num_wires and known >> run_bits & 1:
        run_bits += 1
    run = 2 << run_bits
    for block in range(begin, end):
        if (block << run_bits) & ~known:
            state[block * run : (block + 1) * run] = 0
