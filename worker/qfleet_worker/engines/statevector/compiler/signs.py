# SPDX-License-Identifier: Apache-2.0
"""CZ as CX between two H that meet others, in machine code."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from numpy.typing import NDArray

from qfleet_worker.engines.gates import codes
from qfleet_worker.engines.machine_code.registry import inner_code
from qfleet_worker.engines.statevector.compiler.draft import (
    POOL,
    Draft,
    add_flip,
    flip_last,
    is_one,
    product,
    room,
    write,
)
from qfleet_worker.engines.statevector.compiler.factors import ROUNDING
from qfleet_worker.engines.statevector.compiler.gate_table import ANGLES, GateTable
from qfleet_worker.engines.statevector.compiler.row_matrices import is_free, one_qubit_matrix
from qfleet_worker.engines.statevector.compiler.rows import Row, Rows, exchanges, next_row
from qfleet_worker.engines.statevector.compiler.shapes import ANTIDIAGONAL, REAL
from qfleet_worker.engines.statevector.compiler.waiting import add_one, flush, shape_of_wait

#: Rows among which those after a CZ are sought.
LOOK_AHEAD = 64
_SAME = math.sqrt(0.5)


class Place(NamedTuple):
    """A row on two wires, and all that comes after it."""

    row: Row
    #: its number
    at: int
    rows: Rows
    gates: GateTable
    #: int64, shape (qubits,): each qubit's wire
    wires: NDArray[Any]


@inner_code
def add_as_flip(draft: Draft, place: Place, wire: int, control: int, local: int) -> bool:
    """Add a CZ as a CX between two H, where simpler.

    What waits on the CX's target must be a diagonal, H, and another diagonal, which goes behind the CZ. What follows
    must lose an H too: one H between diagonals vanishes, or becomes the only one.

    Args:
        draft: gets the gate.
        place: where it is.
        wire: the CX's target.
        control: the CX's control.
        local: where the matrix lies that comes after the CZ, or -1.

    Returns:
        Whether it was added.
    """
    waits = draft.waits[wire]
    if waits < 0 or draft.varies[waits]:
        return False
    after, a, c = draft.trailing[wire], draft.pool[waits], draft.pool[waits + 2]
    if after >= 0:
        if draft.varies[after]:
            return False
        a *= draft.pool[after]
        c *= draft.pool[after + 3]
    if abs(abs(a) - _SAME) > ROUNDING or abs(abs(c) - _SAME) > ROUNDING:
        return False
    turn = 2 * c * a.conjugate()
    begin = draft.counts[POOL]
    simpler = _is_simpler(draft, _following(draft, place, wire), local, turn)
    draft.counts[POOL] = begin
    if not simpler:
        return False
    _add_turn(draft, wire, turn.conjugate())
    _add_hadamard(draft, wire)
    flips = flush(draft, control, True)
    waits = draft.waits[wire]
    is_x = waits >= 0 and draft.wait_shapes[wire] & ANTIDIAGONAL and is_one(draft, waits + 2)
    if not (is_x and is_one(draft, waits + 1)):
        flush(draft, wire, False)
    add_flip(draft, wire, 1 << control, 1 << control)
    flip_last(draft, flips)
    _add_hadamard(draft, wire)
    _add_turn(draft, wire, turn)
    return True


@inner_code
def _following(draft: Draft, place: Place, wire: int) -> int:
    """Return the place of the one-qubit gates following on a wire.

    They are multiplied. It is -1 if there is none nearby, or if it depends on angles.
    """
    row, rows, gates, found = place.row, place.rows, place.gates, -1
    for at in range(place.at + 1, min(place.at + LOOK_AHEAD, len(rows.codes))):
        row = next_row(rows, at, row, place.wires, gates)
        if row.num_controls == 0 and exchanges(row.code):
            return -1
        if not (row.changes | row.controls) >> wire & 1:
            continue
        if row.num_controls + row.num_targets > 1 or row.code == codes.GLOBAL_PHASE:
            return found
        if is_free(rows, row.angle, gates.codes[row.code, ANGLES]):
            return -1
        one, _ = one_qubit_matrix(draft, rows, gates, row, False)
        found = one if found < 0 else product(draft, one, found)
    return found


@inner_code
def _is_simpler(draft: Draft, following: int, local: int, turn: complex) -> bool:
    """Tell whether an H before it makes what follows simpler."""
    if following < 0:
        return False
    pool = draft.pool
    a, b, c, d = pool[following], pool[following + 1], pool[following + 2], pool[following + 3]
    if local >= 0:
        p, q, r, s = pool[local], pool[local + 1], pool[local + 2], pool[local + 3]
        a, b, c, d = a * p + b * r, a * q + b * s, c * p + d * r, c * q + d * s
    b *= turn
    with_h = abs(a + b) * _SAME
    if with_h < ROUNDING or abs(a - b) * _SAME < ROUNDING:
        return True
    return bool(abs(with_h - _SAME) < ROUNDING and abs(abs(a) - _SAME) > ROUNDING)


@inner_code
def _add_hadamard(draft: Draft, wire: int) -> None:
    """Add an H."""
    place = room(draft, 4)
    for entry in range(4):
        write(draft, place + entry, complex(_SAME if entry < 3 else -_SAME))
    add_one(draft, wire, place, REAL)


@inner_code
def _add_turn(draft: Draft, wire: int, factor: complex) -> None:
    """Add a diagonal (1, factor)."""
    place = room(draft, 4)
    for entry in range(4):
        write(draft, place + entry, 1 + 0j if entry == 0 else factor if entry == 3 else 0j)
    add_one(draft, wire, place, shape_of_wait(draft, place))
