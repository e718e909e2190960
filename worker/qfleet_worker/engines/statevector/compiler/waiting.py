# SPDX-License-Identifier: Apache-2.0
"""One-qubit gates that wait on their wires, in machine code.

They wait until another gate needs their wire, and are multiplied with each other or into that gate. Where real gates
and diagonals are kept apart (`Draft.split`), what waits may have three parts: a diagonal, a matrix, and a diagonal
after it, so that both diagonals join others. A matrix that is zero on its diagonal, such as X, goes on waiting behind
a diagonal or a control as a diagonal one does; there, 0 and 1 change places.
"""

from __future__ import annotations

import math

from qfleet_worker.engines.gates import codes
from qfleet_worker.engines.machine_code.registry import inner_code
from qfleet_worker.engines.statevector.compiler.draft import (
    AT,
    CHANGES,
    CONTROLS,
    DENSE,
    DIAGONAL,
    KIND,
    SHAPE,
    SIZE,
    TAPE,
    TARGETS,
    Draft,
    add_gate,
    add_term,
    instruct,
    is_one,
    product,
    room,
    varying,
    write,
)
from qfleet_worker.engines.statevector.compiler.factors import FIRST, MIDDLE, NUM_SPLIT, ROUNDING, TOLERANCE
from qfleet_worker.engines.statevector.compiler.shapes import ANTIDIAGONAL, FIRST_IS_ONE, MIXED, REAL, shape_of_one
from qfleet_worker.engines.statevector.compiler.shapes import DIAGONAL as IS_DIAGONAL
from qfleet_worker.engines.statevector.compiler.tape import (
    AFTER,
    BEFORE,
    CONSTANT_PHASE,
    FILL,
    OP,
    ROTATE,
    SPLIT,
    TO,
    TURNED,
    A,
    B,
    C,
    perform,
)

#: Instructions among which one is sought that wrote a matrix: a layer's.
LOOK_BACK = 16


@inner_code
def shape_of_wait(draft: Draft, place: int) -> int:
    """Return the shape of a one-qubit matrix that isn't controlled.

    A constant one loses its rounding errors, and its phase to the whole state, so that more of them are simple.
    """
    pool = draft.pool
    if draft.varies[place]:
        return _shape_at_random(draft, place)
    a, b, c, d = pool[place], pool[place + 1], pool[place + 2], pool[place + 3]
    largest = max(abs(a), abs(b))
    if not (0.5 < largest < 2 and abs(c) < 2 and abs(d) < 2):
        return shape_of_one(pool, place)
    phase = a / abs(a) if abs(a) >= abs(b) else b / abs(b)
    pool[CONSTANT_PHASE] *= phase
    turn = phase.conjugate()
    shape = REAL | MIXED | IS_DIAGONAL | FIRST_IS_ONE | ANTIDIAGONAL
    for entry in range(4):
        number = pool[place + entry] * turn
        real = 0.0 if abs(number.real) < ROUNDING else number.real
        imaginary = 0.0 if abs(number.imag) < ROUNDING else number.imag
        write(draft, place + entry, complex(real, imaginary))
        on_diagonal = entry == 0 or entry == 3
        if imaginary != 0:
            shape &= ~(REAL | (MIXED if on_diagonal else 0))
        if real != 0 and not on_diagonal:
            shape &= ~MIXED
        if real != 0 or imaginary != 0:
            shape &= ~ANTIDIAGONAL if on_diagonal else ~(IS_DIAGONAL | FIRST_IS_ONE)
    if shape & FIRST_IS_ONE:
        if abs(pool[place] - 1) < ROUNDING:
            write(draft, place, 1 + 0j)
        else:
            shape &= ~FIRST_IS_ONE
    return shape


@inner_code
def _shape_at_random(draft: Draft, place: int) -> int:
    """Return the shape of a matrix that depends on angles.

    Entries that are zero at both random angles are zero at all.
    """
    shape = REAL | MIXED | IS_DIAGONAL | ANTIDIAGONAL
    for entry in range(4):
        first, second = draft.pool[place + entry], draft.second_pool[place + entry]
        real = max(abs(first.real), abs(second.real)) > ROUNDING
        imaginary = max(abs(first.imag), abs(second.imag)) > ROUNDING
        on_diagonal = entry == 0 or entry == 3
        if imaginary:
            shape &= ~(REAL | (MIXED if on_diagonal else 0))
        if real and not on_diagonal:
            shape &= ~MIXED
        if real or imaginary:
            shape &= ~ANTIDIAGONAL if on_diagonal else ~IS_DIAGONAL
    if shape & IS_DIAGONAL and is_one(draft, place):
        shape |= FIRST_IS_ONE
    return shape


@inner_code
def is_simple(shape: int) -> bool:
    """Tell whether a matrix has a kernel of half the arithmetic.

    Diagonals shouldn't be multiplied into it.
    """
    return shape & (REAL | MIXED) != 0 and shape & (IS_DIAGONAL | ANTIDIAGONAL) == 0


