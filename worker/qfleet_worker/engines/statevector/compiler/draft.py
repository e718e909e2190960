# SPDX-License-Identifier: Apache-2.0
"""A stretch while its gates are fused, in machine code."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from qfleet_worker.engines.contract import CompilerError
from qfleet_worker.engines.statevector.compiler.shapes import REAL
from qfleet_worker.engines.statevector.compiler.tape import (
    COPY,
    FIRST_FREE,
    MULTIPLY,
    ONE,
    OP,
    TAPE_COLUMNS,
    TO,
    VARIES,
    A,
    B,
    C,
    perform,
)
from qfleet_worker.engines.statevector.kernels.layout import TERM_COLUMNS, TERM_FACTOR, TERM_MASK, TERM_VALUE
from qfleet_worker.engines.statevector.machine_code.registry import inner_code, machine_code

NOTHING, DENSE, FLIP, DIAGONAL = range(4)
#: The columns of a gate: its kind; the wires that it changes, and those it only looks at, as masks; its controls and
#: the values they must have; where its matrix or its terms begin; how many targets or terms; the targets, 8 bits each;
#: the shape of its matrix.
KIND, CHANGES, READS, CONTROLS, VALUES, AT, SIZE, TARGETS, SHAPE = range(9)
COLUMNS = 9

#: What is counted: gates, places of the pool that are taken, terms, instructions.
GATES, POOL, TERMS, TAPE = range(4)
#: Places of the pool that a matrix takes at most.
LARGEST = 256


class Draft(NamedTuple):
    """A stretch that is being compiled, in arrays of fixed size.

    The arrays have room for all that its rows may need.
    """

    gates: NDArray[Any]
    terms: NDArray[Any]
    pool: NDArray[Any]
    #: whether a place of the pool depends on angles
    varies: NDArray[Any]
    tape: NDArray[Any]
    counts: NDArray[Any]
    #: the last gate on each wire, -1 for none
    last: NDArray[Any]
    #: where the one-qubit matrix lies that waits on each wire, -1 for none; and its shape
    waits: NDArray[Any]
    wait_shapes: NDArray[Any]


@machine_code
def new_draft(rows: int, num_wires: int, matrix_entries: int, num_terms: int) -> Draft:
    """Return an empty draft with room for some rows.

    Args:
        rows: how many there are.
        num_wires: wires of the state.
        matrix_entries: entries of the rows' matrices; see `rows.count_entries`.
        num_terms: terms of the rows.
    """
    # A matrix that is copied to depend on angles takes its size again, a product of pairs four matrices at most. A
    # term may become a matrix of its own.
    pool = np.empty(
        2 * matrix_entries + 5 * num_terms + 64 * rows + 4 * num_wires + FIRST_FREE + LARGEST, np.complex128
    )
    pool[:FIRST_FREE] = 1
    counts = np.zeros(4, np.int64)
    counts[POOL] = FIRST_FREE
    return Draft(
        np.empty((3 * rows + 2 * num_wires + 8, COLUMNS), np.int64),
        np.empty((num_terms + 3 * rows + 2 * num_wires + 8, TERM_COLUMNS), np.int64),
        pool,
        np.zeros(len(pool), np.bool_),
        np.empty((num_terms + 24 * rows + 1, TAPE_COLUMNS), np.int64),
        counts,
        np.full(num_wires, -1, np.int64),
        np.full(num_wires, -1, np.int64),
        np.full(num_wires, REAL, np.int64),
    )


@inner_code
def check_capacity(draft: Draft) -> None:
    """Raise `CompilerError` if anything that was written didn't fit into its array.

    What doesn't fit is written to the end of the array instead of beyond it, and fills it: each has room for more than
    any circuit needs. If the functions below raised by themselves, compiling would take a tenth longer.
    """
    counts = draft.counts
    if (
        counts[GATES] >= len(draft.gates) or counts[TERMS] >= len(draft.terms)
        or counts[POOL] >= len(draft.pool) or counts[TAPE] >= len(draft.tape)
    ):  # fmt: skip
        raise CompilerError("a defect of qfleet, please report it: an array of a compiled circuit is too small")


@inner_code
def room(draft: Draft, size: int) -> int:
    """Return the place of `size` new entries of the pool.

    `size` is at most `LARGEST`.
    """
    place = min(int(draft.counts[POOL]), len(draft.pool) - size)
    draft.counts[POOL] = place + size
    return place


@inner_code
def instruct(draft: Draft, varies: bool, op: int, to: int, size: int, a: int, b: int, c: int) -> None:
    """Let an instruction write `size` entries of the pool.

    `varies` says whether they depend on angles.
    """
    at = min(int(draft.counts[TAPE]), len(draft.tape) - 1)
    draft.counts[TAPE] = at + 1
    row = draft.tape[at]
    row[OP] = op
    row[TO] = to
    row[A] = a
    row[B] = b
    row[C] = c
    row[VARIES] = varies
    draft.varies[to : to + size] = varies


@machine_code
def run_constants(draft: Draft) -> None:
    """Execute and remove the instructions that don't depend on angles."""
    tape, kept = draft.tape, 0
    none = np.empty(0, np.complex128)
    for at in range(draft.counts[TAPE]):
        if tape[at, VARIES]:
            for column in range(TAPE_COLUMNS):
                tape[kept, column] = tape[at, column]
            kept += 1
        else:
            perform(tape[at, OP], tape[at, TO], tape[at, A], tape[at, B], tape[at, C], draft.pool, none)
    draft.counts[TAPE] = kept


@inner_code
def varying(draft: Draft, place: int, size: int) -> int:
    """Return the place of a matrix that may depend on angles.

    It is the matrix's own place, or that of a copy.
    """
    if draft.varies[place]:
        return place
    copy = room(draft, size)
    instruct(draft, True, COPY, copy, size, place, 0, size)
    return copy


@inner_code
def product(draft: Draft, left: int, right: int) -> int:
    """Return the place of the product of two one-qubit matrices.

    It is the place of one of them, which is lost.
    """
    varies = draft.varies[left] or draft.varies[right]
    to = left if draft.varies[left] or not varies else right
    instruct(draft, varies, MULTIPLY, to, 4, left, right, 0)
    return to


@inner_code
def add_gate(draft: Draft, kind: int, changes: int, reads: int) -> int:
    """Add the last gate on some wires, and return its number."""
    at = min(int(draft.counts[GATES]), len(draft.gates) - 1)
    draft.counts[GATES] = at + 1
    gate = draft.gates[at]
    gate[:] = 0
    gate[KIND] = kind
    gate[CHANGES] = changes
    gate[READS] = reads
    gate[AT] = draft.counts[TERMS]
    left = changes | reads
    wire = 0
    while left:
        if left & 1:
            draft.last[wire] = at
        left >>= 1
        wire += 1
    return at


@inner_code
def add_term(draft: Draft, at: int, mask: int, value: int, factor: int) -> None:
    """Add a term to the diagonal that is the last gate.

    `factor` is a place of the pool.
    """
    if factor == ONE:
        return
    place = min(int(draft.counts[TERMS]), len(draft.terms) - 1)
    draft.counts[TERMS] = place + 1
    term = draft.terms[place]
    term[TERM_MASK] = mask
    term[TERM_VALUE] = value
    term[TERM_FACTOR] = factor
    draft.gates[at, SIZE] = place + 1 - draft.gates[at, AT]


@inner_code
def constant(draft: Draft, value: complex) -> int:
    """Return the place of a constant."""
    if value == 1:
        return ONE
    place = room(draft, 1)
    draft.pool[place] = value
    return place
