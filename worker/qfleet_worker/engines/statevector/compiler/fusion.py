# SPDX-License-Identifier: Apache-2.0
"""The few gates that a stretch comes down to, in machine code.

One-qubit gates wait on their wire until another gate needs it (`compiler.waiting`); SWAPs exchange the wires of two
qubits; gates on the same two wires become one (`compiler.blocks`). What comes out are gates of four kinds: a matrix on
up to four targets with any controls, an X with controls, a diagonal as a product of *terms*, each a factor for the
amplitudes whose index has a value under a mask, and nothing.

Nothing here depends on angles other than constants: what does is written to the tape.
"""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from qfleet_worker.engines.gates import codes
from qfleet_worker.engines.machine_code.registry import built_in, inner_code
from qfleet_worker.engines.statevector.compiler.blocks import (
    Blocks,
    add_pair,
    add_to_block,
    is_block,
    kept_row,
)
from qfleet_worker.engines.statevector.compiler.draft import (
    AT,
    CONTROLS,
    DENSE,
    DIAGONAL,
    GATES,
    KIND,
    SHAPE,
    SIZE,
    TARGETS,
    VALUES,
    Draft,
    add_flip,
    add_gate,
    add_term,
    constant,
    flip_last,
    instruct,
    room,
    turn_all,
)
from qfleet_worker.engines.statevector.compiler.gate_table import GateTable
from qfleet_worker.engines.statevector.compiler.row_matrices import (
    copy_constants,
    is_free,
    one_qubit_matrix,
    write_matrix,
)
from qfleet_worker.engines.statevector.compiler.rows import NO_ROW, Row, Rows, exchange, exchanges, next_row, target_of
from qfleet_worker.engines.statevector.compiler.shapes import DIAGONAL as IS_DIAGONAL
from qfleet_worker.engines.statevector.compiler.shapes import shape_of_two
from qfleet_worker.engines.statevector.compiler.signs import Place, add_as_flip
from qfleet_worker.engines.statevector.compiler.simple_blocks import relabel
from qfleet_worker.engines.statevector.compiler.tape import HALVES, TURN
from qfleet_worker.engines.statevector.compiler.waiting import add_one, flush, multiply_into, rotate, take_wait


@built_in
def _global_phase(draft: Draft, rows: Rows, row: Row) -> None:
    """Add a phase of the state where the controls hold."""
    place = room(draft, 1)
    instruct(draft, is_free(rows, row.angle, 1), TURN, place, 1, row.angle, 0, 0)
    if row.num_controls == 0:
        turn_all(draft, place)
        return
    flips = _flush_others(draft, row, True, False)
    at = add_gate(draft, DIAGONAL, 0, row.controls)
    add_term(draft, at, row.controls, row.values, place)
    flip_last(draft, flips)


@inner_code
def _flush_others(draft: Draft, row: Row, diagonal: bool, plain: bool) -> int:
    """Flush the matrices that a row neither takes up nor commutes with.

    Returns:
        The wires, as a mask, on which 0 and 1 change places behind the row.
    """
    flips = 0
    for wire in range(len(draft.last)):
        # What waits is multiplied into a plain matrix.
        if (
            draft.waits[wire] >= 0
            and (row.changes | row.controls) >> wire & 1
            and not (plain and row.changes >> wire & 1)
        ):
            flips |= flush(draft, wire, diagonal or row.controls >> wire & 1 != 0)
    return flips


@built_in
def _add_diagonal(draft: Draft, rows: Rows, row: Row, one: int) -> None:
    """Add a diagonal row; with one target, its matrix lies at `one`."""
    mask = row.changes | row.controls
    at = add_gate(draft, DIAGONAL, 0, mask)
    if row.num_targets == 1:
        add_term(draft, at, mask, row.values, one)
        add_term(draft, at, mask, row.values | row.changes, one + 3)
    elif row.code == codes.ISWAP:
        # The wires have changed places.
        i, minus = constant(draft, 1j), constant(draft, -1 + 0j)
        add_term(draft, at, 1 << target_of(row, 0), 1 << target_of(row, 0), i)
        add_term(draft, at, 1 << target_of(row, 1), 1 << target_of(row, 1), i)
        add_term(draft, at, mask, mask, minus)
    elif row.code == codes.RZZ:
        _add_rzz(draft, rows, row, at, mask)
    else:
        for index in range(1 << row.num_targets):
            factor = constant(draft, rows.table[row.table + index])
            add_term(draft, at, mask, _value_of(row, index), factor)


@built_in
def _add_rzz(draft: Draft, rows: Rows, row: Row, at: int, mask: int) -> None:
    """Give the last gate the terms of an RZZ."""
    halves = room(draft, 4)
    instruct(draft, is_free(rows, row.angle, 1), HALVES, halves, 4, row.angle, 0, 0)
    if row.num_controls == 0:
        turn_all(draft, halves)
        add_term(draft, at, 1 << target_of(row, 0), 1 << target_of(row, 0), halves + 2)
        add_term(draft, at, 1 << target_of(row, 1), 1 << target_of(row, 1), halves + 2)
        add_term(draft, at, mask, mask, halves + 3)
        return
    for index in range(4):
        add_term(draft, at, mask, _value_of(row, index), halves + ((index ^ index >> 1) & 1))


