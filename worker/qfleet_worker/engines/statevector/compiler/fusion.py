# SPDX-License-Identifier: Apache-2.0
"""The few gates that a stretch comes down to, in machine code.

One-qubit gates wait on their wire until another gate needs it, and are multiplied with each other or into that gate;
SWAPs exchange the wires of two qubits; two-qubit matrices take up what follows and precedes on the same two wires. What
comes out are gates of four kinds: a matrix on up to four targets with any controls, an X with controls, a diagonal as a
product of *terms*, each a factor for the amplitudes whose index has a value under a mask, and nothing.

Nothing here depends on angles: what does is written to the tape.
"""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from qfleet_worker.engines.gates import codes
from qfleet_worker.engines.statevector.compiler.draft import (
    AT,
    CHANGES,
    CONTROLS,
    DENSE,
    DIAGONAL,
    FLIP,
    GATES,
    KIND,
    SHAPE,
    SIZE,
    TAPE,
    TARGETS,
    VALUES,
    Draft,
    add_gate,
    add_term,
    constant,
    instruct,
    product,
    room,
    varying,
)
from qfleet_worker.engines.statevector.compiler.gate_table import ANGLES as NUM_ANGLES
from qfleet_worker.engines.statevector.compiler.gate_table import MATRIX_AT, POWERS_AT, TERMS, GateTable
from qfleet_worker.engines.statevector.compiler.gate_table import SHAPE as GATE_SHAPE
from qfleet_worker.engines.statevector.compiler.pairs import merge_pair
from qfleet_worker.engines.statevector.compiler.rows import NO_ROW, Row, Rows, next_row, target_of
from qfleet_worker.engines.statevector.compiler.shapes import DIAGONAL as IS_DIAGONAL
from qfleet_worker.engines.statevector.compiler.shapes import (
    FIRST_IS_ONE,
    MIXED,
    REAL,
    shape_of_one,
    shape_of_two,
)
from qfleet_worker.engines.statevector.compiler.tape import (
    AFTER,
    BEFORE,
    COMBINE,
    COPY,
    FILL,
    HALVES,
    ONE,
    OP,
    PHASE,
    POWER,
    ROTATE,
    SCALE,
    TO,
    TURN,
    TURNED,
    A,
    C,
)
from qfleet_worker.engines.statevector.machine_code.registry import built_in, inner_code

#: Instructions among which one is sought that wrote a matrix: a layer's.
LOOK_BACK = 16


@inner_code
def _flush(draft: Draft, wire: int) -> None:
    """Turn what waits on a wire into a gate."""
    place, shape = draft.waits[wire], draft.wait_shapes[wire]
    if place < 0:
        return
    draft.waits[wire] = -1
    if shape & IS_DIAGONAL:
        at = add_gate(draft, DIAGONAL, 0, 1 << wire)
        if not shape & FIRST_IS_ONE:
            add_term(draft, at, 1 << wire, 0, place)
        add_term(draft, at, 1 << wire, 1 << wire, place + 3)
        return
    at = add_gate(draft, DENSE, 1 << wire, 0)
    draft.gates[at, AT] = place
    draft.gates[at, SIZE] = 1
    draft.gates[at, TARGETS] = wire
    draft.gates[at, SHAPE] = shape


@built_in
def _one(draft: Draft, wire: int, place: int, shape: int, split: bool) -> None:
    """Add a one-qubit gate without controls; its matrix lies at `place`."""
    at, before = draft.last[wire], draft.waits[wire]
    if at >= 0 and before < 0:
        gate = draft.gates[at]
        if gate[KIND] == DENSE and gate[SIZE] > 1 and gate[CONTROLS] == 0 and gate[CHANGES] >> wire & 1:
            bit = 0
            while gate[TARGETS] >> (8 * bit) & 255 != wire:
                bit += 1
            size = 1 << 2 * gate[SIZE]
            if draft.varies[place]:
                gate[AT] = varying(draft, gate[AT], size)
            instruct(draft, draft.varies[gate[AT]], AFTER, gate[AT], size, gate[SIZE], bit, place)
            return
    if before >= 0:
        shape_before = draft.wait_shapes[wire]
        dense = shape if shape_before & IS_DIAGONAL else shape_before
        if split and (shape ^ shape_before) & IS_DIAGONAL and dense & (REAL | MIXED):
            _flush(draft, wire)
        else:
            place = product(draft, place, before)
            shape &= shape_before
    draft.waits[wire] = place
    draft.wait_shapes[wire] = shape


@built_in
def _rotate(draft: Draft, wire: int, angle: int, split: bool) -> bool:
    """Multiply RZ into a waiting, angle-dependent matrix; tell whether one waits."""
    place, shape = draft.waits[wire], draft.wait_shapes[wire]
    if place < 0 or not draft.varies[place] or (split and not shape & IS_DIAGONAL and shape & (REAL | MIXED)):
        return False
    at = int(draft.counts[TAPE]) - 1
    first = max(0, at - LOOK_BACK)
    while at > first and draft.tape[at, TO] != place:
        at -= 1
    row = draft.tape[at]
    if row[TO] == place and row[OP] == FILL and (row[A] == codes.RX or row[A] == codes.RY):
        row[OP] = TURNED
        row[C] = angle
    else:
        instruct(draft, True, ROTATE, place, 4, angle, 0, 0)
    draft.wait_shapes[wire] = shape & IS_DIAGONAL
    return True


