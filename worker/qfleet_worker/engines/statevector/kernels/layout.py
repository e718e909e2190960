# SPDX-License-Identifier: Apache-2.0
"""The tables of a compiled stretch.

The compiler writes them, and the kernels read them.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from qfleet_worker.engines.machine_code.registry import structure

#: A stage: its local wires as a mask; its operations, from and to.
STAGE_LOCAL, STAGE_FIRST_OP, STAGE_END_OP = range(3)
STAGE_COLUMNS = 3

#: An operation: its kernel, `DIAGONAL` or `PERMUTATION`; where its coefficients and its integers begin (of a diagonal,
#: its number); how many groups of vectors it has, or blocks of a permutation; `fixed`, `pattern`, `second` and the
#: strides of the high targets, as `kernels.gates.call_kernel` takes them; and the controls outside of the chunk with
#: their values.
OP_KERNEL, OP_COEFS, OP_INTS, OP_COUNT, OP_FIXED, OP_PATTERN, OP_SECOND, OP_STRIDES = range(8)
OP_OUTSIDE, OP_OUTSIDE_VALUES = 11, 12
OP_COLUMNS = 13

#: What an operation may have in place of a kernel; see `kernels.diagonals` and `kernels.permutations`.
DIAGONAL, PERMUTATION = -1, -2

#: A diagonal: its terms in the product form, from and to; where its low table begins, or -1; the high bits that select
#: rows of that table, as a mask of high bits; those of them that select the row of its second part, which follows the
#: first, or 0; where its high table begins, or -1.
DIAGONAL_FIRST, DIAGONAL_END, DIAGONAL_TABLE, DIAGONAL_SELECT, DIAGONAL_SECOND, DIAGONAL_HIGH_TABLE = range(6)
DIAGONAL_COLUMNS = 6

#: A term of a diagonal: mask and value of the index bits it applies to; where its factor lies in the pool.
TERM_MASK, TERM_VALUE, TERM_FACTOR = range(3)
TERM_COLUMNS = 3

#: A term in the product form: its local bit, or -1; that bit's value; mask and value of the bits outside of the chunk.
PRODUCT_BIT, PRODUCT_VALUE, PRODUCT_OUTSIDE, PRODUCT_OUTSIDE_VALUES = range(4)
PRODUCT_COLUMNS = 4

#: How the tables of a diagonal are multiplied out: its local bits; the high bits that select rows of its low table, and
#: of the second part of that; where its low table begins, or -1; where its high table begins, or -1; its terms, from
#: and to.
TABLE_BITS, TABLE_SELECT, TABLE_SECOND, TABLE_AT, TABLE_HIGH_AT, TABLE_FIRST, TABLE_END = range(7)
TABLE_COLUMNS = 7


@structure(
    coefs="{real}[::1]",
    factors="complex128[::1]",
    low_tables="{real}[::1]",
    high_tables="complex128[::1]",
    phases="complex128[::1]",
)
class Values(NamedTuple):
    """The numbers of a compiled stretch, which may depend on angles.

    Those of several parameter sets lie one after the other.
    """

    #: coefficients of kernels, in the precision of the state
    coefs: NDArray[Any]
    #: complex128: factors of the terms in the product form
    factors: NDArray[np.complex128]
    #: tables of diagonals over low bits, in the precision of the state; and over high bits
    low_tables: NDArray[Any]
    high_tables: NDArray[np.complex128]
    #: complex128, shape (parameter sets,): factors of the whole state
    phases: NDArray[np.complex128]


@structure(rows="int64[:, ::1]", ints="int64[::1]", diagonals="int64[:, ::1]", terms="int64[:, ::1]")
class Operations(NamedTuple):
    """The operations of a compiled stretch, without their numbers."""

    #: int64, shape (operations, OP_COLUMNS)
    rows: NDArray[np.int64]
    #: int64: integers of kernels
    ints: NDArray[np.int64]
    #: int64, shape (diagonals, DIAGONAL_COLUMNS)
    diagonals: NDArray[np.int64]
    #: int64, shape (terms, PRODUCT_COLUMNS)
    terms: NDArray[np.int64]


@structure(
    stages="int64[:, ::1]", operations="Operations", values="Values", recipe="int64[::1]", pool="complex128[::1]"
)
class Tables(NamedTuple):
    """A compiled stretch of a circuit: what `kernels.stage` goes through."""

    #: int64, shape (stages, STAGE_COLUMNS)
    stages: NDArray[np.int64]
    operations: Operations
    values: Values
    #: int64: how the values that depend on angles are computed, see `compiler.values`; empty if none does
    recipe: NDArray[np.int64]
    #: complex128: what the recipe computes with
    pool: NDArray[np.complex128]