@inner_code
def _value_of(row: Row, index: int) -> int:
    """Return the wires' value where controls fit and targets have `index`."""
    value = row.values
    for bit in range(row.num_targets):
        if index >> bit & 1:
            value |= 1 << target_of(row, bit)
    return value


@built_in
def _add_matrix(draft: Draft, rows: Rows, gates: GateTable, row: Row, one: int, shape: int) -> None:
    """Add a row as a matrix.

    Without controls, it takes up what waits on its targets. With one target, its matrix lies at `one` and is of the
    shape.
    """
    k, size = row.num_targets, 1 << 2 * row.num_targets
    at = add_gate(draft, DENSE, row.changes, row.controls)
    gate = draft.gates[at]
    place = one
    if k > 1:
        place = room(draft, size)
        if row.code == codes.UNITARY:
            copy_constants(draft, rows.table, row.table, place, size)
        else:
            write_matrix(draft, rows, gates, row, place)
    gate[SIZE] = k
    gate[SHAPE] = shape if k == 1 else 0
    gate[CONTROLS] = row.controls
    gate[VALUES] = row.values
    for bit in range(k):
        wire = target_of(row, bit)
        gate[TARGETS] |= wire << (8 * bit)
        if row.num_controls == 0 and draft.waits[wire] >= 0:
            place = multiply_into(draft, place, k, bit, take_wait(draft, wire), False)
    gate[AT] = place


@inner_code
def _add_row(draft: Draft, rows: Rows, gates: GateTable, row: Row) -> None:
    """Add a row other than a SWAP or a global phase."""
    code, alone = row.code, row.num_controls == 0
    one, shape = -1, 0
    if row.num_targets == 1:
        if alone and code == codes.RZ and rotate(draft, target_of(row, 0), row.angle):
            return
        one, shape = one_qubit_matrix(draft, rows, gates, row, alone)
        if alone:
            add_one(draft, target_of(row, 0), one, shape)
            return
    diagonal = code == codes.RZZ or code == codes.DIAGONAL or (alone and code == codes.ISWAP)
    diagonal = diagonal or (row.num_targets == 1 and shape & IS_DIAGONAL != 0)
    flips = _flush_others(draft, row, diagonal, alone and not diagonal and code != codes.DCX)
    if diagonal:
        _add_diagonal(draft, rows, row, one)
    elif row.num_targets == 1 and code == codes.X:
        add_flip(draft, target_of(row, 0), row.controls, row.values)
    elif code == codes.DCX and alone:
        a, b = target_of(row, 0), target_of(row, 1)
        add_flip(draft, b, 1 << a, 1 << a)
        add_flip(draft, a, 1 << b, 1 << b)
    else:
        _add_matrix(draft, rows, gates, row, one, shape)
    if flips:
        flip_last(draft, flips)


@inner_code
def _add_sign(draft: Draft, place: Place) -> bool:
    """Add a CZ as a CX, if that is simpler."""
    row = place.row
    if not (row.code == codes.Z and row.values and row.num_controls == 1):
        return False
    target, control = target_of(row, 0), 0
    while row.controls != 1 << control:
        control += 1
    return add_as_flip(draft, place, target, control, -1) or add_as_flip(draft, place, control, target, -1)


@inner_code
def fuse(draft: Draft, blocks: Blocks, rows: Rows, wires: NDArray[Any], gates: GateTable, from_zero: bool) -> None:
    """Fuse rows of unitary operations into a draft.

    Args:
        draft: an empty one.
        blocks: those of the rows.
        rows: the operations.
        wires: int64, shape (qubits,): each qubit's wire, which SWAPs change.
        gates: what is known of the operations.
        from_zero: whether the state is |0...0> before.
    """
    row = NO_ROW
    for at in range(len(rows.codes)):
        row = next_row(rows, at, row, wires, gates)
        if row.code == codes.GLOBAL_PHASE:
            _global_phase(draft, rows, row)
            continue
        if row.num_controls == 0 and exchanges(row.code):
            exchange(rows, row, wires)
            if row.code == codes.SWAP:
                continue
        if row.num_controls + row.num_targets == 1:
            if draft.blocks[target_of(row, 0)] >= 0:
                add_to_block(draft, blocks, rows, gates, row, at)
                continue
        elif is_block(row, blocks.links[at]):
            kept = add_pair(draft, blocks, rows, gates, row, at, wires, from_zero)
            while kept >= 0:
                again, kept = kept_row(blocks, kept)
                _add_row(draft, rows, gates, again)
            continue
        elif _add_sign(draft, Place(row, at, rows, gates, wires)):
            continue
        _add_row(draft, rows, gates, row)
    for wire in range(len(draft.last)):
        flush(draft, wire, False)
    relabel(draft, wires)


@inner_code
def classify(draft: Draft) -> None:
    """Find the shapes of two-qubit matrices."""
    for at in range(draft.counts[GATES]):
        gate = draft.gates[at]
        if gate[KIND] == DENSE and gate[SIZE] == 2 and not draft.varies[gate[AT]]:
            gate[SHAPE] = shape_of_two(draft.pool, gate[AT])
