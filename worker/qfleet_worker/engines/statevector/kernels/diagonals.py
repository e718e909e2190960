# SPDX-License-Identifier: Apache-2.0
"""Diagonals that multiply a chunk of amplitudes, in machine code.

A diagonal is a product of terms, each a factor for the indices with given values of some bits. A term with one local
bit or none goes into a *product form*: a factor for each value of each local bit, multiplied out over the low 8 bits
and over the high bits of a chunk once per chunk. Terms with more local bits are multiplied out once for all chunks:
over the low bits into a table with a row for each value of those high bits that share a term with low bits, and over
the high bits into a table of their own. Where many high bits select rows, and no term has bits of both halves of them,
the table has two parts, and each amplitude is multiplied by both: writing many rows takes longer, and they fill the
cache.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from qfleet_worker.engines.contract import CompilerError
from qfleet_worker.engines.machine_code.registry import inner_code, machine_code
from qfleet_worker.engines.statevector.kernels.bits import popcount
from qfleet_worker.engines.statevector.kernels.layout import (
    DIAGONAL_END,
    DIAGONAL_FIRST,
    DIAGONAL_HIGH_TABLE,
    DIAGONAL_SECOND,
    DIAGONAL_SELECT,
    DIAGONAL_TABLE,
    PRODUCT_BIT,
    PRODUCT_OUTSIDE,
    PRODUCT_OUTSIDE_VALUES,
    PRODUCT_VALUE,
    TABLE_AT,
    TABLE_BITS,
    TABLE_HIGH_AT,
    TABLE_SECOND,
    TABLE_SELECT,
    TERM_FACTOR,
    TERM_MASK,
    TERM_VALUE,
)
from qfleet_worker.engines.statevector.kernels.runs import scale_row, scale_row_by, scale_row_by_two

#: Bits of a row of a table.
ROW_BITS = 8
#: High bits that select rows from which on a table has two parts, half of the bits selecting a row of each.
SPLIT_BITS = 4


@inner_code
def _multiply_out(weights: NDArray[Any], first: int, bits: int, out: NDArray[Any]) -> None:
    """Multiply a row by the product of its bits' factors.

    ``out[2*x:2*x+2]`` is multiplied by the product over `bits` bits of ``weights[first + bit, bit of x]``.
    """
    for bit in range(bits):
        size = 1 << bit
        a, b = weights[first + bit, 0], weights[first + bit, 1]
        ar, ai, br, bi = a.real, a.imag, b.real, b.imag
        low, high = out[: 2 * size], out[2 * size : 4 * size]
        for j in range(size):
            re, im = low[2 * j], low[2 * j + 1]
            high[2 * j] = re * br - im * bi
            high[2 * j + 1] = re * bi + im * br
        if a != 1:
            for j in range(size):
                re, im = low[2 * j], low[2 * j + 1]
                low[2 * j] = re * ar - im * ai
                low[2 * j + 1] = re * ai + im * ar


@inner_code
def _multiply_where(values: NDArray[Any], bits: int, mask: int, value: int, factor: complex) -> None:
    """Multiply the numbers whose index has `value` under `mask` by `factor`."""
    rest = ((1 << bits) - 1) & ~mask
    inner = 0
    while True:
        values[value | inner] *= factor
        inner = (inner - rest) & rest
        if inner == 0:
            break


@inner_code
def table_sizes(terms: NDArray[Any], bits: int) -> tuple[int, int, int, int]:
    """Return the form of the tables of `terms` over `bits` local bits.

    Returns:
        The high bits that select rows of the low table; those of them that select the row of its second part; its real
        numbers, 0 if it isn't needed; and the entries of the high table, 0 if it isn't needed.
    """
    low_bits = min(bits, ROW_BITS)
    low_mask = (1 << low_bits) - 1
    select = 0
    any_low = any_high = False
    for at in range(len(terms)):
        mask = terms[at, TERM_MASK]
        if mask & low_mask:
            any_low = True
            select |= mask >> low_bits
        else:
            any_high = True
    chosen = popcount(select)
    second = 0
    if chosen >= SPLIT_BITS:
        second = select
        for _ in range(chosen // 2):
            second &= second - 1
        for at in range(len(terms)):
            high = terms[at, TERM_MASK] >> low_bits
            if terms[at, TERM_MASK] & low_mask and high & second and high & ~second:
                second = 0
    rows = 1 << popcount(select ^ second)
    if second:
        rows += 1 << popcount(second)
    size = rows << (low_bits + 1) if any_low else 0
    return select, second, size, 1 << (bits - low_bits) if any_high else 0


class _Selection(NamedTuple):
    """Terms by their high bits.

    These are exactly `high`; or, of `several`, any two or more within `high`.
    """

    high: int
    #: the value that the terms' high bits agree with
    value: int
    several: bool


@machine_code
def _factor_row(
    terms: NDArray[Any], pool: NDArray[Any], low_bits: int, chosen: _Selection, weights: NDArray[Any],
    row: NDArray[Any],
) -> bool:  # fmt: skip
    """Multiply out, over the low bits, the chosen terms with low bits.

    Args:
        terms: int64, shape (terms, TERM_COLUMNS).
        pool: complex128: has their factors.
        low_bits: how many there are.
        chosen: the terms by their high bits.
        weights: complex128, shape (low_bits, 2), to work in.
        row: complex128, shape (2**low_bits,): gets the product; it isn't written if no term is chosen.

    Returns:
        Whether any term is chosen.
    """
    high = chosen.high
    low_mask = (1 << low_bits) - 1
    weights[:] = 1
    any_term = False
    number = 0
    wide = np.empty(len(terms), np.int64)
    for term in range(len(terms)):
        low, of_high = terms[term, TERM_MASK] & low_mask, terms[term, TERM_MASK] >> low_bits
        if low == 0 or terms[term, TERM_VALUE] >> low_bits != chosen.value & of_high:
            continue
        if (of_high & ~high or of_high & (of_high - 1) == 0) if chosen.several else of_high != high:
            continue
        any_term = True
        if low & (low - 1):
            wide[number] = term
            number += 1
            continue
        bit = 0
        while low >> bit != 1:
            bit += 1
        weights[bit, 1 if terms[term, TERM_VALUE] & low else 0] *= pool[terms[term, TERM_FACTOR]]
    if not any_term:
        return False
    row[0] = 1
    _multiply_out(weights, 0, low_bits, row.view(np.float64))
    for term in wide[:number]:
        mask, value = terms[term, TERM_MASK] & low_mask, terms[term, TERM_VALUE] & low_mask
        _multiply_where(row, low_bits, mask, value, pool[terms[term, TERM_FACTOR]])
    return True


@machine_code
def _build_rows(terms: NDArray[Any], pool: NDArray[Any], low_bits: int, select: int, first: bool) -> NDArray[Any]:
    """Return the rows for all values of the bits `select`.

    Shape (rows * 2 * 2**low_bits,), in double precision: the same code serves both.

    Only the `first` part has the terms without high bits.

    Doubling: the rows for one more bit are those without it times one row.
    """
    size = 2 << low_bits
    rows = np.empty(size << popcount(select), np.float64)
    weights = np.empty((low_bits, 2), np.complex128)
    factors = np.empty(1 << low_bits, np.complex128)
    parts = factors.view(np.float64)
    if not (first and _factor_row(terms, pool, low_bits, _Selection(0, 0, False), weights, factors)):
        factors[:] = 1
    for at in range(size):
        rows[at] = parts[at]
    filled = size
    left = select
    while left:
        bit = left & -left
        left ^= bit
        for at in range(filled):
            rows[filled + at] = rows[at]
        for value in (0, bit):
            if _factor_row(terms, pool, low_bits, _Selection(bit, value, False), weights, factors):
                begin = filled if value else 0
                for row in range(begin, begin + filled, size):
                    scale_row_by(rows, row, size, parts, 0, 1.0, 0.0)
        filled *= 2
    several = False
    for term in range(len(terms)):
        high = terms[term, TERM_MASK] >> low_bits
        several |= (
            high & (high - 1) != 0 and high & ~select == 0 and terms[term, TERM_MASK] & ((1 << low_bits) - 1) != 0
        )
    chosen = 0
    for row in range(0, filled if several else 0, size):
        if _factor_row(terms, pool, low_bits, _Selection(select, chosen, True), weights, factors):
            scale_row_by(rows, row, size, parts, 0, 1.0, 0.0)
        chosen = (chosen - select) & select
    return rows


@machine_code
def build_tables(
    terms: NDArray[Any], pool: NDArray[Any], row: NDArray[Any], low_tables: NDArray[Any], high_tables: NDArray[Any]
) -> None:
    """Multiply out the tables of a diagonal.

    Args:
        terms: int64, shape (terms, TERM_COLUMNS): those of the diagonal, with masks of local bits.
        pool: complex128: has their factors.
        row: int64, shape (TABLE_COLUMNS,): which tables are written, and where.
        low_tables: the state's floats: gets the table over low bits, unless the diagonal has none.
        high_tables: complex128: gets the table over high bits, unless the diagonal has none.

    Raises:
        CompilerError: a table doesn't fit.
    """
    bits, select, second = row[TABLE_BITS], row[TABLE_SELECT], row[TABLE_SECOND]
    at, high_at = row[TABLE_AT], row[TABLE_HIGH_AT]
    low_bits = min(bits, ROW_BITS)
    high_bits = bits - low_bits
    if at >= 0:
        first = select ^ second
        rows = (1 << popcount(first)) + (1 << popcount(second) if second else 0)
        if at + (rows << low_bits + 1) > len(low_tables):
            raise CompilerError("a defect of qfleet, please report it: there is no room for a table")
        for part in range(2 if second else 1):
            made = _build_rows(terms, pool, low_bits, second if part else first, part == 0)
            for place in range(len(made)):
                low_tables[at + place] = made[place]
            at += len(made)
    if high_at >= 0:
        if high_at + (1 << high_bits) > len(high_tables):
            raise CompilerError("a defect of qfleet, please report it: there is no room for a table of high bits")
        products = high_tables[high_at : high_at + (1 << high_bits)]
        products[:] = 1
        for term in range(len(terms)):
            mask, value = terms[term, TERM_MASK], terms[term, TERM_VALUE]
            if mask & ((1 << low_bits) - 1) == 0:
                _multiply_where(
                    products, high_bits, mask >> low_bits, value >> low_bits, pool[terms[term, TERM_FACTOR]]
                )


class Chunk(NamedTuple):
    """A part of a state: offset, local bits, and index bits outside."""

    offset: int
    bits: int
    base: int


class Factors(NamedTuple):
    """The numbers behind a stretch's diagonals; see `layout.Tables`."""

    terms: NDArray[Any]
    factors: NDArray[Any]
    low_tables: NDArray[Any]
    high_tables: NDArray[Any]