@inner_code
def _copy(source: NDArray[Any], begin: int, target: NDArray[Any], to: int, size: int) -> None:
    """Copy some entries. numba's own copying would count references."""
    for at in range(size):
        target[to + at] = source[begin + at]


@built_in
def _write_matrix(draft: Draft, gates: GateTable, row: Row, place: int) -> None:
    """Write the matrix of a gate without a table to the pool."""
    code, size = row.code, 1 << 2 * row.num_targets
    at, terms = gates.codes[code, MATRIX_AT], gates.codes[code, TERMS]
    if at < 0:
        instruct(draft, True, FILL, place, size, code, row.angle, size)
        return
    if terms == 0:
        _copy(gates.matrices, at, draft.pool, place, size)
        return
    # The factors of the terms, then their matrices.
    block = room(draft, terms)
    for term in range(terms):
        _copy(gates.matrices, at + term * size, draft.pool, room(draft, size), size)
    for term in range(terms):
        instruct(draft, True, COPY, block + term, 1, ONE, 0, 1)
        for angle in range(gates.codes[code, NUM_ANGLES]):
            power = gates.powers[gates.codes[code, POWERS_AT] + term, angle]
            if power:
                instruct(draft, True, POWER, block + term, 1, row.angle + angle, power, 0)
    instruct(draft, True, COMBINE, place, size, block, terms, size)


@built_in
def _one_qubit_matrix(draft: Draft, rows: Rows, gates: GateTable, row: Row) -> tuple[int, int]:
    """Write a one-target row's matrix; return its place and its shape."""
    place = room(draft, 4)
    if row.code != codes.UNITARY and row.code != codes.DIAGONAL:
        _write_matrix(draft, gates, row, place)
        return place, gates.codes[row.code, GATE_SHAPE]
    is_matrix = row.code == codes.UNITARY
    draft.pool[place] = rows.table[row.table]
    draft.pool[place + 1] = rows.table[row.table + 1] if is_matrix else 0
    draft.pool[place + 2] = rows.table[row.table + 2] if is_matrix else 0
    draft.pool[place + 3] = rows.table[row.table + (3 if is_matrix else 1)]
    return place, shape_of_one(draft.pool, place)


@built_in
def _global_phase(draft: Draft, row: Row) -> None:
    """Add a phase of the state where the controls hold."""
    place = room(draft, 1)
    instruct(draft, True, TURN, place, 1, row.angle, 0, 0)
    if row.num_controls == 0:
        instruct(draft, True, SCALE, PHASE, 1, place, 0, 0)
        return
    _flush_others(draft, row, True, False)
    at = add_gate(draft, DIAGONAL, 0, row.controls)
    add_term(draft, at, row.controls, row.values, place)


@built_in
def _flush_others(draft: Draft, row: Row, diagonal: bool, plain: bool) -> None:
    """Flush the matrices that a row neither takes up nor commutes with."""
    for wire in range(len(draft.last)):
        if (row.changes | row.controls) >> wire & 1 and draft.waits[wire] >= 0:
            # What waits is multiplied into a plain matrix, and commutes with a diagonal or a control if it is
            # diagonal itself.
            commutes = draft.wait_shapes[wire] & IS_DIAGONAL and (diagonal or row.controls >> wire & 1)
            if not (commutes or (plain and row.changes >> wire & 1)):
                _flush(draft, wire)


@built_in
def _gate_before(draft: Draft, row: Row) -> int:
    """Return the last gate on both of a row's wires; else -1."""
    before = -1
    last, first_target = draft.last, target_of(row, 0)
    if row.num_targets == 2 and row.num_controls == 0:
        before = last[first_target] if last[first_target] == last[target_of(row, 1)] else -1
    elif row.num_targets == 1 and row.num_controls == 1:
        for wire in range(len(last)):
            if row.controls >> wire & 1 and last[wire] == last[first_target]:
                before = last[wire]
    return before


@built_in
def _add_diagonal(draft: Draft, rows: Rows, row: Row, one: int, shape: int) -> None:
    """Add a diagonal row; with one target, its matrix lies at `one`."""
    mask = row.changes | row.controls
    at = add_gate(draft, DIAGONAL, 0, mask)
    if row.num_targets == 1:
        if not shape & FIRST_IS_ONE:
            add_term(draft, at, mask, row.values, one)
        add_term(draft, at, mask, row.values | row.changes, one + 3)
    elif row.code == codes.ISWAP:
        # The wires have changed places.
        i, minus = constant(draft, 1j), constant(draft, -1 + 0j)
        add_term(draft, at, 1 << target_of(row, 0), 1 << target_of(row, 0), i)
        add_term(draft, at, 1 << target_of(row, 1), 1 << target_of(row, 1), i)
        add_term(draft, at, mask, mask, minus)
    elif row.code == codes.RZZ:
        _add_rzz(draft, row, at, mask)
    else:
        for index in range(1 << row.num_targets):
            factor = constant(draft, rows.table[row.table + index])
            add_term(draft, at, mask, _value_of(row, index), factor)


