# SPDX-License-Identifier: Apache-2.0
"""How do the diagonals of an item become one, in the layout that `diagonals` multiplies by? In machine code."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from qfleet_worker.engines.contract import CapacityError
from qfleet_worker.engines.statevector.compiler import values
from qfleet_worker.engines.statevector.compiler.draft import AT, SIZE, TERMS, Draft, instruct, room
from qfleet_worker.engines.statevector.compiler.emission import emit_matrix
from qfleet_worker.engines.statevector.compiler.shapes import shape_of_one
from qfleet_worker.engines.statevector.compiler.tape import COPY
from qfleet_worker.engines.statevector.compiler.values import TABLE_COLUMNS
from qfleet_worker.engines.statevector.kernels.diagonals import table_sizes
from qfleet_worker.engines.statevector.kernels.layout import (
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
    TERM_COLUMNS,
    TERM_FACTOR,
    TERM_MASK,
    TERM_VALUE,
)
from qfleet_worker.engines.statevector.machine_code.registry import machine_code

#: What is counted: operations, coefficients, integers, diagonals, terms in product form, diagonals with tables, terms
#: in tables, real numbers of tables, entries of tables of high bits.
OPS, COEFS, INTEGERS, DIAGONALS, PRODUCT_TERMS, TABLE_ROWS, TABLE_TERMS, TABLE_SIZE, HIGH_SIZE = range(9)

#: Coefficients of a matrix on one qubit at most.
ONE_COEFS = 128


class Emitted(NamedTuple):
    """What has been emitted so far, with room for all that a draft may need; see `compile.Tables`."""

    ops: NDArray[Any]
    ints: NDArray[Any]
    diagonals: NDArray[Any]
    terms: NDArray[Any]
    #: where in the pool the factors of the terms lie
    factor_sources: NDArray[Any]
    #: see `values`
    table_rows: NDArray[Any]
    table_terms: NDArray[Any]
    counts: NDArray[Any]


@machine_code
def new_emitted(draft: Draft, number: int) -> Emitted:
    """Nothing yet of a draft of `number` gates."""
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


@machine_code
def _conditional(draft: Draft, emitted: Emitted, factor: int, mask: int, value: int, outside: int,
                 outside_value: int, bits: int, lane_bits: int, sources: NDArray[Any]) -> None:  # fmt: skip
    """A factor where several local bits and some outside have their values, as an operation of its own."""
    counts = emitted.counts
    position = 0
    while mask >> position & 1 == 0:
        position += 1
    entry = 3 if value >> position & 1 else 0
    one = room(draft, 4)
    draft.pool[one : one + 4] = 0
    draft.pool[one + 3 - entry] = 1
    shape = 0
    if draft.varies[factor]:
        instruct(draft, True, COPY, one + entry, 1, factor, 0, 1)
    else:
        draft.pool[one + entry] = draft.pool[factor]
        shape = shape_of_one(draft.pool, one)
    target = np.full(1, position, np.int64)
    if counts[OPS] >= len(emitted.ops):
        raise CapacityError("a defect of qfleet, please report it: a compiled circuit has too many operations")
    op = emitted.ops[counts[OPS]]
    op[OP_OUTSIDE] = outside
    op[OP_OUTSIDE_VALUES] = outside_value
    counts[COEFS] = emit_matrix(
        one, shape, 1, target, mask & ~(1 << position), value & ~(1 << position), bits, lane_bits, op, sources,
        counts[COEFS],
    )  # fmt: skip
    counts[OPS] += 1


@machine_code
def emit_diagonals(draft: Draft, emitted: Emitted, sequence: NDArray[Any], begin: int, end: int, local: int,
                   places: NDArray[Any], bits: int, lane_bits: int, sources: NDArray[Any]) -> None:  # fmt: skip
    """The diagonals of an item; ``places[wire]`` is the position of each local wire.

    `sources` has room for `ONE_COEFS` more for each of their terms.
    """
    counts = emitted.counts
    if counts[DIAGONALS] >= len(emitted.diagonals) or counts[TABLE_ROWS] >= len(emitted.table_rows):
        raise CapacityError("a defect of qfleet, please report it: a compiled circuit has too many diagonals")
    diagonal = emitted.diagonals[counts[DIAGONALS]]
    diagonal[DIAGONAL_FIRST] = counts[PRODUCT_TERMS]
    first_chosen = counts[TABLE_TERMS]
    for at in range(begin, end):
        gate = draft.gates[sequence[at]]
        for term in range(gate[AT], gate[AT] + gate[SIZE]):
            mask, value, factor = (
                draft.terms[term, TERM_MASK],
                draft.terms[term, TERM_VALUE],
                draft.terms[term, TERM_FACTOR],
            )
            inside = mask & local
            local_mask = local_value = 0
            for wire in range(len(places)):
                if inside >> wire & 1:
                    local_mask |= 1 << places[wire]
                    local_value |= (value >> wire & 1) << places[wire]
            if counts[PRODUCT_TERMS] >= len(emitted.terms) or counts[TABLE_TERMS] >= len(emitted.table_terms):
                # A term goes into one of them; the second has no room beyond the terms that there are.
                raise CapacityError("a defect of qfleet, please report it: a compiled circuit has too many terms")
            if inside & (inside - 1) == 0:
                row = emitted.terms[counts[PRODUCT_TERMS]]
                row[PRODUCT_BIT] = -1
                while local_mask >> (row[PRODUCT_BIT] + 1):
                    row[PRODUCT_BIT] += 1
                row[PRODUCT_VALUE] = 1 if local_value else 0
                row[PRODUCT_OUTSIDE] = mask & ~inside
                row[PRODUCT_OUTSIDE_VALUES] = value & ~inside
                emitted.factor_sources[counts[PRODUCT_TERMS]] = factor
                counts[PRODUCT_TERMS] += 1
            elif mask == inside:
                chosen = emitted.table_terms[counts[TABLE_TERMS]]
                chosen[TERM_MASK] = local_mask
                chosen[TERM_VALUE] = local_value
                chosen[TERM_FACTOR] = factor
                counts[TABLE_TERMS] += 1
            else:
                _conditional(
                    draft, emitted, factor, local_mask, local_value, mask & ~inside, value & ~inside, bits, lane_bits,
                    sources,
                )  # fmt: skip
    diagonal[DIAGONAL_END] = counts[PRODUCT_TERMS]
    diagonal[DIAGONAL_TABLE] = -1
    diagonal[DIAGONAL_SELECT] = 0
    diagonal[DIAGONAL_SECOND] = 0
    diagonal[DIAGONAL_HIGH_TABLE] = -1
    if counts[TABLE_TERMS] > first_chosen:
        select, second, size, high_size = table_sizes(emitted.table_terms[first_chosen : counts[TABLE_TERMS]], bits)
        diagonal[DIAGONAL_SELECT] = select
        diagonal[DIAGONAL_SECOND] = second
        if size:
            diagonal[DIAGONAL_TABLE] = counts[TABLE_SIZE]
        if high_size:
            diagonal[DIAGONAL_HIGH_TABLE] = counts[HIGH_SIZE]
        counts[TABLE_SIZE] += size
        counts[HIGH_SIZE] += high_size
        row = emitted.table_rows[counts[TABLE_ROWS]]
        row[values.BITS] = bits
        row[values.SELECT] = select
        row[values.SECOND] = second
        row[values.AT] = diagonal[DIAGONAL_TABLE]
        row[values.HIGH_AT] = diagonal[DIAGONAL_HIGH_TABLE]
        row[values.FIRST] = first_chosen
        row[values.END] = counts[TABLE_TERMS]
        counts[TABLE_ROWS] += 1
    if counts[TABLE_TERMS] > first_chosen or diagonal[DIAGONAL_END] > diagonal[DIAGONAL_FIRST]:
        if counts[OPS] >= len(emitted.ops):
            raise CapacityError("a defect of qfleet, please report it: a compiled circuit has too many operations")
        op = emitted.ops[counts[OPS]]
        op[:] = 0
        op[OP_KERNEL] = -1
        op[OP_INTS] = counts[DIAGONALS]
        counts[DIAGONALS] += 1
        counts[OPS] += 1
