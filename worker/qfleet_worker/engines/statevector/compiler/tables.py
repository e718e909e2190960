# SPDX-License-Identifier: Apache-2.0
"""Compilation of a stretch into the kernels' tables, in machine code.

A stretch has unitary operations only.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from qfleet_worker.engines.machine_code.registry import (
    built_in,
    compiled_for,
    inner_code,
    machine_code,
    structure,
)
from qfleet_worker.engines.statevector.compiler.blocks import new_blocks
from qfleet_worker.engines.statevector.compiler.draft import (
    GATES,
    PLENTY,
    POOL,
    SIZE,
    TAPE,
    Draft,
    check_capacity,
    has_room,
    new_draft,
    without_second_pool,
)
from qfleet_worker.engines.statevector.compiler.emission import (
    emit_gate,
    emit_linear_permutation,
    emit_permutation,
)
from qfleet_worker.engines.statevector.compiler.frame import Frame, lane_wires, new_frame
from qfleet_worker.engines.statevector.compiler.fusion import classify, fuse
from qfleet_worker.engines.statevector.compiler.gate_table import GateTable
from qfleet_worker.engines.statevector.compiler.group_operations import emit_group
from qfleet_worker.engines.statevector.compiler.half_angles import half_angle_phases
from qfleet_worker.engines.statevector.compiler.matrix_operations import leave_out_zeros
from qfleet_worker.engines.statevector.compiler.merging import (
    COEFS,
    DIAGONALS,
    HIGH_SIZE,
    INTEGERS,
    OPS,
    PRODUCT_TERMS,
    TABLE_ROWS,
    TABLE_SIZE,
    TABLE_TERMS,
    Emitted,
    emit_diagonals,
    new_emitted,
    new_op,
)
from qfleet_worker.engines.statevector.compiler.parities import simplify_flips
from qfleet_worker.engines.statevector.compiler.rows import Rows, check_rows
from qfleet_worker.engines.statevector.compiler.schedule import (
    MERGED,
    SINGLE,
    Items,
    Order,
    flips_together,
    itemise,
    linear_together,
    new_items,
    stages,
)
from qfleet_worker.engines.statevector.compiler.schmidt import zero_first_columns
from qfleet_worker.engines.statevector.compiler.tape import PHASE, run_tape
from qfleet_worker.engines.statevector.compiler.values import Sources, fill_tables, write_recipe
from qfleet_worker.engines.statevector.kernels.bits import popcount
from qfleet_worker.engines.statevector.kernels.coefficients import MAX_COUNT, MAX_ONE_QUBIT
from qfleet_worker.engines.statevector.kernels.layout import (
    STAGE_COLUMNS,
    STAGE_END_OP,
    STAGE_FIRST_OP,
    STAGE_LOCAL,
    Operations,
    Tables,
    Values,
)

#: Wires from which on it pays to keep real gates apart from diagonals, and to give matrices zeros.
SPLIT_WIRES, SCHMIDT_WIRES = 10, 13


@structure(
    num_wires="int64", lane_bits="int64", local_bits="int64", run_bits="int64", matrix_entries="int64",
    num_terms="int64", from_zero="int64",
)  # fmt: skip
class Limits(NamedTuple):
    """The sizes that a stretch is compiled for."""

    #: wires of the state; there may be more than qubits
    num_wires: int
    #: index bits that lie inside of a vector
    lane_bits: int
    #: wires that are local at most; of the lowest wires, those that always are
    local_bits: int
    run_bits: int
    #: what `rows.count_entries` counts
    matrix_entries: int
    num_terms: int
    #: 1 if the state is |0...0> before, so that qubits may begin on any wires; else 0
    from_zero: int


@machine_code
def _grown(array: NDArray[Any], needed: int) -> NDArray[Any]:
    """Return the array, or a longer copy of it."""
    if needed <= array.shape[0]:
        return array
    longer = np.empty(max(needed, 2 * array.shape[0]), array.dtype)
    for at in range(array.shape[0]):
        longer[at] = array[at]
    return longer


@compiled_for("Rows", "GateTable", "int64[::1]", "Limits")
def compile_rows(rows: Rows, gates: GateTable, wires: NDArray[Any], limits: Limits) -> Tables:
    """Compile unitary operations.

    Args:
        rows: the operations.
        gates: what is known of them.
        wires: int64, shape (qubits,): each qubit's wire, which SWAPs change.
        limits: what they are compiled for.

    Returns:
        Their tables, with values in double precision.

    Raises:
        CompilerError: the rows don't fit together, or an array is too small.
    """
    num_wires = limits.num_wires
    check_rows(rows, wires, num_wires, gates)
    split = num_wires >= SPLIT_WIRES
    number, entries, terms = len(rows.codes), limits.matrix_entries, limits.num_terms
    first_wires, plenty = wires.copy(), 1
    draft = new_draft(rows.params, rows.fixed, number, num_wires, entries, terms, split, plenty)
    fuse(draft, new_blocks(rows, wires, num_wires), rows, wires, gates, limits.from_zero != 0)
    while not has_room(draft) and plenty < PLENTY:
        plenty *= 2
        wires[:] = first_wires
        draft = new_draft(rows.params, rows.fixed, number, num_wires, entries, terms, split, plenty)
        fuse(draft, new_blocks(rows, wires, num_wires), rows, wires, gates, limits.from_zero != 0)
    check_capacity(draft)
    if split:
        simplify_flips(draft)
    draft = without_second_pool(draft)
    if num_wires >= SCHMIDT_WIRES:
        zero_first_columns(draft)
    classify(draft)
    stage_rows, emitted, coef_sources = _emit(draft, limits)
    check_capacity(draft)
    counts = emitted.counts
    sources = Sources(
        coef_sources, emitted.factor_sources[: counts[PRODUCT_TERMS]], emitted.table_rows[: counts[TABLE_ROWS]],
        emitted.table_terms[: counts[TABLE_TERMS]],
    )  # fmt: skip
    tape, pool = draft.tape[: draft.counts[TAPE]], draft.pool[: draft.counts[POOL]]
    num_low, num_high = counts[TABLE_SIZE], counts[HIGH_SIZE]
    sizes = (len(rows.params), len(sources.coefs), len(sources.factors), num_low, num_high, len(pool))
    recipe = write_recipe(sizes, draft.varies, tape, sources)
    half_phases = np.empty(len(rows.params), np.complex128)
    half_angle_phases(rows.params, half_phases)
    run_tape(tape, pool, half_phases)
    operations = Operations(
        emitted.ops[: counts[OPS]].copy(), emitted.ints[: counts[INTEGERS]].copy(),
        emitted.diagonals[: counts[DIAGONALS]].copy(), emitted.terms[: counts[PRODUCT_TERMS]].copy(),
    )  # fmt: skip
    values = _values_of(sources, pool, num_low, num_high)
    return Tables(stage_rows, operations, values, recipe, pool[: len(pool) if len(recipe) else 0].copy())


@built_in
def _values_of(sources: Sources, pool: NDArray[Any], num_low: int, num_high: int) -> Values:
    """Return the values that the sources have in a pool.

    The tables have `num_low` and `num_high` numbers.
    """
    parts = pool.view(np.float64)
    coefs = np.empty(len(sources.coefs), np.float64)
    for at in range(len(coefs)):
        coefs[at] = parts[sources.coefs[at]]
    factors = np.empty(len(sources.factors), np.complex128)
    for at in range(len(factors)):
        factors[at] = pool[sources.factors[at]]
    low_tables, high_tables = np.empty(num_low, np.float64), np.empty(num_high, np.complex128)
    fill_tables(sources.table_rows, sources.table_terms, pool, low_tables, high_tables)
    phases = np.empty(1, np.complex128)
    phases[0] = pool[PHASE]
    return Values(coefs, factors, low_tables, high_tables, phases)


@built_in
def _emit(draft: Draft, limits: Limits) -> tuple[NDArray[Any], Emitted, NDArray[Any]]:
    """Return a draft's stages, their operations, and their coefficients' sources."""
    number = draft.counts[GATES]
    gates = draft.gates[:number]
    order = Order(np.empty(max(number, 1), np.int64), np.empty(number + 1, np.int64), np.empty(number + 1, np.int64))
    num_stages = stages(gates, limits.num_wires, limits.local_bits, limits.run_bits, order)
    stage_rows = np.empty((num_stages, STAGE_COLUMNS), np.int64)
    emitted, items = new_emitted(draft, number), new_items(number)
    sources = np.empty(64 * number + 1024, np.int64)
    begin = 0
    for stage in range(num_stages):
        frame = new_frame(order.local[stage], limits.num_wires, limits.lane_bits)
        stage_rows[stage, STAGE_LOCAL] = frame.local
        stage_rows[stage, STAGE_FIRST_OP] = emitted.counts[OPS]
        end = itemise(gates, order.gates[begin : order.ends[stage]], frame, items)
        begin = order.ends[stage]
        item = 0
        while item < end:
            sources = _grown(sources, emitted.counts[COEFS] + _most_coefs(gates, items, item))
            item = _emit_items(draft, emitted, items, (item, end), frame, sources)
        stage_rows[stage, STAGE_END_OP] = emitted.counts[OPS]
        if stage == 0 and limits.from_zero:
            leave_out_zeros(emitted.ops[: emitted.counts[OPS]], frame)
    return stage_rows, emitted, sources[: emitted.counts[COEFS]]


@inner_code
def _most_coefs(gates: NDArray[Any], items: Items, item: int) -> int:
    """Return the most coefficients of an item's operations."""
    if items.kinds[item] != MERGED:
        return MAX_COUNT
    terms = 0
    for at in range(items.bounds[item - 1] if item else 0, items.bounds[item]):
        terms += gates[items.gates[at], SIZE]
    return MAX_ONE_QUBIT * terms


