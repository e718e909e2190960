# SPDX-License-Identifier: Apache-2.0
"""Fusion of neighbouring gates on the same two wires, in machine code."""

from __future__ import annotations

from qfleet_worker.engines.statevector.compiler.draft import (
    AT,
    CHANGES,
    CONTROLS,
    DENSE,
    DIAGONAL,
    FLIP,
    GATES,
    KIND,
    NOTHING,
    READS,
    SHAPE,
    SIZE,
    TARGETS,
    VALUES,
    Draft,
    instruct,
    room,
)
from qfleet_worker.engines.statevector.compiler.tape import CONTROLLED, COPY, EXCHANGED, PRODUCT, SCALE
from qfleet_worker.engines.statevector.kernels.layout import TERM_FACTOR, TERM_MASK, TERM_VALUE
from qfleet_worker.engines.statevector.machine_code.registry import inner_code


@inner_code
def _as_pair(draft: Draft, at: int, low: int, high: int) -> int:
    """Return the place of the matrix of a gate on two wires.

    `low` is the wire of the lower bit of its index.
    """
    gate, pool, varies = draft.gates[at], draft.pool, draft.varies
    kind, first = gate[KIND], gate[AT]
    if kind == DENSE and gate[SIZE] == 2 and gate[TARGETS] & 255 == low:
        return int(first)
    place = room(draft, 16)
    if kind == DENSE and gate[SIZE] == 2:
        instruct(draft, varies[first], EXCHANGED, place, 16, first, 0, 0)
    elif kind == DENSE:
        value = 1 if gate[VALUES] else 0
        instruct(draft, varies[first], CONTROLLED, place, 16, first, 0 if gate[TARGETS] == low else 1, value)
    else:
        pool[place : place + 16] = 0
        for column in range(4):
            index = (column & 1) << low | (column >> 1) << high
            flips = kind == FLIP and index & gate[CONTROLS] == gate[VALUES]
            row = column ^ (1 if gate[TARGETS] == low else 2) if flips else column
            pool[place + 4 * row + column] = 1
    if kind == DIAGONAL:
        vary = False
        for term in range(first, first + gate[SIZE]):
            vary |= varies[draft.terms[term, TERM_FACTOR]]
        if vary:
            blank = place
            place = room(draft, 16)
            instruct(draft, True, COPY, place, 16, blank, 0, 16)
        for column in range(4):
            index = (column & 1) << low | (column >> 1) << high
            for term in range(first, first + gate[SIZE]):
                if index & draft.terms[term, TERM_MASK] == draft.terms[term, TERM_VALUE]:
                    instruct(draft, vary, SCALE, place + 5 * column, 1, draft.terms[term, TERM_FACTOR], 0, 0)
    return place


@inner_code
def merge_pair(draft: Draft, before: int) -> None:
    """Multiply the last gate with the one before it.

    It is done if both act on the same two wires, and one of them is a plain matrix.
    """
    gates = draft.gates
    at = draft.counts[GATES] - 1
    wires = gates[at, CHANGES] | gates[at, READS]
    if before < 0 or gates[before, KIND] == NOTHING or gates[before, CHANGES] | gates[before, READS] != wires:
        return
    plain = gates[at, KIND] == DENSE and gates[at, SIZE] == 2
    plain_before = gates[before, KIND] == DENSE and gates[before, SIZE] == 2
    if not (plain or plain_before):
        return
    low = high = -1
    for wire in range(64):
        if wires >> wire & 1:
            if low < 0:
                low = wire
            else:
                high = wire
                break
    left = _as_pair(draft, at, low, high)
    right = _as_pair(draft, before, low, high)
    place = room(draft, 16)
    instruct(draft, draft.varies[left] or draft.varies[right], PRODUCT, place, 16, left, right, 0)
    gates[before, KIND] = NOTHING
    gate = gates[at]
    gate[KIND] = DENSE
    gate[CHANGES] = wires
    gate[READS] = 0
    gate[CONTROLS] = 0
    gate[VALUES] = 0
    gate[AT] = place
    gate[SIZE] = 2
    gate[TARGETS] = low | high << 8
    gate[SHAPE] = 0