@inner_code
def add_one(draft: Draft, wire: int, place: int, shape: int) -> None:
    """Add a one-qubit gate without controls; its matrix lies at `place`."""
    before = draft.waits[wire]
    if before < 0:
        if not _after_matrix(draft, wire, place):
            draft.waits[wire] = place
            draft.wait_shapes[wire] = shape
        return
    shape_before, split = draft.wait_shapes[wire], draft.split
    if shape_before & IS_DIAGONAL:
        if split and is_simple(shape):
            draft.leading[wire] = before
            draft.waits[wire] = place
            draft.wait_shapes[wire] = shape
            return
    elif shape & IS_DIAGONAL and split and is_simple(shape_before):
        if draft.trailing[wire] >= 0:
            place = product(draft, place, draft.trailing[wire])
            shape_of_wait(draft, place)
        draft.trailing[wire] = place
        return
    elif draft.trailing[wire] >= 0:
        before = product(draft, draft.trailing[wire], before)
        draft.trailing[wire] = -1
        shape_before = 0
    place = product(draft, place, before)
    is_known = (shape | shape_before) & ANTIDIAGONAL == 0 and draft.varies[place]
    shape &= shape_before
    if shape == 0 or not is_known:
        shape = shape_of_wait(draft, place)
    if draft.leading[wire] >= 0 and not is_simple(shape):
        place = product(draft, place, draft.leading[wire])
        draft.leading[wire] = -1
        shape = shape_of_wait(draft, place)
    is_nothing = shape & IS_DIAGONAL and is_one(draft, place) and is_one(draft, place + 3)
    draft.waits[wire] = -1 if is_nothing else place
    draft.wait_shapes[wire] = shape


@inner_code
def _after_matrix(draft: Draft, wire: int, matrix: int) -> bool:
    """Multiply a one-qubit gate into the last gate on its wire.

    Returns:
        Whether that is a plain matrix of several qubits; nothing is done to any other.
    """
    at = draft.last[wire]
    if at < 0:
        return False
    gate = draft.gates[at]
    if not (gate[KIND] == DENSE and gate[SIZE] > 1 and gate[CONTROLS] == 0 and gate[CHANGES] >> wire & 1):
        return False
    bit = 0
    while gate[TARGETS] >> (8 * bit) & 255 != wire:
        bit += 1
    gate[AT] = multiply_into(draft, gate[AT], gate[SIZE], bit, matrix, True)
    return True


@inner_code
def multiply_into(draft: Draft, place: int, k: int, bit: int, one: int, after: bool) -> int:
    """Multiply a matrix by an earlier or later one-qubit matrix.

    Args:
        draft: has both.
        place: where the matrix lies.
        k: its qubits.
        bit: the one of the one-qubit matrix.
        one: where that lies.
        after: whether it comes later.

    Returns:
        The place of the product.
    """
    size = 1 << 2 * k
    if draft.varies[one]:
        place = varying(draft, place, size)
    instruct(draft, draft.varies[place], AFTER if after else BEFORE, place, size, k, bit, one)
    return place


@inner_code
def rotate(draft: Draft, wire: int, angle: int) -> bool:
    """Multiply RZ into a waiting, angle-dependent matrix; tell whether one waits."""
    place, shape = draft.waits[wire], draft.wait_shapes[wire]
    if draft.split and is_simple(shape):
        place = draft.trailing[wire]
        if place >= 0 and draft.varies[place]:
            instruct(draft, True, ROTATE, place, 4, angle, 0, 0)
            return True
        return False
    if place < 0 or not draft.varies[place]:
        return False
    at = int(draft.counts[TAPE]) - 1
    first = max(0, at - LOOK_BACK)
    while at > first and draft.tape[at, TO] != place:
        at -= 1
    row = draft.tape[at]
    if row[TO] == place and row[OP] == FILL and (row[A] == codes.RX or row[A] == codes.RY):
        row[OP] = TURNED
        row[C] = angle
        perform(TURNED, place, row[A], row[B], angle, draft.pool, draft.half_phases[0])
        perform(TURNED, place, row[A], row[B], angle, draft.second_pool, draft.half_phases[1])
    else:
        instruct(draft, True, ROTATE, place, 4, angle, 0, 0)
    draft.wait_shapes[wire] = shape & (IS_DIAGONAL | ANTIDIAGONAL)
    return True


@inner_code
def take_wait(draft: Draft, wire: int) -> int:
    """Return the place of all that waits on a wire.

    It is -1 if nothing does. What waited is one matrix, and waits no longer.
    """
    place = draft.waits[wire]
    if draft.leading[wire] >= 0:
        place = product(draft, place, draft.leading[wire])
    if draft.trailing[wire] >= 0:
        place = product(draft, draft.trailing[wire], place)
    draft.leading[wire] = -1
    draft.trailing[wire] = -1
    draft.waits[wire] = -1
    return int(place)


