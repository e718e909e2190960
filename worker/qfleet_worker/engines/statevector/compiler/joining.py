# SPDX-License-Identifier: Apache-2.0
"""One-qubit matrices joined over terms between them, in machine code.

Two with nothing between them become one. A sign where several wires are 1, between two H on one of them, becomes an X
with controls, as in a Toffoli gate that was made of CX and T.
"""

from __future__ import annotations

import math
from typing import Any

from numpy.typing import NDArray

from qfleet_worker.engines.machine_code.registry import inner_code
from qfleet_worker.engines.statevector.compiler.collected import Collected, copy_row, flush_terms, new_gate
from qfleet_worker.engines.statevector.compiler.draft import (
    AT,
    CHANGES,
    CONTROLS,
    DENSE,
    FLIP,
    KIND,
    NOTHING,
    SHAPE,
    SIZE,
    TARGETS,
    TERMS,
    VALUES,
    Draft,
    instruct,
    is_one,
    room,
    write,
)
from qfleet_worker.engines.statevector.compiler.factors import FIRST, MIDDLE, NUM_SPLIT, ROUNDING
from qfleet_worker.engines.statevector.compiler.shapes import REAL
from qfleet_worker.engines.statevector.compiler.tape import CONSTANT_PHASE, MULTIPLY, SPLIT
from qfleet_worker.engines.statevector.compiler.terms import multiply_term
from qfleet_worker.engines.statevector.compiler.waiting import is_unitary
from qfleet_worker.engines.statevector.kernels.layout import TERM_FACTOR, TERM_MASK

#: Result of `_terms_between` for other terms.
SEVERAL = -2
#: The vectors of a one-qubit matrix, by the distance of their entries.
ROW, COLUMN = 1, 2
_SAME = math.sqrt(0.5)


@inner_code
def join(draft: Draft, collected: Collected, gate: NDArray[Any]) -> int:
    """Append a one-qubit matrix together with the last one on its wire.

    Nothing may be between them, or a sign alone. With it, they become a controlled X between two others, which are the
    two with an H after the first, and before the second; one of them must vanish.

    Returns:
        How many controlled X were made; -1 if nothing was appended.
    """
    before = collected.last[gate[TARGETS]]
    if before < 0 or not is_plain(draft, collected.gates[before]):
        return -1
    sign, own = _terms_between(draft, collected, gate[CHANGES])
    if sign == SEVERAL:
        return -1
    first, second = room(draft, 4), room(draft, 4)
    _copy_behind(draft, gate[AT], own, second)
    if sign < 0:
        instruct(draft, False, MULTIPLY, first, 4, second, collected.gates[before, AT], 0)
        is_real = _is_real(draft, first, ROW)
        if not (is_real or is_unitary(draft, first)):
            return -1
        collected.gates[before, KIND] = NOTHING
        collected.last[gate[TARGETS]] = -1
        _forget(draft, own)
        if is_real:
            _append_real(draft, collected, gate, first, ROW)
        else:
            _append_split(draft, collected, gate, first)
        return 0
    _multiply_by_hadamard(draft, collected.gates[before, AT], first, second)
    if not (_is_real(draft, first, ROW) and _is_real(draft, second, COLUMN)):
        return -1
    if not (_is_diagonal(draft, first) or _is_diagonal(draft, second)):
        return -1
    controls = draft.terms[sign, TERM_MASK] & ~gate[CHANGES]
    _forget(draft, sign)
    _forget(draft, own)
    _take_phases(draft, collected, gate[CHANGES], first, ROW)
    collected.gates[before, AT] = first
    collected.gates[before, SHAPE] = REAL
    if _is_diagonal(draft, first):
        collected.gates[before, KIND] = NOTHING
    flush_terms(draft, collected, gate[CHANGES])
    flip = collected.gates[new_gate(collected, FLIP, gate[CHANGES], controls)]
    flip[TARGETS] = gate[TARGETS]
    flip[CONTROLS] = controls
    flip[VALUES] = controls
    _append_real(draft, collected, gate, second, COLUMN)
    return 1


@inner_code
def is_plain(draft: Draft, gate: NDArray[Any]) -> bool:
    """Tell whether a gate is a constant one-qubit matrix without controls."""
    is_one_qubit = gate[KIND] == DENSE and gate[SIZE] == 1 and gate[CONTROLS] == 0
    return bool(is_one_qubit and not draft.varies[gate[AT]])


@inner_code
def _terms_between(draft: Draft, collected: Collected, wire: int) -> tuple[int, int]:
    """Return the numbers of the terms between two matrices.

    The first is a sign on several wires, or -1 for none; or `SEVERAL`, if there is any other. The second is on one
    wire, or -1 for none.
    """
    sign = own = -1
    for at in range(collected.first, draft.counts[TERMS]):
        mask, factor = draft.terms[at, TERM_MASK], draft.terms[at, TERM_FACTOR]
        if mask & wire == 0 or is_one(draft, factor):
            continue
        if draft.varies[factor]:
            return SEVERAL, -1
        if mask == wire:
            own = at
        elif sign >= 0 or abs(draft.pool[factor] + 1) > ROUNDING:
            return SEVERAL, -1
        else:
            sign = at
    return sign, own


