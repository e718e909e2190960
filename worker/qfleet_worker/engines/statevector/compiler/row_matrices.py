# SPDX-License-Identifier: Apache-2.0
"""The matrices of a program's rows in the pool, in machine code."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from qfleet_worker.engines.gates import codes
from qfleet_worker.engines.machine_code.registry import built_in, inner_code
from qfleet_worker.engines.statevector.compiler.draft import Draft, instruct, room, write
from qfleet_worker.engines.statevector.compiler.gate_table import ANGLES, MATRIX_AT, POWERS_AT, SHAPE, TERMS, GateTable
from qfleet_worker.engines.statevector.compiler.rows import Row, Rows, target_of
from qfleet_worker.engines.statevector.compiler.shapes import shape_of_one
from qfleet_worker.engines.statevector.compiler.tape import COMBINE, CONTROLLED, COPY, EXCHANGED, FILL, ONE, POWER
from qfleet_worker.engines.statevector.compiler.waiting import shape_of_wait


@inner_code
def copy_constants(draft: Draft, source: NDArray[Any], begin: int, to: int, size: int) -> None:
    """Copy some entries of a table into the pool."""
    for at in range(size):
        write(draft, to + at, source[begin + at])


@inner_code
def is_free(rows: Rows, angle: int, number: int) -> bool:
    """Tell whether any of some angles isn't constant."""
    free = False
    for at in range(angle, angle + number):
        free |= not rows.fixed[at]
    return free


@inner_code
def write_matrix(draft: Draft, rows: Rows, gates: GateTable, row: Row, place: int) -> None:
    """Write the matrix of a row's gate, which has no table."""
    code, size = row.code, 1 << 2 * row.num_targets
    at, terms, angles = gates.codes[code, MATRIX_AT], gates.codes[code, TERMS], gates.codes[code, ANGLES]
    free = is_free(rows, row.angle, angles)
    if at < 0:
        instruct(draft, free, FILL, place, size, code, row.angle, size)
        return
    if terms == 0:
        copy_constants(draft, gates.matrices, at, place, size)
        return
    # The factors of the terms, then their matrices.
    block = room(draft, terms)
    for term in range(terms):
        copy_constants(draft, gates.matrices, at + term * size, room(draft, size), size)
    for term in range(terms):
        instruct(draft, free, COPY, block + term, 1, ONE, 0, 1)
        for angle in range(angles):
            power = gates.powers[gates.codes[code, POWERS_AT] + term, angle]
            if power:
                instruct(draft, free, POWER, block + term, 1, row.angle + angle, power, 0)
    instruct(draft, free, COMBINE, place, size, block, terms, size)


@inner_code
def one_qubit_matrix(draft: Draft, rows: Rows, gates: GateTable, row: Row, waits: bool) -> tuple[int, int]:
    """Write a one-target row's matrix; return its place and its shape.

    With `waits`, it has no controls, and its phase may go to the whole state.
    """
    place = room(draft, 4)
    if row.code == codes.UNITARY or row.code == codes.DIAGONAL:
        is_matrix = row.code == codes.UNITARY
        write(draft, place, rows.table[row.table])
        write(draft, place + 1, rows.table[row.table + 1] if is_matrix else 0j)
        write(draft, place + 2, rows.table[row.table + 2] if is_matrix else 0j)
        write(draft, place + 3, rows.table[row.table + (3 if is_matrix else 1)])
        return place, shape_of_wait(draft, place) if waits else shape_of_one(draft.pool, place)
    write_matrix(draft, rows, gates, row, place)
    shape = gates.codes[row.code, SHAPE]
    if waits and not draft.varies[place]:
        shape = shape_of_wait(draft, place)
    return place, shape


@built_in
def pair_matrix(draft: Draft, rows: Rows, gates: GateTable, row: Row, low: int) -> int:
    """Write the matrix of a row on two wires; return its place.

    `low` is the wire of the lower bit of its index.
    """
    place = room(draft, 16)
    first = target_of(row, 0)
    if row.num_controls:
        one, _ = one_qubit_matrix(draft, rows, gates, row, False)
        bit, value = 0 if first == low else 1, 1 if row.values else 0
        instruct(draft, draft.varies[one], CONTROLLED, place, 16, one, bit, value)
        return place
    if row.code == codes.UNITARY:
        copy_constants(draft, rows.table, row.table, place, 16)
    elif row.code == codes.DIAGONAL or row.code == codes.ISWAP:
        for entry in range(16):
            write(draft, place + entry, 0j)
        for index in range(4):
            # The wires of an ISWAP have changed places.
            swapped = 1j if index == 1 or index == 2 else 1 + 0j
            write(draft, place + 5 * index, swapped if row.code == codes.ISWAP else rows.table[row.table + index])
    else:
        write_matrix(draft, rows, gates, row, place)
    if first == low:
        return place
    exchanged = room(draft, 16)
    instruct(draft, draft.varies[place], EXCHANGED, exchanged, 16, place, 0, 0)
    return exchanged
