# SPDX-License-Identifier: Apache-2.0
"""Gates and terms while terms of diagonals go on, in machine code.

A term goes on until a gate changes one of its wires.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from numpy.typing import NDArray

from qfleet_worker.engines.machine_code.registry import inner_code
from qfleet_worker.engines.statevector.compiler.draft import (
    AT,
    CHANGES,
    DIAGONAL,
    KIND,
    READS,
    SIZE,
    TERMS,
    Draft,
    is_one,
)
from qfleet_worker.engines.statevector.kernels.layout import TERM_FACTOR, TERM_MASK


class Collected(NamedTuple):
    """The gates that came before, but for terms that go on.

    These are the last ones of the draft.
    """

    #: int64, shape (gates, columns), with the room of the draft's
    gates: NDArray[Any]
    #: int64, shape (terms, columns): of all diagonals among them
    terms: NDArray[Any]
    #: int64, shape (2,): how many gates and terms there are
    counts: NDArray[Any]
    #: int64, shape (wires,): the last gate on each wire, or -1
    last: NDArray[Any]
    #: the number of the first term that goes on
    first: int


@inner_code
def flush_terms(draft: Draft, collected: Collected, changes: int) -> None:
    """Append the terms on some wires as a diagonal."""
    terms, kept, reads, begin = draft.terms, collected.first, 0, collected.counts[1]
    for at in range(collected.first, draft.counts[TERMS]):
        if terms[at, TERM_MASK] & changes == 0:
            copy_row(terms[at], terms[kept])
            kept += 1
        elif not is_one(draft, terms[at, TERM_FACTOR]):
            copy_row(terms[at], collected.terms[collected.counts[1]])
            collected.counts[1] += 1
            reads |= terms[at, TERM_MASK]
    draft.counts[TERMS] = kept
    if reads:
        new = collected.gates[new_gate(collected, DIAGONAL, 0, reads)]
        new[AT] = begin
        new[SIZE] = collected.counts[1] - begin


@inner_code
def copy_row(row: NDArray[Any], to: NDArray[Any]) -> None:
    """Copy a row."""
    for column in range(len(row)):
        to[column] = row[column]


@inner_code
def new_gate(collected: Collected, kind: int, changes: int, reads: int) -> int:
    """Append a gate, and return its number."""
    at = collected.counts[0]
    collected.counts[0] += 1
    new = collected.gates[at]
    new[:] = 0
    new[KIND] = kind
    new[CHANGES] = changes
    new[READS] = reads
    for wire in range(len(collected.last)):
        if (changes | reads) >> wire & 1:
            collected.last[wire] = at
    return int(at)


@inner_code
def append_gate(draft: Draft, collected: Collected, gate: NDArray[Any]) -> None:
    """Append a gate of the draft as it is."""
    new = collected.gates[new_gate(collected, gate[KIND], gate[CHANGES], gate[READS])]
    copy_row(gate, new)
    if gate[KIND] == DIAGONAL:
        new[AT] = collected.counts[1]
        for at in range(gate[AT], gate[AT] + gate[SIZE]):
            copy_row(draft.terms[at], collected.terms[collected.counts[1]])
            collected.counts[1] += 1
