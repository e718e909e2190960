# SPDX-License-Identifier: Apache-2.0
"""One diagonal made of an item's diagonals, in machine code.

It has the layout that `kernels.diagonals` multiplies by.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from qfleet_worker.engines.contract import CompilerError
from qfleet_worker.engines.machine_code.registry import built_in, inner_code, machine_code
from qfleet_worker.engines.statevector.compiler.draft import AT, SIZE, TERMS, Draft, instruct, room
from qfleet_worker.engines.statevector.compiler.frame import Frame
from qfleet_worker.engines.statevector.compiler.matrix_operations import Matrix, emit_matrix
from qfleet_worker.engines.statevector.compiler.shapes import shape_of_one
from qfleet_worker.engines.statevector.compiler.tape import COPY
from qfleet_worker.engines.statevector.kernels.diagonals import table_sizes
from qfleet_worker.engines.statevector.kernels.layout import (
    DIAGONAL,
    DIAGONAL_COLUMNS,
    DIAGONAL_END,
    DIAGONAL_FIRST,
    DIAGONAL_HIGH_TABLE,
    DIAGONAL_SECOND,
    DIAGONAL_SELECT,
    DIAGONAL_TABLE,
    OP_COLUMNS,
    OP_INTS,
    OP_KERNEL,
    OP_OUTSIDE,
    OP_OUTSIDE_VALUES,
    PRODUCT_BIT,
    PRODUCT_COLUMNS,
    PRODUCT_OUTSIDE,
    PRODUCT_OUTSIDE_VALUES,
    PRODUCT_VALUE,
    TABLE_AT,
    TABLE_BITS,
    TABLE_COLUMNS,
    TABLE_END,
    TABLE_FIRST,
    TABLE_HIGH_AT,
    TABLE_SECOND,
    TABLE_SELECT,
    TERM_COLUMNS,
    TERM_FACTOR,
    TERM_MASK,
    TERM_VALUE,
)

#: What is counted: operations, coefficients, integers, diagonals, terms in product form, diagonals with tables, terms
#: in tables, real numbers of low tables, entries of high tables.
OPS, COEFS, INTEGERS, DIAGONALS, PRODUCT_TERMS, TABLE_ROWS, TABLE_TERMS, TABLE_SIZE, HIGH_SIZE = range(9)


class Emitted(NamedTuple):
    """The tables of a stretch while they are written.

    They have room for all that a draft may need; see `layout.Tables`.
    """

    ops: NDArray[Any]
    ints: NDArray[Any]
    diagonals: NDArray[Any]
    terms: NDArray[Any]
    #: where in the pool the factors of the terms lie
    factor_sources: NDArray[Any]
    #: how tables are multiplied out, and of which terms
    table_rows: NDArray[Any]
    table_terms: NDArray[Any]
    counts: NDArray[Any]


@machine_code
def new_emitted(draft: Draft, number: int) -> Emitted:
    """Return room for what a draft of `number` gates becomes."""
    terms = draft.counts[TERMS]
    return Emitted(
        np.empty((number + terms, OP_COLUMNS), np.int64),
        np.empty(16 * number + 16, np.int64),
        np.empty((number + 1, DIAGONAL_COLUMNS), np.int64),
        np.empty((terms + 1, PRODUCT_COLUMNS), np.int64),
        np.empty(terms + 1, np.int64),
        np.empty((number + 1, TABLE_COLUMNS), np.int64),
        np.empty((terms + 1, TERM_COLUMNS), np.int64),
        np.zeros(9, np.int64),
    )


class _Term(NamedTuple):
    """A term of a diagonal, by local bits and outside wires."""

    #: where its factor lies in the pool
    factor: int
    #: mask and value of local bits
    mask: int
    value: int
    #: mask and value of wires outside
    outside: int
    outside_value: int


@built_in
def new_op(emitted: Emitted) -> NDArray[Any]:
    """Return the next operation's row. It counts once the caller counts it."""
    if emitted.counts[OPS] >= len(emitted.ops):
        raise CompilerError("a defect of qfleet, please report it: a compiled circuit has too many operations")
    row: NDArray[Any] = emitted.ops[emitted.counts[OPS]]
    return row


@inner_code
def _local_term(term: NDArray[Any], frame: Frame) -> _Term:
    """Return a term by local bits and outside wires."""
    mask, value = term[TERM_MASK], term[TERM_VALUE]
    inside = mask & frame.local
    local_mask = local_value = 0
    for wire in range(len(frame.places)):
        if inside >> wire & 1:
            local_mask |= 1 << frame.places[wire]
            local_value |= (value >> wire & 1) << frame.places[wire]
    return _Term(term[TERM_FACTOR], local_mask, local_value, mask & ~inside, value & ~inside)


@machine_code
def _add_conditional(draft: Draft, emitted: Emitted, term: _Term, frame: Frame, sources: NDArray[Any]) -> None:
    """Add a conditional factor as an operation of its own.

    It applies where several local bits and some outside have their values.
    """
    counts = emitted.counts
    position = 0
    while term.mask >> position & 1 == 0:
        position += 1
    entry = 3 if term.value >> position & 1 else 0
    one = room(draft, 4)
    draft.pool[one : one + 4] = 0
    draft.pool[one + 3 - entry] = 1
    shape = 0
    if draft.varies[term.factor]:
        instruct(draft, True, COPY, one + entry, 1, term.factor, 0, 1)
    else:
        draft.pool[one + entry] = draft.pool[term.factor]
        shape = shape_of_one(draft.pool, one)
    target = np.full(1, position, np.int64)
    rest = ~(1 << position)
    op = new_op(emitted)
    op[OP_OUTSIDE] = term.outside
    op[OP_OUTSIDE_VALUES] = term.outside_value
    matrix = Matrix(one, shape, target, term.mask & rest, term.value & rest)
    counts[COEFS] = emit_matrix(matrix, frame, op, sources, counts[COEFS])
    counts[OPS] += 1


