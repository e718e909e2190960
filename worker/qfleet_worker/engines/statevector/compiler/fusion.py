# SPDX-License-Identifier: Apache-2.0
"""Which few gates does a stretch of a program come down to? In machine code.

One-qubit gates wait on their wire until another gate needs it, and are multiplied with each other or into that gate;
SWAPs exchange the wires of two qubits; two-qubit matrices take up what follows and precedes on the same two wires.
What comes out are rows of four kinds: a matrix on up to four targets with any controls, an X with controls, a diagonal
as a product of *terms*, each a factor for the amplitudes whose index has a value under a mask, and nothing.

Nothing here depends on angles: what does is written to the tape.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from qfleet_worker.engines.contract import CapacityError
from qfleet_worker.engines.statevector.compiler import matrices as m
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
from qfleet_worker.engines.statevector.compiler.matrices import NUM_PARAMS
from qfleet_worker.engines.statevector.compiler.pairs import merge_pair
from qfleet_worker.engines.statevector.compiler.shapes import DIAGONAL as IS_DIAGONAL
from qfleet_worker.engines.statevector.compiler.shapes import (
    FIRST_IS_ONE,
    MIXED,
    REAL,
    SHAPES,
    shape_of_one,
    shape_of_two,
)
from qfleet_worker.engines.statevector.compiler.tape import (
    AFTER,
    BEFORE,
    FILL,
    HALVES,
    OP,
    PHASE,
    ROTATE,
    SCALE,
    TO,
    TURN,
    TURNED,
    A,
    C,
)
from qfleet_worker.engines.statevector.machine_code.registry import machine_code

#: Targets of a row at most: those of a diagonal.
MOST_TARGETS = 64
#: Instructions among which one is sought that wrote a matrix: a layer's.
LOOK_BACK = 16


@machine_code
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


@machine_code
def _one(draft: Draft, wire: int, place: int, shape: int, split: bool) -> None:
    """A one-qubit gate without controls."""
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


@machine_code
def _rotate(draft: Draft, wire: int, angle: int, split: bool) -> bool:
    """Multiply RZ into a matrix that waits and depends on angles, if there is one that it may be multiplied into."""
    place, shape = draft.waits[wire], draft.wait_shapes[wire]
    if place < 0 or not draft.varies[place] or (split and not shape & IS_DIAGONAL and shape & (REAL | MIXED)):
        return False
    at = int(draft.counts[TAPE]) - 1
    first = max(0, at - LOOK_BACK)
    while at > first and draft.tape[at, TO] != place:
        at -= 1
    row = draft.tape[at]
    if row[TO] == place and row[OP] == FILL and (row[A] == m.RX or row[A] == m.RY):
        row[OP] = TURNED
        row[C] = angle
    else:
        instruct(draft, True, ROTATE, place, 4, angle, 0, 0)
    draft.wait_shapes[wire] = shape & SHAPES[m.RZ]
    return True


@machine_code
def _diagonal(draft: Draft, code: int, angle: int, mask: int, values: int, k: int, places: NDArray[Any],
              start: int, tables: NDArray[Any]) -> None:  # fmt: skip
    """A diagonal of two targets or more, or of a table, as the last gate.

    `mask` has its targets and controls, `values` the controls' values; ``places[bit]`` is the mask of a target.
    """
    at = draft.counts[GATES] - 1
    if code == m.ISWAP:
        i, minus = constant(draft, 1j), constant(draft, -1 + 0j)
        add_term(draft, at, places[0], places[0], i)
        add_term(draft, at, places[1], places[1], i)
        add_term(draft, at, mask, mask, minus)
        return
    if code == m.RZZ:
        halves = room(draft, 4)
        instruct(draft, True, HALVES, halves, 4, angle, 0, 0)
        if values == 0 and mask == places[0] | places[1]:
            instruct(draft, True, SCALE, PHASE, 1, halves, 0, 0)
            add_term(draft, at, places[0], places[0], halves + 2)
            add_term(draft, at, places[1], places[1], halves + 2)
            add_term(draft, at, mask, mask, halves + 3)
            return
    for index in range(1 << k):
        value = values
        for bit in range(k):
            if index >> bit & 1:
                value |= places[bit]
        if code == m.RZZ:
            add_term(draft, at, mask, value, halves + ((index ^ index >> 1) & 1))
        else:
            add_term(draft, at, mask, value, constant(draft, tables[start + index]))


@machine_code
def _matrix(draft: Draft, at: int, code: int, angle: int, k: int, target: NDArray[Any], one: int, shape: int,
            plain: bool, start: int, tables: NDArray[Any]) -> None:  # fmt: skip
    """Give the last gate its matrix, multiplied with what waits on its targets if it is `plain`."""
    gate, size = draft.gates[at], 1 << 2 * k
    place = one
    if k > 1:
        place = room(draft, size)
        if code == m.UNITARY:
            draft.pool[place : place + size] = tables[start : start + size]
        else:
            instruct(draft, NUM_PARAMS[code] > 0, FILL, place, size, code, angle, size)
    gate[SIZE] = k
    gate[SHAPE] = shape if k == 1 else 0
    for bit in range(k):
        wire = target[bit]
        gate[TARGETS] |= wire << (8 * bit)
        before = draft.waits[wire]
        if plain and before >= 0:
            if draft.varies[before]:
                place = varying(draft, place, size)
            instruct(draft, draft.varies[place], BEFORE, place, size, k, bit, before)
            draft.waits[wire] = -1
    gate[AT] = place


@machine_code
def check_rows(draft: Draft, codes: NDArray[Any], num_controls: NDArray[Any], num_targets: NDArray[Any],
               operands: NDArray[Any], num_params: int, table_at: NDArray[Any], tables: NDArray[Any],
               wires: NDArray[Any]) -> None:  # fmt: skip
    """Raise `CapacityError` for rows that name operands, angles, wires or tables that aren't there."""
    number = params = 0
    fits = True
    for row in range(len(codes)):
        code, k = codes[row], num_targets[row]
        number += num_controls[row] + k
        fits &= 0 <= code < len(NUM_PARAMS) and k <= (MOST_TARGETS if code == m.DIAGONAL else 4)
        params += NUM_PARAMS[code] if fits else 0
        if code == m.UNITARY or code == m.DIAGONAL:
            size = 1 << (2 * k if code == m.UNITARY else k)
            fits &= table_at[row] >= 0 and table_at[row] + size <= len(tables)
    fits &= number <= len(operands) and params <= num_params
    # In loops of their own, which become vector instructions.
    qubit = lowest = highest = 0
    for at in range(number if fits else 0):
        qubit = max(qubit, operands[at] ^ operands[at] >> 63)
    fits &= number == 0 or qubit < len(wires)
    for at in range(number if fits else 0):
        wire = wires[operands[at] ^ operands[at] >> 63]
        lowest, highest = min(lowest, wire), max(highest, wire)
    if not fits or lowest < 0 or (number and highest >= len(draft.last)):
        raise CapacityError("a defect of qfleet, please report it: the rows of a circuit don't fit together")