@built_in
def _add_rzz(draft: Draft, row: Row, at: int, mask: int) -> None:
    """Give the last gate the terms of an RZZ."""
    halves = room(draft, 4)
    instruct(draft, True, HALVES, halves, 4, row.angle, 0, 0)
    if row.num_controls == 0:
        instruct(draft, True, SCALE, PHASE, 1, halves, 0, 0)
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


@inner_code
def _add_flip(draft: Draft, target: int, controls: int, values: int) -> None:
    """Add an X with controls."""
    at = add_gate(draft, FLIP, 1 << target, controls)
    draft.gates[at, TARGETS] = target
    draft.gates[at, CONTROLS] = controls
    draft.gates[at, VALUES] = values


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
            _copy(rows.table, row.table, draft.pool, place, size)
        else:
            _write_matrix(draft, gates, row, place)
    gate[SIZE] = k
    gate[SHAPE] = shape if k == 1 else 0
    gate[CONTROLS] = row.controls
    gate[VALUES] = row.values
    for bit in range(k):
        wire = target_of(row, bit)
        gate[TARGETS] |= wire << (8 * bit)
        before = draft.waits[wire]
        if row.num_controls == 0 and before >= 0:
            if draft.varies[before]:
                place = varying(draft, place, size)
            instruct(draft, draft.varies[place], BEFORE, place, size, k, bit, before)
            draft.waits[wire] = -1
    gate[AT] = place


@built_in
def _exchange(rows: Rows, row: Row, wires: NDArray[Any]) -> None:
    """Exchange the wires of a row's two qubits."""
    a, b = rows.operands[row.operand], rows.operands[row.operand + 1]
    wires[a], wires[b] = wires[b], wires[a]


@built_in
def _add_row(draft: Draft, rows: Rows, gates: GateTable, row: Row, split: bool) -> None:
    """Add a row other than a SWAP or a global phase."""
    code, alone = row.code, row.num_controls == 0
    one, shape = -1, 0
    if row.num_targets == 1:
        if alone and code == codes.RZ and _rotate(draft, target_of(row, 0), row.angle, split):
            return
        one, shape = _one_qubit_matrix(draft, rows, gates, row)
        if alone:
            _one(draft, target_of(row, 0), one, shape, split)
            return
    diagonal = code == codes.RZZ or code == codes.DIAGONAL or (alone and code == codes.ISWAP)
    diagonal = diagonal or (row.num_targets == 1 and shape & IS_DIAGONAL != 0)
    _flush_others(draft, row, diagonal, alone and not diagonal and code != codes.DCX)
    before = _gate_before(draft, row)
    if diagonal:
        _add_diagonal(draft, rows, row, one, shape)
    elif row.num_targets == 1 and code == codes.X:
        _add_flip(draft, target_of(row, 0), row.controls, row.values)
    elif code == codes.DCX and alone:
        a, b = target_of(row, 0), target_of(row, 1)
        _add_flip(draft, b, 1 << a, 1 << a)
        _add_flip(draft, a, 1 << b, 1 << b)
        return
    else:
        _add_matrix(draft, rows, gates, row, one, shape)
    if before >= 0:
        merge_pair(draft, before)


@inner_code
def fuse(draft: Draft, rows: Rows, wires: NDArray[Any], gates: GateTable, split: bool) -> None:
    """Fuse rows of unitary operations into a draft.

    Args:
        draft: an empty one.
        rows: the operations.
        wires: int64, shape (qubits,): each qubit's wire, which SWAPs change.
        gates: what is known of the operations.
        split: keep real gates and diagonals apart instead of making complex matrices of them.
    """
    row = NO_ROW
    for at in range(len(rows.codes)):
        row = next_row(rows, at, row, wires, gates)
        if row.code == codes.GLOBAL_PHASE:
            _global_phase(draft, row)
            continue
        if row.num_controls == 0 and (row.code == codes.SWAP or row.code == codes.ISWAP):
            _exchange(rows, row, wires)
            if row.code == codes.SWAP:
                continue
        _add_row(draft, rows, gates, row, split)
    for wire in range(len(draft.last)):
        _flush(draft, wire)


@inner_code
def classify(draft: Draft) -> None:
    """Find the shapes of two-qubit matrices."""
    for at in range(draft.counts[GATES]):
        gate = draft.gates[at]
        if gate[KIND] == DENSE and gate[SIZE] == 2 and not draft.varies[gate[AT]]:
            gate[SHAPE] = shape_of_two(draft.pool, gate[AT])
