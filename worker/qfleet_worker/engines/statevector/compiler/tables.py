# SPDX-License-Identifier: Apache-2.0
"""How does a stretch of unitary operations become tables that kernels run through?"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from qfleet_worker.engines.contract import CapacityError
from qfleet_worker.engines.statevector.compiler.draft import (
    GATES,
    POOL,
    SIZE,
    TAPE,
    Draft,
    check_capacity,
    new_draft,
    run_constants,
)
from qfleet_worker.engines.statevector.compiler.emission import emit_gate, emit_group, emit_permutation
from qfleet_worker.engines.statevector.compiler.fusion import check_rows, classify, fuse
from qfleet_worker.engines.statevector.compiler.merging import (
    COEFS,
    DIAGONALS,
    HIGH_SIZE,
    INTEGERS,
    ONE_COEFS,
    OPS,
    PRODUCT_TERMS,
    TABLE_ROWS,
    TABLE_SIZE,
    TABLE_TERMS,
    Emitted,
    emit_diagonals,
    new_emitted,
)
from qfleet_worker.engines.statevector.compiler.schedule import (
    MERGED,
    SINGLE,
    flips_together,
    itemise,
    stages,
)
from qfleet_worker.engines.statevector.compiler.tape import PHASE, run_tape
from qfleet_worker.engines.statevector.compiler.thinning import thin_out
from qfleet_worker.engines.statevector.compiler.turns import half_turns
from qfleet_worker.engines.statevector.compiler.values import fill_tables, write_recipe
from qfleet_worker.engines.statevector.kernels.bits import popcount
from qfleet_worker.engines.statevector.kernels.gates import MAX_TARGETS
from qfleet_worker.engines.statevector.kernels.layout import STAGE_COLUMNS, STAGE_END_OP, STAGE_FIRST_OP, STAGE_LOCAL
from qfleet_worker.engines.statevector.machine_code.registry import compiled_for, machine_code

#: Qubits that one table of a DIAGONAL may have to be compiled; wider ones are steps of their own.
MAX_DIAGONAL = 8
#: Entries of the largest table that is compiled.
MAX_TABLE = max(4**MAX_TARGETS, 2**MAX_DIAGONAL)
#: Wires from which on it pays to keep real gates apart from diagonals, and to give matrices zeros.
SPLIT_WIRES, THIN_WIRES = 10, 13
#: Coefficients of an operation at most, the matrices of `emit_diagonals` aside.
MAX_COEFS = 64 * 4**MAX_TARGETS


class Tables(NamedTuple):
    """A compiled stretch of a circuit: what `execute` runs through."""

    #: int64, shape (stages, STAGE_COLUMNS)
    stages: NDArray[np.int64]
    #: int64, shape (operations, OP_COLUMNS)
    ops: NDArray[np.int64]
    #: int64: integers of kernels
    ints: NDArray[np.int64]
    #: int64, shape (diagonals, DIAGONAL_COLUMNS)
    diagonals: NDArray[np.int64]
    #: int64, shape (terms, PRODUCT_COLUMNS); see `diagonals.apply_diagonal`
    terms: NDArray[np.int64]
    # Members 5 to 9 are values, which may depend on angles; `binding` and `points` count on their order.
    #: the state's floats: coefficients of kernels
    coefs: NDArray[Any]
    #: complex128: the factors of the terms
    factors: NDArray[np.complex128]
    #: the state's floats; and complex128
    tables: NDArray[Any]
    high_tables: NDArray[np.complex128]
    #: factor of the whole state
    phase: complex
    #: int64: what of these values depends on angles, and how, see `values`; empty if nothing does
    recipe: NDArray[np.int64]
    #: complex128: what the recipe computes with
    pool: NDArray[np.complex128]


@machine_code
def _grown(array: NDArray[Any], needed: int) -> NDArray[Any]:
    """The array, or a longer copy of it."""
    if needed <= array.shape[0]:
        return array
    longer = np.empty(max(needed, 2 * array.shape[0]), array.dtype)
    longer[: array.shape[0]] = array
    return longer


@compiled_for(
    "(int64[::1], int64[::1], int64[::1], int64[::1], float64[::1], int64[::1], complex128[::1], int64[::1], "
    "int64, int64, int64, int64, int64, int64)"
)
def compile_rows(codes: NDArray[Any], num_controls: NDArray[Any], num_targets: NDArray[Any], operands: NDArray[Any],
                 params: NDArray[Any], table_at: NDArray[Any], table: NDArray[Any], wires: NDArray[Any],
                 num_wires: int, lane_bits: int, local_bits: int, run_bits: int, matrix_entries: int,
                 term_count: int) -> tuple[Any, ...]:  # fmt: skip
    """Compile rows of unitary operations, all with at most four targets, for ``2**lane_bits`` amplitudes per vector.

    `wires` has the wire of each qubit and is changed by SWAPs; `num_wires` may be more than there are qubits;
    `local_bits` is how many wires are local at most; `matrix_entries` and `term_count` are those of all rows' matrices
    and diagonals. Returns the members of `Tables`, coefficients in double precision.
    """
    draft = new_draft(len(codes), num_wires, matrix_entries, term_count)
    check_rows(draft, codes, num_controls, num_targets, operands, len(params), table_at, table, wires)
    fuse(draft, codes, num_controls, num_targets, operands, table_at, table, wires, num_wires >= SPLIT_WIRES)
    check_capacity(draft)
    run_constants(draft)
    if num_wires >= THIN_WIRES:
        thin_out(draft)
    classify(draft)
    stage_rows, emitted, sources = _emit(draft, num_wires, lane_bits, local_bits, run_bits)
    check_capacity(draft)
    counts = emitted.counts
    factor_sources = emitted.factor_sources[: counts[PRODUCT_TERMS]]
    table_rows, table_terms = emitted.table_rows[: counts[TABLE_ROWS]], emitted.table_terms[: counts[TABLE_TERMS]]
    tape = draft.tape[: draft.counts[TAPE]]
    pool = draft.pool[: draft.counts[POOL]]
    sizes = (len(sources), len(factor_sources), counts[TABLE_SIZE], counts[HIGH_SIZE], len(pool))
    recipe = write_recipe(len(params), sizes, draft.varies, tape, sources, factor_sources, table_rows, table_terms)
    turns = np.empty(len(params), np.complex128)
    half_turns(params, turns)
    run_tape(tape, pool, turns)
    parts = pool.view(np.float64)
    coefs = np.empty(len(sources), np.float64)
    for at in range(len(sources)):
        coefs[at] = parts[sources[at]]
    factors = np.empty(len(factor_sources), np.complex128)
    for at in range(len(factors)):
        factors[at] = pool[factor_sources[at]]
    tables = np.empty(counts[TABLE_SIZE], np.float64)
    high_tables = np.empty(counts[HIGH_SIZE], np.complex128)
    fill_tables(table_rows, table_terms, pool, tables, high_tables)
    return (
        stage_rows, emitted.ops[: counts[OPS]].copy(), emitted.ints[: counts[INTEGERS]].copy(),
        emitted.diagonals[: counts[DIAGONALS]].copy(), emitted.terms[: counts[PRODUCT_TERMS]].copy(), coefs, factors,
        tables, high_tables, pool[PHASE], recipe, pool[: len(pool) if len(recipe) else 0].copy(),
    )  # fmt: skip


@machine_code
def _emit(draft: Draft, num_wires: int, lane_bits: int, local_bits: int,
          run_bits: int) -> tuple[NDArray[Any], Emitted, NDArray[Any]]:  # fmt: skip
    """The stages of a draft, their operations, and the sources of the coefficients."""
    gates, number = draft.gates, draft.counts[GATES]
    order = np.empty(max(number, 1), np.int64)
    local = np.empty(number + 1, np.int64)
    ends = np.empty(number + 1, np.int64)
    num_stages = stages(gates, number, num_wires, local_bits, run_bits, order, local, ends)
    stage_rows = np.empty((num_stages, STAGE_COLUMNS), np.int64)
    emitted = new_emitted(draft, number)
    counts = emitted.counts
    sources = np.empty(64 * number + 1024, np.int64)
    sequence = np.empty(max(number, 1), np.int64)
    bounds = np.empty(max(number, 1), np.int64)
    kinds = np.empty(max(number, 1), np.int64)
    places = np.empty(num_wires, np.int64)
    begin = 0
    for stage in range(num_stages):
        bits = 0
        for wire in range(num_wires):
            places[wire] = -1
            if local[stage] >> wire & 1:
                places[wire] = bits
                bits += 1
        high_wires = local[stage]
        for _ in range(lane_bits):
            high_wires &= high_wires - 1
        stage_rows[stage, STAGE_LOCAL] = local[stage]
        stage_rows[stage, STAGE_FIRST_OP] = counts[OPS]
        items = itemise(gates, order, begin, ends[stage], local[stage], num_wires, lane_bits, bits > lane_bits,
                        sequence, bounds, kinds)  # fmt: skip
        begin = ends[stage]
        item = 0
        while item < items:
            start, end = (bounds[item - 1] if item else 0), bounds[item]
            if kinds[item] == MERGED:
                terms = 0
                for at in range(start, end):
                    terms += gates[sequence[at], SIZE]
                sources = _grown(sources, counts[COEFS] + ONE_COEFS * terms)
                emit_diagonals(draft, emitted, sequence, start, end, local[stage], places, bits, lane_bits, sources)
                item += 1
                continue
            if counts[OPS] >= len(emitted.ops):
                raise CapacityError("a defect of qfleet, please report it: a compiled circuit has too many operations")
            op = emitted.ops[counts[OPS]]
            sources = _grown(sources, counts[COEFS] + MAX_COEFS)
            if kinds[item] == SINGLE or end == start + 1:
                together, together_wires = flips_together(gates, sequence, bounds, kinds, item, items, high_wires)
                if together > 1 and popcount(together_wires) > 1:
                    last = bounds[item + together - 1]
                    counts[INTEGERS] = emit_permutation(
                        gates, sequence, start, last, together_wires, places, num_wires, bits, lane_bits, op,
                        emitted.ints, counts[INTEGERS],
                    )  # fmt: skip
                    item += together
                else:
                    counts[COEFS] = emit_gate(
                        gates, sequence[start], places, num_wires, bits, lane_bits, op, sources, counts[COEFS]
                    )
                    item += 1
            else:
                counts[COEFS] = emit_group(
                    gates, sequence, start, end, kinds[item], places, bits, lane_bits, op, sources, counts[COEFS]
                )
                item += 1
            counts[OPS] += 1
        stage_rows[stage, STAGE_END_OP] = counts[OPS]
    return stage_rows, emitted, sources[: counts[COEFS]]