@inner_code
def flush(draft: Draft, wire: int, but_diagonal: bool) -> int:
    """Turn what waits on a wire into gates.

    With `but_diagonal`, a diagonal at the end goes on waiting, or a matrix that is zero on its diagonal.

    Returns:
        The wire as a mask if such a matrix goes on waiting; else 0.
    """
    place, shape = draft.waits[wire], draft.wait_shapes[wire]
    if place < 0:
        return 0
    if shape & ANTIDIAGONAL and but_diagonal:
        return 1 << wire
    if not shape & IS_DIAGONAL:
        if draft.split:
            _simplify(draft, wire)
        if draft.leading[wire] >= 0:
            _add_diagonal(draft, wire, draft.leading[wire])
        at = add_gate(draft, DENSE, 1 << wire, 0)
        draft.gates[at, AT] = draft.waits[wire]
        draft.gates[at, SIZE] = 1
        draft.gates[at, TARGETS] = wire
        draft.gates[at, SHAPE] = draft.wait_shapes[wire]
        after = draft.trailing[wire]
        draft.waits[wire] = after
        draft.wait_shapes[wire] = shape_of_wait(draft, after) if after >= 0 else 0
        draft.leading[wire] = -1
        draft.trailing[wire] = -1
    if not but_diagonal and draft.waits[wire] >= 0:
        _add_diagonal(draft, wire, draft.waits[wire])
        draft.waits[wire] = -1
    return 0


@inner_code
def _simplify(draft: Draft, wire: int) -> None:
    """Replace what waits by a simple matrix between diagonals.

    It stays if it isn't unitary.
    """
    before, place, after = draft.leading[wire], draft.waits[wire], draft.trailing[wire]
    is_simple_now = draft.wait_shapes[wire] & (REAL | MIXED) != 0
    varies = draft.varies[place] or draft.varies[max(before, 0)] or draft.varies[max(after, 0)]
    if is_simple_now and (varies or (before < 0 and after < 0)):
        return
    place = take_wait(draft, wire)
    shape = shape_of_wait(draft, place)
    draft.waits[wire] = place
    draft.wait_shapes[wire] = shape
    if shape & (REAL | MIXED) or not is_unitary(draft, place):
        return
    parts = room(draft, NUM_SPLIT)
    instruct(draft, varies, SPLIT, parts, NUM_SPLIT, place, 0, 0)
    draft.waits[wire] = parts + MIDDLE
    draft.wait_shapes[wire] = REAL
    if varies:
        # What is 1 at random angles may be -1 at others, for the real matrix is never negative: nothing may follow from
        # these numbers.
        draft.second_pool[parts] *= _turn(1.7 * parts)
        draft.second_pool[parts + 3] *= _turn(2.3 * parts + 1)
        draft.second_pool[parts + FIRST + 3] *= _turn(0.9 * parts + 2)
        draft.leading[wire] = parts + FIRST
        draft.trailing[wire] = parts
        return
    if not _take_first(draft, wire, parts):
        draft.leading[wire] = parts + FIRST
    if not (is_one(draft, parts) and is_one(draft, parts + 3)):
        draft.trailing[wire] = parts


@inner_code
def _turn(angle: float) -> complex:
    """Return the phase of an angle."""
    return complex(math.cos(angle), math.sin(angle))


@inner_code
def _take_first(draft: Draft, wire: int, parts: int) -> bool:
    """Multiply a split matrix's first diagonal into its other parts.

    Returns:
        Whether their kernels stay simple; else nothing is done.
    """
    pool, phase = draft.pool, draft.pool[parts + FIRST + 3]
    if abs(phase.imag) < ROUNDING:
        sign = 1.0 if phase.real > 0 else -1.0
        write(draft, parts + MIDDLE + 1, pool[parts + MIDDLE + 1] * sign)
        write(draft, parts + MIDDLE + 3, pool[parts + MIDDLE + 3] * sign)
        return True
    if abs(phase.real) < ROUNDING:
        turn = complex(0, 1.0 if phase.imag > 0 else -1.0)
        write(draft, parts + 3, pool[parts + 3] * turn)
        write(draft, parts + MIDDLE + 1, pool[parts + MIDDLE + 1] * turn)
        write(draft, parts + MIDDLE + 2, pool[parts + MIDDLE + 2] * turn.conjugate())
        draft.wait_shapes[wire] = MIXED
        return True
    return False


@inner_code
def is_unitary(draft: Draft, place: int) -> bool:
    """Tell whether a one-qubit matrix is unitary but for rounding."""
    for number in range(2 if draft.varies[place] else 1):
        pool = draft.pool if number == 0 else draft.second_pool
        a, b, c, d = pool[place], pool[place + 1], pool[place + 2], pool[place + 3]
        error = abs(abs(a) ** 2 + abs(c) ** 2 - 1) + abs(abs(b) ** 2 + abs(d) ** 2 - 1)
        if not error + abs(a.conjugate() * b + c.conjugate() * d) < TOLERANCE:
            return False
    return True


@inner_code
def _add_diagonal(draft: Draft, wire: int, place: int) -> None:
    """Add a diagonal on one wire as a gate."""
    at = add_gate(draft, DIAGONAL, 0, 1 << wire)
    if not is_one(draft, place):
        add_term(draft, at, 1 << wire, 0, place)
    if not is_one(draft, place + 3):
        add_term(draft, at, 1 << wire, 1 << wire, place + 3)