@inner_code
def _add_product(emitted: Emitted, term: _Term) -> None:
    """Add a term to the product form.

    The term has one local bit or none.
    """
    row = emitted.terms[emitted.counts[PRODUCT_TERMS]]
    row[PRODUCT_BIT] = -1
    while term.mask >> (row[PRODUCT_BIT] + 1):
        row[PRODUCT_BIT] += 1
    row[PRODUCT_VALUE] = 1 if term.value else 0
    row[PRODUCT_OUTSIDE] = term.outside
    row[PRODUCT_OUTSIDE_VALUES] = term.outside_value
    emitted.factor_sources[emitted.counts[PRODUCT_TERMS]] = term.factor
    emitted.counts[PRODUCT_TERMS] += 1


@inner_code
def _add_to_table(emitted: Emitted, term: _Term) -> None:
    """Add a term with local bits only to a table."""
    row = emitted.table_terms[emitted.counts[TABLE_TERMS]]
    row[TERM_MASK] = term.mask
    row[TERM_VALUE] = term.value
    row[TERM_FACTOR] = term.factor
    emitted.counts[TABLE_TERMS] += 1


@built_in
def _add_tables(emitted: Emitted, diagonal: NDArray[Any], first: int, bits: int) -> None:
    """Give a diagonal the tables of the terms from `first` on."""
    counts = emitted.counts
    select, second, size, high_size = table_sizes(emitted.table_terms[first : counts[TABLE_TERMS]], bits)
    diagonal[DIAGONAL_SELECT] = select
    diagonal[DIAGONAL_SECOND] = second
    if size:
        diagonal[DIAGONAL_TABLE] = counts[TABLE_SIZE]
    if high_size:
        diagonal[DIAGONAL_HIGH_TABLE] = counts[HIGH_SIZE]
    counts[TABLE_SIZE] += size
    counts[HIGH_SIZE] += high_size
    row = emitted.table_rows[counts[TABLE_ROWS]]
    row[TABLE_BITS] = bits
    row[TABLE_SELECT] = select
    row[TABLE_SECOND] = second
    row[TABLE_AT] = diagonal[DIAGONAL_TABLE]
    row[TABLE_HIGH_AT] = diagonal[DIAGONAL_HIGH_TABLE]
    row[TABLE_FIRST] = first
    row[TABLE_END] = counts[TABLE_TERMS]
    counts[TABLE_ROWS] += 1


@built_in
def emit_diagonals(draft: Draft, emitted: Emitted, members: NDArray[Any], frame: Frame, sources: NDArray[Any]) -> None:
    """Write the operations of an item's diagonals.

    There is one for most terms, and one for each that is conditional.

    Args:
        draft: has the diagonals.
        emitted: what is written.
        members: int64: the numbers of the diagonals.
        frame: the stage's chunks.
        sources: int64: gets the sources of coefficients, with room for those of a one-qubit operation for each term.

    Raises:
        CompilerError: `emitted` or `sources` has no room.
    """
    counts = emitted.counts
    if counts[DIAGONALS] >= len(emitted.diagonals) or counts[TABLE_ROWS] >= len(emitted.table_rows):
        raise CompilerError("a defect of qfleet, please report it: a compiled circuit has too many diagonals")
    diagonal = emitted.diagonals[counts[DIAGONALS]]
    diagonal[DIAGONAL_FIRST] = counts[PRODUCT_TERMS]
    first = counts[TABLE_TERMS]
    for member in members:
        gate = draft.gates[member]
        for at in range(gate[AT], gate[AT] + gate[SIZE]):
            if counts[PRODUCT_TERMS] >= len(emitted.terms) or counts[TABLE_TERMS] >= len(emitted.table_terms):
                # A term goes into one of them; the second has no room beyond the terms that there are.
                raise CompilerError("a defect of qfleet, please report it: a compiled circuit has too many terms")
            term = _local_term(draft.terms[at], frame)
            if term.mask & (term.mask - 1) == 0:
                _add_product(emitted, term)
            elif term.outside == 0:
                _add_to_table(emitted, term)
            else:
                _add_conditional(draft, emitted, term, frame, sources)
    diagonal[DIAGONAL_END] = counts[PRODUCT_TERMS]
    diagonal[DIAGONAL_TABLE] = -1
    diagonal[DIAGONAL_SELECT] = 0
    diagonal[DIAGONAL_SECOND] = 0
    diagonal[DIAGONAL_HIGH_TABLE] = -1
    if counts[TABLE_TERMS] > first:
        _add_tables(emitted, diagonal, first, frame.bits)
    if counts[TABLE_TERMS] > first or diagonal[DIAGONAL_END] > diagonal[DIAGONAL_FIRST]:
        op = new_op(emitted)
        op[:] = 0
        op[OP_KERNEL] = DIAGONAL
        op[OP_INTS] = counts[DIAGONALS]
        counts[DIAGONALS] += 1
        counts[OPS] += 1
