# SPDX-License-Identifier: Apache-2.0
"""What are the coefficients of a compiled circuit at given angles? In machine code.

A *recipe* says it, a flat array of integers that holds how many angles there are, how many rows each of the following
tables has, how long the arrays are that it writes, and the tables, one after the other: the tape that computes the
pool; pairs of a coefficient and its source; pairs of a factor and its place in the pool; tables of diagonals
(`TABLE_COLUMNS`) and the terms that they are multiplied out of. Only what depends on angles is in it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from qfleet_worker.engines.contract import CapacityError
from qfleet_worker.engines.statevector.compiler.tape import PHASE, TAPE_COLUMNS, run_tape
from qfleet_worker.engines.statevector.compiler.turns import half_turns
from qfleet_worker.engines.statevector.kernels.diagonals import build_tables
from qfleet_worker.engines.statevector.kernels.layout import TERM_COLUMNS, TERM_FACTOR
from qfleet_worker.engines.statevector.machine_code.registry import compiled_for, machine_code

#: The columns of a table of a diagonal: its local bits; the bits that select its rows; those that select rows of its
#: second part; where it begins, or -1; where its table of high bits begins, or -1; and its terms, from and to.
BITS, SELECT, SECOND, AT, HIGH_AT, FIRST, END = range(7)
TABLE_COLUMNS = 7

#: The columns of a recipe's tables.
_COLUMNS = (TAPE_COLUMNS, 2, 2, TABLE_COLUMNS, TERM_COLUMNS)
_TAPE, _COEFS, _FACTORS, _TABLES, _TERMS = range(5)
#: Where a recipe says how long an array is for one point: coefficients, factors, tables, tables of high bits, pool.
_NUM_COEFS, _NUM_FACTORS, _NUM_TABLE, _NUM_HIGH, _NUM_POOL = range(1 + len(_COLUMNS), 6 + len(_COLUMNS))
_BEGIN = 6 + len(_COLUMNS)


@machine_code
def _part(recipe: NDArray[Any], number: int) -> NDArray[Any]:
    """One of the tables of a recipe."""
    begin = _BEGIN
    for at in range(number):
        begin += recipe[1 + at] * _COLUMNS[at]
    rows, columns = recipe[1 + number], _COLUMNS[number]
    return recipe[begin : begin + rows * columns].reshape((rows, columns))


@machine_code
def write_recipe(angles: int, sizes: tuple[int, int, int, int, int], varies: NDArray[Any], tape: NDArray[Any],
                 sources: NDArray[Any], factor_sources: NDArray[Any], table_rows: NDArray[Any],
                 table_terms: NDArray[Any]) -> NDArray[Any]:  # fmt: skip
    """The recipe of what depends on those entries of the pool that vary; empty if none does.

    `sizes` are those of the arrays that it writes.
    """
    if len(tape) == 0:
        return np.empty(0, np.int64)
    coefs = factors = tables = 0
    for source in sources:
        coefs += varies[source >> 1]
    for source in factor_sources:
        factors += varies[source]
    chosen = np.zeros(len(table_rows), np.bool_)
    for at in range(len(table_rows)):
        for term in range(table_rows[at, FIRST], table_rows[at, END]):
            chosen[at] |= varies[table_terms[term, TERM_FACTOR]]
        tables += chosen[at]
    terms = len(table_terms) if tables else 0
    rows = (len(tape), coefs, factors, tables, terms)
    size = _BEGIN
    for number in range(len(rows)):
        size += rows[number] * _COLUMNS[number]
    recipe = np.empty(size, np.int64)
    recipe[0] = angles
    for number in range(len(rows)):
        recipe[1 + number] = rows[number]
        recipe[_NUM_COEFS + number] = sizes[number]
    _part(recipe, _TAPE)[:] = tape
    _write_pairs(_part(recipe, _COEFS), varies, sources, 1)
    _write_pairs(_part(recipe, _FACTORS), varies, factor_sources, 0)
    part, number = _part(recipe, _TABLES), 0
    for at in range(len(table_rows)):
        if chosen[at]:
            part[number] = table_rows[at]
            number += 1
    if terms:
        _part(recipe, _TERMS)[:] = table_terms
    return recipe


@machine_code
def _write_pairs(part: NDArray[Any], varies: NDArray[Any], sources: NDArray[Any], shift: int) -> None:
    number = 0
    for at in range(len(sources)):
        if varies[sources[at] >> shift]:
            part[number, 0] = at
            part[number, 1] = sources[at]
            number += 1


@machine_code
def fill_tables(table_rows: NDArray[Any], table_terms: NDArray[Any], pool: NDArray[Any], tables: NDArray[Any],
                high_tables: NDArray[Any]) -> None:  # fmt: skip
    """Multiply out the tables of diagonals."""
    for at in range(len(table_rows)):
        row = table_rows[at]
        build_tables(
            table_terms[row[FIRST] : row[END]], pool, row[BITS], row[SELECT], row[SECOND], tables, row[AT],
            high_tables, row[HIGH_AT],
        )  # fmt: skip


@compiled_for(
    "(int64[::1], complex128[::1], float64[:, ::1], int64, int64, int64, {real}[::1], complex128[::1], "
    "{real}[::1], complex128[::1], complex128[::1])"
)
def refill(recipe: NDArray[Any], pool: NDArray[Any], params: NDArray[Any], first: int, begin: int, end: int,
           coefs: NDArray[Any], factors: NDArray[Any], tables: NDArray[Any], high_tables: NDArray[Any],
           phases: NDArray[Any]) -> None:  # fmt: skip
    """Write all values that depend on angles, for the points ``begin`` to ``end - 1``.

    `params`: shape (points, angles), of which ``params[:, first]`` is the recipe's angle 0. The other arrays have room
    for ``end - begin`` points, one after the other, and hold what doesn't depend on angles. `pool` is worked in.
    """
    points = end - begin
    tape, coef_pairs, factor_pairs = _part(recipe, _TAPE), _part(recipe, _COEFS), _part(recipe, _FACTORS)
    table_rows, table_terms = _part(recipe, _TABLES), _part(recipe, _TERMS)
    parts = pool.view(np.float64)
    # Columns of their own, of numbers that can't be negative, take half the time.
    places, sources = coef_pairs[:, 0].copy().view(np.uint64), coef_pairs[:, 1].copy().view(np.uint64)
    num_coefs, num_factors = len(coefs) // points, len(factors) // points
    num_table, num_high = len(tables) // points, len(high_tables) // points
    if (
        num_coefs < recipe[_NUM_COEFS] or num_factors < recipe[_NUM_FACTORS] or num_table < recipe[_NUM_TABLE]
        or num_high < recipe[_NUM_HIGH] or len(pool) < recipe[_NUM_POOL] or len(phases) < points
        or len(params) < end or params.shape[1] < first + recipe[0]
    ):  # fmt: skip
        raise CapacityError("a defect of qfleet, please report it: there is no room for the values of all points")
    turns = np.empty(recipe[0], np.complex128)
    for point in range(points):
        half_turns(params[begin + point, first : first + recipe[0]], turns)
        run_tape(tape, pool, turns)
        begin_of_coefs = np.uint64(point * num_coefs)
        for at in range(len(places)):
            coefs[begin_of_coefs + places[at]] = parts[sources[at]]
        for at in range(len(factor_pairs)):
            factors[point * num_factors + factor_pairs[at, 0]] = pool[factor_pairs[at, 1]]
        if len(table_rows):
            fill_tables(
                table_rows, table_terms, pool, tables[point * num_table : (point + 1) * num_table],
                high_tables[point * num_high : (point + 1) * num_high],
            )  # fmt: skip
        phases[point] = pool[PHASE]
