# SPDX-License-Identifier: Apache-2.0
"""The columns of the integer tables that the compiler writes and the kernels read."""

from __future__ import annotations

#: A stage: its local wires as a mask; its operations, from and to.
STAGE_LOCAL, STAGE_FIRST_OP, STAGE_END_OP = range(3)
STAGE_COLUMNS = 3

#: An operation: its kernel, or -1 for a diagonal; where its coefficients and its integers begin (of a diagonal, its
#: number); how many groups of vectors it has; `fixed`, `pattern`, `second` and the strides of the high targets, as
#: `kernels.gates.call_kernel` takes them; and the controls outside of the chunk with their values.
OP_KERNEL, OP_COEFS, OP_INTS, OP_COUNT, OP_FIXED, OP_PATTERN, OP_SECOND, OP_STRIDES = range(8)
OP_OUTSIDE, OP_OUTSIDE_VALUES = 11, 12
OP_COLUMNS = 13

#: A diagonal: its terms in the product form, from and to; where its table begins, or -1; the high bits that select rows
#: of the table, as a mask of high bits; those of them that select the row of its second part, which follows the first,
#: or 0; where its table of high bits begins, or -1.
DIAGONAL_FIRST, DIAGONAL_END, DIAGONAL_TABLE, DIAGONAL_SELECT, DIAGONAL_SECOND, DIAGONAL_HIGH_TABLE = range(6)
DIAGONAL_COLUMNS = 6

#: A term of a diagonal: mask and value of the index bits it applies to; where its factor lies in the pool.
TERM_MASK, TERM_VALUE, TERM_FACTOR = range(3)
TERM_COLUMNS = 3

#: A term in the product form: its local bit, or -1; that bit's value; mask and value of the bits outside of the chunk.
PRODUCT_BIT, PRODUCT_VALUE, PRODUCT_OUTSIDE, PRODUCT_OUTSIDE_VALUES = range(4)
PRODUCT_COLUMNS = 4