@inner_code
def _forget(draft: Draft, term: int) -> None:
    """Let a term be 1, if there is one."""
    if term >= 0:
        write(draft, draft.terms[term, TERM_FACTOR], 1 + 0j)


@inner_code
def _copy_behind(draft: Draft, place: int, own: int, to: int) -> None:
    """Copy a one-qubit matrix, multiplied by a term before it."""
    factor = draft.pool[draft.terms[own, TERM_FACTOR]] if own >= 0 else 1 + 0j
    for entry in range(4):
        write(draft, to + entry, draft.pool[place + entry] * (factor if entry & 1 else 1 + 0j))


@inner_code
def _multiply_by_hadamard(draft: Draft, before: int, first: int, second: int) -> None:
    """Multiply by an H after the first matrix, and before the second."""
    pool = draft.pool
    for bit in range(2):
        upper, lower = pool[before + bit], pool[before + 2 + bit]
        write(draft, first + bit, (upper + lower) * _SAME)
        write(draft, first + 2 + bit, (upper - lower) * _SAME)
        upper, lower = pool[second + 2 * bit], pool[second + 2 * bit + 1]
        write(draft, second + 2 * bit, (upper + lower) * _SAME)
        write(draft, second + 2 * bit + 1, (upper - lower) * _SAME)


@inner_code
def _append_split(draft: Draft, collected: Collected, gate: NDArray[Any], place: int) -> None:
    """Append a unitary as a real matrix between diagonals."""
    parts, wire = room(draft, NUM_SPLIT), gate[CHANGES]
    instruct(draft, False, SPLIT, parts, NUM_SPLIT, place, 0, 0)
    multiply_term(draft, collected.first, wire, wire, parts + FIRST + 3, 1)
    flush_terms(draft, collected, wire)
    _append_matrix(collected, gate, parts + MIDDLE)
    multiply_term(draft, collected.first, wire, 0, parts, 1)
    multiply_term(draft, collected.first, wire, wire, parts + 3, 1)


@inner_code
def _append_matrix(collected: Collected, gate: NDArray[Any], place: int) -> None:
    """Append a gate with another matrix, which is real."""
    new = collected.gates[new_gate(collected, DENSE, gate[CHANGES], 0)]
    copy_row(gate, new)
    new[AT] = place
    new[SHAPE] = REAL


@inner_code
def _is_diagonal(draft: Draft, place: int) -> bool:
    """Tell whether a constant one-qubit matrix is diagonal."""
    return bool(abs(draft.pool[place + 1]) < ROUNDING and abs(draft.pool[place + 2]) < ROUNDING)


@inner_code
def _phase(draft: Draft, place: int, along: int) -> complex:
    """Return the phase of a vector's larger entry."""
    a, b = draft.pool[place], draft.pool[place + along]
    larger = a if abs(a) >= abs(b) else b
    return complex(larger / abs(larger)) if abs(larger) > ROUNDING else 1 + 0j


@inner_code
def _is_real(draft: Draft, place: int, along: int) -> bool:
    """Tell whether a matrix is real but for its vectors' phases."""
    for vector in range(2):
        start = place + vector * (3 - along)
        turn = _phase(draft, start, along).conjugate()
        for entry in range(2):
            if abs((draft.pool[start + entry * along] * turn).imag) > ROUNDING:
                return False
    return True


@inner_code
def _take_phases(draft: Draft, collected: Collected, wire: int, place: int, along: int) -> None:
    """Let the phases of a matrix's vectors go on."""
    first, second = _phase(draft, place, along), _phase(draft, place + 3 - along, along)
    for entry in range(4):
        of_second = entry >> 1 if along == ROW else entry & 1
        number = (draft.pool[place + entry] * (second if of_second else first).conjugate()).real
        write(draft, place + entry, complex(0.0 if abs(number) < ROUNDING else number))
    draft.pool[CONSTANT_PHASE] *= first
    factor = room(draft, 1)
    write(draft, factor, second * first.conjugate())
    if not is_one(draft, factor):
        multiply_term(draft, collected.first, wire, wire, factor, 1)


@inner_code
def _append_real(draft: Draft, collected: Collected, gate: NDArray[Any], place: int, along: int) -> None:
    """Append a matrix in place of a gate's.

    Phases of its columns come before it; those of its rows go on behind it.
    """
    is_diagonal = _is_diagonal(draft, place)
    if along == COLUMN or is_diagonal:
        _take_phases(draft, collected, gate[CHANGES], place, along)
        if is_diagonal:
            return
        flush_terms(draft, collected, gate[CHANGES])
    _append_matrix(collected, gate, place)
    if along == ROW:
        _take_phases(draft, collected, gate[CHANGES], place, along)
