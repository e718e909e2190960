# SPDX-License-Identifier: Apache-2.0
"""How do the tables of a compiled circuit run over a state? In machine code, without the GIL.

A stage copies a chunk into a thread's own room, runs every operation of the stage on it while it lies in the cache, and
copies it back; where the local wires are the lowest ones, a chunk is contiguous and is worked on in place. Wires that
no stage has had yet are in |0>: the part of the state where one of them is 1 is neither read nor worked on, nor was it
ever written; `clear_rest` writes its zeros at the end.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from qfleet_worker.engines.statevector.diagonals import ROW_BITS, apply_diagonal
from qfleet_worker.engines.statevector.emit import (
    COEFS,
    COUNT,
    FIXED,
    INTS,
    KERNEL,
    OUTSIDE,
    OUTSIDE_VALUES,
    PATTERN,
    SECOND,
    STRIDES,
)
from qfleet_worker.engines.statevector.kernels import call_kernel, copy_run
from qfleet_worker.engines.statevector.schedule import popcount

#: Runs that are fetched before they are copied.
AHEAD = 2


@njit(cache=True, nogil=True)
def spread(number: int, mask: int) -> int:
    """The bits of `number` at the places that are set in `mask`."""
    result = 0
    while number:
        lowest = mask & -mask
        if number & 1:
            result |= lowest
        mask ^= lowest
        number >>= 1
    return result


@njit(cache=True, nogil=True)
def run_operations(state: NDArray[Any], offset: int, bits: int, base: int, ops: NDArray[Any], first: int, end: int,
                   coefs: NDArray[Any], ints: NDArray[Any], diagonals: NDArray[Any], terms: NDArray[Any],
                   factors: NDArray[Any], tables: NDArray[Any], high_tables: NDArray[Any], row: NDArray[Any],
                   mixed: NDArray[Any], high_row: NDArray[Any], weights: NDArray[Any]) -> None:  # fmt: skip
    """Run operations on the chunk at element `offset`, whose amplitudes have the index bits `base` outside of it."""
    for at in range(first, end):
        if base & ops[at, OUTSIDE] != ops[at, OUTSIDE_VALUES]:
            continue
        code = ops[at, KERNEL]
        if code >= 0:
            call_kernel(
                state, coefs, ints, code, ops[at, COEFS], ops[at, INTS], offset, ops[at, COUNT], ops[at, FIXED],
                ops[at, PATTERN], ops[at, SECOND], ops[at, STRIDES], ops[at, STRIDES + 1], ops[at, STRIDES + 2],
                ops[at, STRIDES + 3],
            )  # fmt: skip
        else:
            apply_diagonal(
                state, offset, bits, base, diagonals[ops[at, INTS]], terms, factors, tables, high_tables, row, mixed,
                high_row, weights,
            )  # fmt: skip


@njit(cache=True, nogil=True)
def run_stage(state: NDArray[Any], num_wires: int, local: int, known: int, first_op: int, end_op: int,
              ops: NDArray[Any], coefs: NDArray[Any], ints: NDArray[Any], diagonals: NDArray[Any],
              terms: NDArray[Any], factors: NDArray[Any], tables: NDArray[Any], high_tables: NDArray[Any],
              room: NDArray[Any], begin: int, end: int) -> None:  # fmt: skip
    """Run a stage over the chunks ``begin`` to ``end - 1``.

    `known` are the wires that may be other than |0>; with none at all the state is |0...0>, whatever the memory holds.
    `room` is for one chunk; it isn't used where chunks are contiguous.
    """
    bits = popcount(local)
    low_bits = min(bits, ROW_BITS)
    row = np.empty(2 << low_bits, state.dtype)
    mixed = np.empty(2 << low_bits, state.dtype)
    high_row = np.empty(2 << (bits - low_bits), np.float64)
    weights = np.empty((bits, 2), np.complex128)
    outside = ((1 << num_wires) - 1) & ~local & known
    contiguous = local == (1 << bits) - 1
    if contiguous and (known == 0 or known & local == local):
        for chunk in range(begin, end):
            base = spread(chunk, outside)
            if known == 0:
                state[2 * base : 2 * base + (2 << bits)] = 0
                state[2 * base] = 1
            run_operations(
                state, 2 * base, bits, base, ops, first_op, end_op, coefs, ints, diagonals, terms, factors, tables,
                high_tables, row, mixed, high_row, weights,
            )  # fmt: skip
        return
    run_bits = 0
    while local >> run_bits & 1:
        run_bits += 1
    run = 2 << run_bits
    upper = local >> run_bits << run_bits
    places = np.empty(1 << (bits - run_bits), np.int64)
    fresh = np.empty(len(places), np.bool_)
    for at in range(len(places)):
        places[at] = 2 * spread(at, upper)
        fresh[at] = (places[at] >> 1) & ~known != 0 or known == 0
    low_fresh = known != 0 and ~known & ((1 << run_bits) - 1) != 0
    for chunk in range(begin, end):
        base = spread(chunk, outside)
        for at in range(len(places)):
            source, to = 2 * base + places[at], at * run
            if fresh[at]:
                room[to : to + run] = 0
            elif low_fresh:
                for j in range(run):
                    room[to + j] = 0 if (j >> 1) & ~known else state[source + j]
            else:
                ahead = 2 * base + places[min(at + AHEAD, len(places) - 1)]
                copy_run(room, to, state, source, run, state, ahead)
        if known == 0:
            room[0] = 1
        run_operations(
            room, 0, bits, base, ops, first_op, end_op, coefs, ints, diagonals, terms, factors, tables, high_tables,
            row, mixed, high_row, weights,
        )  # fmt: skip
        for at in range(len(places)):
            target, source = 2 * base + places[at], at * run
            ahead = 2 * base + places[min(at + AHEAD, len(places) - 1)]
            copy_run(state, target, room, source, run, state, ahead)


@njit(cache=True, nogil=True)
def clear_rest(state: NDArray[Any], num_wires: int, known: int, begin: int, end: int) -> None:
    """Write the zeros of the blocks ``begin`` to ``end - 1``: the amplitudes where a wire that isn't known is 1.

    A block is as long as the known wires at the bottom make it.
    """
    run_bits = 0
    while run_bits < num_wires and known >> run_bits & 1:
        run_bits += 1
    run = 2 << run_bits
    for block in range(begin, end):
        if (block << run_bits) & ~known:
            state[block * run : (block + 1) * run] = 0


@njit(cache=True, nogil=True)
def permute(source: NDArray[Any], target: NDArray[Any], wires: NDArray[Any], factor: complex, begin: int,
            end: int) -> None:  # fmt: skip
    """``target[x] = factor * source[y]`` for x from `begin` on, where bit ``wires[q]`` of y is bit q of x.

    `begin` and `end` are multiples of 2**10 or of the size. Arrays of complex numbers.
    """
    low_bits = min(len(wires), 10)
    size = 1 << low_bits
    low = np.zeros(size, np.int64)
    for x in range(size):
        for bit in range(low_bits):
            low[x] |= (x >> bit & 1) << wires[bit]
    for block in range(begin, end, size):
        high = 0
        for bit in range(low_bits, len(wires)):
            high |= (block >> bit & 1) << wires[bit]
        for x in range(size):
            target[block + x] = source[high | low[x]] * factor