@inner_code
def _emit_items(
    draft: Draft, emitted: Emitted, items: Items, place: tuple[int, int], frame: Frame, sources: NDArray[Any]
) -> int:
    """Write operations of items while `sources` has room for the next.

    Args:
        draft: has the gates.
        emitted: what is written.
        items: those of the stage.
        place: the number of the first item, and how many items the stage has.
        frame: the stage's chunks.
        sources: int64: gets the sources of coefficients.

    Returns:
        The number of the next item.
    """
    gates, counts = draft.gates, emitted.counts
    item, end = place
    while item < end and counts[COEFS] + _most_coefs(gates, items, item) <= len(sources):
        if items.kinds[item] == MERGED:
            start = items.bounds[item - 1] if item else 0
            emit_diagonals(draft, emitted, items.gates[start : items.bounds[item]], frame, sources)
            item += 1
        else:
            item += _emit_item(draft, emitted, items, (item, end), frame, sources)
    return item


@built_in
def _emit_item(
    draft: Draft, emitted: Emitted, items: Items, place: tuple[int, int], frame: Frame, sources: NDArray[Any]
) -> int:
    """Write the operation of an item that isn't of diagonals.

    It may take in the items after it.

    Args:
        draft: has the gates.
        emitted: what is written.
        items: those of the stage.
        place: the number of the item, and how many there are.
        frame: the stage's chunks.
        sources: int64: gets the sources of coefficients.

    Returns:
        How many items the operation is of.
    """
    gates, counts = draft.gates, emitted.counts
    item, end = place
    op = new_op(emitted)
    counts[OPS] += 1
    start = items.bounds[item - 1] if item else 0
    members = items.gates[start : items.bounds[item]]
    if items.kinds[item] != SINGLE and len(members) > 1:
        counts[COEFS] = emit_group(gates, members, items.kinds[item], frame, op, sources, counts[COEFS])
        return 1
    number = linear_together(gates, items, item, end, frame)
    if number:
        flips = items.gates[start : items.bounds[item + number - 1]]
        counts[INTEGERS] = emit_linear_permutation(gates, flips, frame, op, emitted.ints, counts[INTEGERS])
        return number
    number, wires = flips_together(gates, items, item, end, frame.local & ~lane_wires(frame))
    if number > 1 and popcount(wires) > 1:
        flips = items.gates[start : items.bounds[item + number - 1]]
        counts[INTEGERS] = emit_permutation(gates, flips, wires, frame, op, emitted.ints, counts[INTEGERS])
        return number
    counts[COEFS] = emit_gate(gates[members[0]], frame, op, sources, counts[COEFS])
    return 1