@machine_code
def fuse(draft: Draft, codes: NDArray[Any], num_controls: NDArray[Any], num_targets: NDArray[Any],
         operands: NDArray[Any], table_at: NDArray[Any], tables: NDArray[Any], wires: NDArray[Any],
         split: bool) -> None:  # fmt: skip
    """Fuse rows of unitary operations into a draft; `wires` holds each qubit's wire and is changed by SWAPs.

    ``split`` keeps real gates and diagonals apart instead of making complex matrices of them.
    """
    n = len(draft.last)
    waits, wait_shapes, last = draft.waits, draft.wait_shapes, draft.last
    target = np.empty(4, np.int64)
    places = np.empty(MOST_TARGETS, np.int64)
    operand = param = 0
    for row in range(len(codes)):
        code, width, k = codes[row], num_controls[row], num_targets[row]
        controls = values = 0
        for at in range(operand, operand + width):
            if operands[at] >= 0:
                controls |= 1 << wires[operands[at]]
                values |= 1 << wires[operands[at]]
            else:
                controls |= 1 << wires[~operands[at]]
        operand += width
        changes = 0
        for at in range(k):
            wire = wires[operands[operand + at]]
            places[at] = 1 << wire
            changes |= 1 << wire
            if at < 4:
                target[at] = wire
        first = operand
        operand += k
        angle = param
        param += NUM_PARAMS[code]
        one, shape, start = -1, 0, 0
        if code == m.UNITARY or code == m.DIAGONAL:
            start = table_at[row]
        if code == m.GLOBAL_PHASE:
            one = room(draft, 1)
            instruct(draft, True, TURN, one, 1, angle, 0, 0)
            if width == 0:
                instruct(draft, True, SCALE, PHASE, 1, one, 0, 0)
                continue
        elif width == 0 and (code == m.SWAP or code == m.ISWAP):
            a, b = operands[first], operands[first + 1]
            wires[a], wires[b] = wires[b], wires[a]
            if code == m.SWAP:
                continue
        elif code == m.RZ and width == 0 and _rotate(draft, target[0], angle, split):
            continue
        elif k == 1 and code != m.UNITARY and code != m.DIAGONAL:
            one, shape = room(draft, 4), SHAPES[code]
            instruct(draft, NUM_PARAMS[code] > 0, FILL, one, 4, code, angle, 4)
        elif k == 1:
            one = room(draft, 4)
            draft.pool[one] = tables[start]
            draft.pool[one + 1] = tables[start + 1] if code == m.UNITARY else 0
            draft.pool[one + 2] = tables[start + 2] if code == m.UNITARY else 0
            draft.pool[one + 3] = tables[start + (3 if code == m.UNITARY else 1)]
            shape = shape_of_one(draft.pool, one)
        if k == 1 and width == 0:
            _one(draft, target[0], one, shape, split)
            continue
        diagonal = code == m.RZZ or code == m.DIAGONAL or code == m.GLOBAL_PHASE or (width == 0 and code == m.ISWAP)
        diagonal = diagonal or (k == 1 and shape & IS_DIAGONAL != 0)
        plain = width == 0 and not diagonal and code != m.DCX
        for wire in range(n):
            if (changes | controls) >> wire & 1 and waits[wire] >= 0:
                # What waits is multiplied into a plain matrix, and commutes with a diagonal or a control if it is
                # diagonal itself.
                commutes = wait_shapes[wire] & IS_DIAGONAL and (diagonal or controls >> wire & 1)
                if not (commutes or (plain and changes >> wire & 1)):
                    _flush(draft, wire)
        before = -1
        if k == 2 and width == 0:
            before = last[target[0]] if last[target[0]] == last[target[1]] else -1
        elif k == 1 and width == 1:
            for wire in range(n):
                if controls >> wire & 1 and last[wire] == last[target[0]]:
                    before = last[wire]
        if diagonal:
            at = add_gate(draft, DIAGONAL, 0, changes | controls)
            mask = changes | controls
            if code == m.GLOBAL_PHASE:
                add_term(draft, at, controls, values, one)
            elif k == 1:
                if not shape & FIRST_IS_ONE:
                    add_term(draft, at, mask, values, one)
                add_term(draft, at, mask, values | changes, one + 3)
            else:
                _diagonal(draft, code, angle, mask, values, k, places, start, tables)
        elif k == 1 and code == m.X:
            at = add_gate(draft, FLIP, changes, controls)
            draft.gates[at, TARGETS] = target[0]
        elif code == m.DCX and width == 0:
            for control in range(2):
                at = add_gate(draft, FLIP, 1 << target[1 - control], 1 << target[control])
                draft.gates[at, TARGETS] = target[1 - control]
                draft.gates[at, CONTROLS] = 1 << target[control]
                draft.gates[at, VALUES] = 1 << target[control]
            continue
        else:
            at = add_gate(draft, DENSE, changes, controls)
            _matrix(draft, at, code, angle, k, target, one, shape, plain, start, tables)
        if not diagonal:
            draft.gates[at, CONTROLS] = controls
            draft.gates[at, VALUES] = values
        if before >= 0:
            merge_pair(draft, before)
    for wire in range(n):
        _flush(draft, wire)


@machine_code
def classify(draft: Draft) -> None:
    """Find the shapes of two-qubit matrices."""
    for at in range(draft.counts[GATES]):
        gate = draft.gates[at]
        if gate[KIND] == DENSE and gate[SIZE] == 2 and not draft.varies[gate[AT]]:
            gate[SHAPE] = shape_of_two(draft.pool, gate[AT])
