# SPDX-License-Identifier: Apache-2.0
"""The values of a compiled circuit at given angles, in machine code.

A *recipe* says how they are computed, a flat array of integers that holds how many angles there are, how many rows each
of the following tables has, how long the arrays are that it writes, and the tables, one after the other: the tape that
computes the pool; pairs of a coefficient and its source; pairs of a factor and its place in the pool; tables of
diagonals (`TABLE_COLUMNS`) and the terms that they are multiplied out of. Only what depends on angles is in it.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from qfleet_worker.engines.contract import CompilerError
from qfleet_worker.engines.machine_code.registry import built_in, compiled_for, inner_code, machine_code
from qfleet_worker.engines.statevector.compiler.half_angles import half_angle_phases
from qfleet_worker.engines.statevector.compiler.tape import PHASE, TAPE_COLUMNS, run_tape
from qfleet_worker.engines.statevector.kernels.diagonals import build_tables
from qfleet_worker.engines.statevector.kernels.layout import (
    TABLE_COLUMNS,
    TABLE_END,
    TABLE_FIRST,
    TERM_COLUMNS,
    TERM_FACTOR,
    Values,
)

#: The columns of a recipe's tables.
_COLUMNS = (TAPE_COLUMNS, 2, 2, TABLE_COLUMNS, TERM_COLUMNS)
_TAPE, _COEFS, _FACTORS, _TABLES, _TERMS = range(5)
#: Where a recipe says how long an array is for one parameter set: coefficients, factors, tables, tables of high bits,
#: pool.
_NUM_COEFS, _NUM_FACTORS, _NUM_TABLE, _NUM_HIGH, _NUM_POOL = range(1 + len(_COLUMNS), 6 + len(_COLUMNS))
_BEGIN = 6 + len(_COLUMNS)


@machine_code
def _part(recipe: NDArray[Any], number: int) -> NDArray[Any]:
    """Return one of the tables of a recipe."""
    begin = _BEGIN
    for at in range(number):
        begin += recipe[1 + at] * _COLUMNS[at]
    rows, columns = recipe[1 + number], _COLUMNS[number]
    return recipe[begin : begin + rows * columns].reshape((rows, columns))


class Sources(NamedTuple):
    """The sources of a stretch's values."""

    #: int64, shape (coefficients,): their parts of the pool
    coefs: NDArray[Any]
    #: int64, shape (factors,): their places in the pool
    factors: NDArray[Any]
    #: int64, shape (tables, TABLE_COLUMNS)
    table_rows: NDArray[Any]
    #: int64, shape (terms, TERM_COLUMNS)
    table_terms: NDArray[Any]


@built_in
def write_recipe(sizes: tuple[int, int, int, int, int, int], varies: NDArray[Any], tape: NDArray[Any],
                 sources: Sources) -> NDArray[Any]:  # fmt: skip
    """Return the recipe of the values that depend on angles.

    It is int64, and empty if no value does.

    Args:
        sizes: how many angles there are; how many coefficients, factors, numbers of low and of high tables there are;
            and the length of the pool.
        varies: bool: which entries of the pool depend on angles.
        tape: int64, shape (instructions, TAPE_COLUMNS): computes these.
        sources: where the values come from.
    """
    if len(tape) == 0:
        return np.empty(0, np.int64)
    coefs = factors = tables = 0
    for source in sources.coefs:
        coefs += varies[source >> 1]
    for source in sources.factors:
        factors += varies[source]
    table_rows, table_terms = sources.table_rows, sources.table_terms
    chosen = np.zeros(len(table_rows), np.bool_)
    for at in range(len(table_rows)):
        for term in range(table_rows[at, TABLE_FIRST], table_rows[at, TABLE_END]):
            chosen[at] |= varies[table_terms[term, TERM_FACTOR]]
        tables += chosen[at]
    terms = len(table_terms) if tables else 0
    rows = (len(tape), coefs, factors, tables, terms)
    size = _BEGIN
    for number in range(len(rows)):
        size += rows[number] * _COLUMNS[number]
    recipe = np.empty(size, np.int64)
    recipe[0] = sizes[0]
    for number in range(len(rows)):
        recipe[1 + number] = rows[number]
        recipe[_NUM_COEFS + number] = sizes[1 + number]
    _copy_rows(tape, _part(recipe, _TAPE))
    _write_pairs(_part(recipe, _COEFS), varies, sources.coefs, 1)
    _write_pairs(_part(recipe, _FACTORS), varies, sources.factors, 0)
    part, number = _part(recipe, _TABLES), 0
    for at in range(len(table_rows)):
        if chosen[at]:
            _copy_rows(table_rows[at : at + 1], part[number : number + 1])
            number += 1
    if terms:
        _copy_rows(table_terms, _part(recipe, _TERMS))
    return recipe


