# SPDX-License-Identifier: Apache-2.0
"""How is a chunk multiplied by a diagonal? In machine code.

A diagonal is a product of terms, each a factor for the indices with given values of some bits. A term with one local
bit or none (its other bits say in which chunks it counts) goes into a *product form*: a factor for each value of each
local bit, multiplied out over the low 8 bits and over the high bits of a chunk once per chunk. Terms with more local
bits are multiplied out once for all chunks: over the low bits into a table with a row for each value of those
high bits that share a term with low bits, and over the high bits into a second table.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from qfleet_worker.engines.statevector.draft import FACTOR, MASK, VALUE
from qfleet_worker.engines.statevector.machine_code import machine_code
from qfleet_worker.engines.statevector.runs import scale_row, scale_row_by
from qfleet_worker.engines.statevector.schedule import popcount

#: Bits of a row of a table.
ROW_BITS = 8

#: The columns of a diagonal: its terms in the product form, from and to; where its table begins, or -1; the high bits
#: that select the row of the table, as a mask of high bits; where its table of high bits begins, or -1.
FIRST, END, TABLE, SELECT, HIGH_TABLE = range(5)
DIAGONAL_COLUMNS = 5


@machine_code
def _multiply_out(weights: NDArray[Any], first: int, bits: int, out: NDArray[Any]) -> None:
    """``out[2*x:2*x+2]`` times the product over `bits` bits of ``weights[first + bit, value of the bit in x]``.

    Doubling: what is there for the lower bits is copied for each value of the next one.
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


@machine_code
def table_sizes(terms: NDArray[Any], bits: int) -> tuple[int, int, int]:
    """What the tables of `terms` over `bits` local bits are like: the bits that select the rows of the first, its real
    numbers, 0 if it isn't needed, and the entries of the table of high bits, 0 if it isn't."""
    low_bits = min(bits, ROW_BITS)
    select = 0
    any_low = any_high = False
    for at in range(len(terms)):
        mask = terms[at, MASK]
        if mask & ((1 << low_bits) - 1):
            any_low = True
            select |= mask >> low_bits
        else:
            any_high = True
    size = 2 << (low_bits + popcount(select)) if any_low else 0
    return select, size, 1 << (bits - low_bits) if any_high else 0


@machine_code
def build_tables(terms: NDArray[Any], pool: NDArray[Any], bits: int, select: int, tables: NDArray[Any], at: int,
                 high_tables: NDArray[Any], high_at: int) -> None:  # fmt: skip
    """Multiply out `terms`: mask and value of local bits, and where in the pool the factor lies.

    Writes the table at `at` and the one of high bits at `high_at`, each unless that is -1.
    """
    low_bits = min(bits, ROW_BITS)
    low_mask = (1 << low_bits) - 1
    size = 1 << low_bits
    if at >= 0:
        base = np.ones(size, np.complex128)
        for term in range(len(terms)):
            mask, value = terms[term, MASK], terms[term, VALUE]
            if mask >> low_bits == 0:
                for j in range(size):
                    if j & mask == value:
                        base[j] *= pool[terms[term, FACTOR]]
        weights = np.empty((low_bits, 2), np.complex128)
        row = np.empty(2 * size, np.float64)
        chosen = 0
        while True:
            weights[:] = 1
            row[0] = 1
            row[1] = 0
            plain = True
            for term in range(len(terms)):
                mask, value = terms[term, MASK], terms[term, VALUE]
                high, low = mask >> low_bits, mask & low_mask
                if high == 0 or low == 0 or low & (low - 1) or chosen & high != value >> low_bits:
                    continue
                bit = 0
                while low >> bit != 1:
                    bit += 1
                weights[bit, 1 if value & low else 0] *= pool[terms[term, FACTOR]]
                plain = False
            if not plain:
                _multiply_out(weights, 0, low_bits, row)
            for j in range(size):
                re, im = (1.0, 0.0) if plain else (row[2 * j], row[2 * j + 1])
                row[2 * j] = re * base[j].real - im * base[j].imag
                row[2 * j + 1] = re * base[j].imag + im * base[j].real
            for term in range(len(terms)):
                mask, value = terms[term, MASK], terms[term, VALUE]
                high, low = mask >> low_bits, mask & low_mask
                if high and low & (low - 1) and chosen & high == value >> low_bits:
                    factor = pool[terms[term, FACTOR]]
                    for j in range(size):
                        if j & low == value & low:
                            re, im = row[2 * j], row[2 * j + 1]
                            row[2 * j] = re * factor.real - im * factor.imag
                            row[2 * j + 1] = re * factor.imag + im * factor.real
            for j in range(2 * size):
                tables[at + j] = row[j]
            at += 2 * size
            chosen = (chosen - select) & select
            if chosen == 0:
                break
    if high_at >= 0:
        for j in range(1 << (bits - low_bits)):
            product = 1 + 0j
            for term in range(len(terms)):
                mask, value = terms[term, MASK], terms[term, VALUE]
                if mask & low_mask == 0 and j & (mask >> low_bits) == value >> low_bits:
                    product *= pool[terms[term, FACTOR]]
            high_tables[high_at + j] = product


@machine_code
def apply_diagonal(state: NDArray[Any], offset: int, bits: int, base: int, diagonal: NDArray[Any],
                   terms: NDArray[Any], factors: NDArray[Any], tables: NDArray[Any], high_tables: NDArray[Any],
                   row: NDArray[Any], mixed: NDArray[Any], high_row: NDArray[Any],
                   weights: NDArray[Any]) -> None:  # fmt: skip
    """Multiply the chunk at `offset`, whose amplitudes have the index bits `base` outside of it, by a diagonal.

    `terms` has the columns local bit (or -1), its value, and mask and value of the bits outside. `row`, `mixed`,
    `high_row` and `weights` are room to work in.
    """
    low_bits = min(bits, ROW_BITS)
    high_bits = bits - low_bits
    size = 2 << low_bits
    factor = 1 + 0j
    low_plain = high_plain = True
    for bit in range(bits):
        weights[bit, 0] = 1
        weights[bit, 1] = 1
    for term in range(diagonal[FIRST], diagonal[END]):
        if base & terms[term, 2] != terms[term, 3]:
            continue
        bit = terms[term, 0]
        if bit < 0:
            factor *= factors[term]
        else:
            weights[bit, terms[term, 1]] *= factors[term]
            if bit < low_bits:
                low_plain = False
            else:
                high_plain = False
    table, select, high_table = diagonal[TABLE], diagonal[SELECT], diagonal[HIGH_TABLE]
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
    chosen = number = 0
    while True:
        begin = table + number * size
        if table >= 0 and not low_plain:
            for j in range(size):
                mixed[j] = tables[begin + j]
            scale_row_by(mixed, 0, size, row, 0, 1.0, 0.0)
        inner = 0
        while True:
            j = chosen | inner
            at = offset + j * size
            re, im = high_row[2 * j], high_row[2 * j + 1]
            if table >= 0 and low_plain:
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
        number += 1
        chosen = (chosen - select) & select
        if chosen == 0:
            break