class Room(NamedTuple):
    """Arrays to work in: three rows, and factors by bit and value."""

    row: NDArray[Any]
    mixed: NDArray[Any]
    high_row: NDArray[Any]
    weights: NDArray[Any]


@machine_code
def new_room(state: NDArray[Any], bits: int) -> Room:
    """Return room for chunks of `bits` local bits of a state."""
    low_bits = min(bits, ROW_BITS)
    return Room(
        np.empty(2 << low_bits, state.dtype),
        np.empty(2 << low_bits, state.dtype),
        np.empty(2 << (bits - low_bits), np.float64),
        np.empty((bits, 2), np.complex128),
    )


@inner_code
def apply_diagonal(  # noqa: C901 - a kernel
    state: NDArray[Any], chunk: Chunk, diagonal: NDArray[Any], values: Factors, room: Room
) -> None:
    """Multiply a chunk by a diagonal, int64 of shape (DIAGONAL_COLUMNS,)."""
    offset, bits, base = chunk
    terms, factors, tables, high_tables = values
    row, mixed, high_row, weights = room
    low_bits = min(bits, ROW_BITS)
    high_bits = bits - low_bits
    size = 2 << low_bits
    factor = 1 + 0j
    low_plain = high_plain = True
    for bit in range(bits):
        weights[bit, 0] = 1
        weights[bit, 1] = 1
    for term in range(diagonal[DIAGONAL_FIRST], diagonal[DIAGONAL_END]):
        if base & terms[term, PRODUCT_OUTSIDE] != terms[term, PRODUCT_OUTSIDE_VALUES]:
            continue
        bit = terms[term, PRODUCT_BIT]
        if bit < 0:
            factor *= factors[term]
        else:
            weights[bit, terms[term, PRODUCT_VALUE]] *= factors[term]
            if bit < low_bits:
                low_plain = False
            else:
                high_plain = False
    table, select, high_table = diagonal[DIAGONAL_TABLE], diagonal[DIAGONAL_SELECT], diagonal[DIAGONAL_HIGH_TABLE]
    if table < 0 and high_table < 0 and low_plain and high_plain:
        if factor != 1:
            scale_row(state, offset, 2 << bits, factor.real, factor.imag)
        return
    if not low_plain:
        row[0] = 1
        row[1] = 0
        _multiply_out(weights, 0, low_bits, row)
    high_row[0] = factor.real
    high_row[1] = factor.imag
    if high_plain:
        for j in range(1 << high_bits):
            high_row[2 * j] = factor.real
            high_row[2 * j + 1] = factor.imag
    else:
        _multiply_out(weights, low_bits, high_bits, high_row)
    if high_table >= 0:
        for j in range(1 << high_bits):
            re, im, other = high_row[2 * j], high_row[2 * j + 1], high_tables[high_table + j]
            high_row[2 * j] = re * other.real - im * other.imag
            high_row[2 * j + 1] = re * other.imag + im * other.real
    rest = ((1 << high_bits) - 1) & ~select
    second = diagonal[DIAGONAL_SECOND]
    first = select ^ second
    begin = table
    begin_second = table + (size << popcount(first))
    chosen = 0
    while True:
        if table >= 0 and not low_plain:
            for j in range(size):
                mixed[j] = tables[begin + j]
            scale_row_by(mixed, 0, size, row, 0, 1.0, 0.0)
        other = 0
        at_second = begin_second
        while True:
            inner = 0
            while True:
                j = chosen | other | inner
                at = offset + j * size
                re, im = high_row[2 * j], high_row[2 * j + 1]
                if second and low_plain:
                    scale_row_by_two(state, at, size, tables, begin, tables, at_second, re, im)
                elif second:
                    scale_row_by_two(state, at, size, mixed, 0, tables, at_second, re, im)
                elif table >= 0 and low_plain:
                    scale_row_by(state, at, size, tables, begin, re, im)
                elif table >= 0:
                    scale_row_by(state, at, size, mixed, 0, re, im)
                elif low_plain:
                    scale_row(state, at, size, re, im)
                else:
                    scale_row_by(state, at, size, row, 0, re, im)
                inner = (inner - rest) & rest
                if inner == 0:
                    break
            at_second += size
            other = (other - second) & second
            if other == 0:
                break
        begin += size
        chosen = (chosen - first) & first
        if chosen == 0:
            break