@inner_code
def _copy_rows(source: NDArray[Any], target: NDArray[Any]) -> None:
    """Copy a table.

    For numba's own copying several times as much would be compiled.
    """
    for row in range(len(source)):
        for column in range(source.shape[1]):
            target[row, column] = source[row, column]


@inner_code
def _write_pairs(part: NDArray[Any], varies: NDArray[Any], sources: NDArray[Any], shift: int) -> None:
    """Write pairs of a value and its source.

    A source shifted by `shift` is a place of the pool.
    """
    number = 0
    for at in range(len(sources)):
        if varies[sources[at] >> shift]:
            part[number, 0] = at
            part[number, 1] = sources[at]
            number += 1


@inner_code
def fill_tables(table_rows: NDArray[Any], table_terms: NDArray[Any], pool: NDArray[Any], low_tables: NDArray[Any],
                high_tables: NDArray[Any]) -> None:  # fmt: skip
    """Multiply out the tables of diagonals."""
    for at in range(len(table_rows)):
        row = table_rows[at]
        build_tables(table_terms[row[TABLE_FIRST] : row[TABLE_END]], pool, row, low_tables, high_tables)


@compiled_for("int64[::1]", "complex128[::1]", "float64[:, ::1]", "int64", "Values")
def refill(recipe: NDArray[Any], pool: NDArray[Any], params: NDArray[Any], first: int, values: Values) -> None:
    """Write all values that depend on angles, for all parameter sets.

    Args:
        recipe: how they are computed.
        pool: complex128: the stretch's; it is worked in.
        params: float64, shape (parameter sets, angles).
        first: which of the angles is the recipe's angle 0.
        values: what is written; it has room for all parameter sets, one after the other, and holds what doesn't depend
            on angles.

    Raises:
        CompilerError: an array is too short.
    """
    sets = len(params)
    coefs, factors, low_tables, high_tables, phases = values
    tape, coef_pairs, factor_pairs = _part(recipe, _TAPE), _part(recipe, _COEFS), _part(recipe, _FACTORS)
    table_rows, table_terms = _part(recipe, _TABLES), _part(recipe, _TERMS)
    parts = pool.view(np.float64)
    # Columns of their own, of numbers that can't be negative, take half the time.
    places, sources = np.empty(len(coef_pairs), np.uint64), np.empty(len(coef_pairs), np.uint64)
    for at in range(len(coef_pairs)):
        places[at] = coef_pairs[at, 0]
        sources[at] = coef_pairs[at, 1]
    num_coefs, num_factors = len(coefs) // sets, len(factors) // sets
    num_low, num_high = len(low_tables) // sets, len(high_tables) // sets
    if (
        num_coefs < recipe[_NUM_COEFS] or num_factors < recipe[_NUM_FACTORS] or num_low < recipe[_NUM_TABLE]
        or num_high < recipe[_NUM_HIGH] or len(pool) < recipe[_NUM_POOL] or len(phases) < sets
        or params.shape[1] < first + recipe[0]
    ):  # fmt: skip
        raise CompilerError(
            "a defect of qfleet, please report it: there is no room for the values of all parameter sets"
        )
    half_phases = np.empty(recipe[0], np.complex128)
    for number in range(sets):
        half_angle_phases(params[number, first : first + recipe[0]], half_phases)
        run_tape(tape, pool, half_phases)
        begin_of_coefs = np.uint64(number * num_coefs)
        for at in range(len(places)):
            coefs[begin_of_coefs + places[at]] = parts[sources[at]]
        for at in range(len(factor_pairs)):
            factors[number * num_factors + factor_pairs[at, 0]] = pool[factor_pairs[at, 1]]
        if len(table_rows):
            fill_tables(
                table_rows, table_terms, pool, low_tables[number * num_low : (number + 1) * num_low],
                high_tables[number * num_high : (number + 1) * num_high],
            )  # fmt: skip
        phases[number] = pool[PHASE]
