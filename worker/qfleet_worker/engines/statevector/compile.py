# SPDX-License-Identifier: Apache-2.0
"""How does a stretch of unitary operations become tables that kernels run through?"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from qfleet_worker.engines.statevector import fusion
from qfleet_worker.engines.statevector.diagonals import (
    DIAGONAL_COLUMNS,
    END,
    FIRST,
    HIGH_TABLE,
    ROW_BITS,
    SELECT,
    TABLE,
    build_tables,
)
from qfleet_worker.engines.statevector.emit import (
    INTS,
    KERNEL,
    OP_COLUMNS,
    OUTSIDE,
    OUTSIDE_VALUES,
    emit_gate,
    emit_group,
    emit_matrix,
    emit_permutation,
)
from qfleet_worker.engines.statevector.fusion import AT, SIZE, fuse
from qfleet_worker.engines.statevector.kernels import MAX_TARGETS
from qfleet_worker.engines.statevector.machine_code import machine_code
from qfleet_worker.engines.statevector.schedule import MERGED, SINGLE, flips_together, itemise, popcount, stages
from qfleet_worker.engines.statevector.thinning import thin_out

#: Columns of a stage: its local wires as a mask; its operations, from and to.
LOCAL, FIRST_OP, END_OP = range(3)
STAGE_COLUMNS = 3
#: Qubits that one table of a DIAGONAL may have to be compiled; wider ones are steps of their own.
MAX_DIAGONAL = 8
#: Entries of the largest table that is compiled.
MAX_TABLE = max(4**MAX_TARGETS, 2**MAX_DIAGONAL)


class Tables(NamedTuple):
    """A compiled stretch of a circuit: what `execute` runs through."""

    #: int64, shape (stages, STAGE_COLUMNS)
    stages: NDArray[np.int64]
    #: int64, shape (operations, OP_COLUMNS)
    ops: NDArray[np.int64]
    #: the state's floats: coefficients of kernels
    coefs: NDArray[Any]
    #: int64: integers of kernels
    ints: NDArray[np.int64]
    #: int64, shape (diagonals, DIAGONAL_COLUMNS)
    diagonals: NDArray[np.int64]
    #: int64, shape (terms, 4), and their factors, complex128; see `diagonals.apply_diagonal`
    terms: NDArray[np.int64]
    factors: NDArray[np.complex128]
    #: the state's floats; and complex128
    tables: NDArray[Any]
    high_tables: NDArray[np.complex128]
    #: factor of the whole state
    phase: complex


@machine_code
def _grown(array: NDArray[Any], needed: int) -> NDArray[Any]:
    """The array, or a longer copy of it."""
    if needed <= array.shape[0]:
        return array
    longer = np.empty(max(needed, 2 * array.shape[0]), array.dtype)
    longer[: array.shape[0]] = array
    return longer


@machine_code
def compile_rows(codes: NDArray[Any], num_controls: NDArray[Any], num_targets: NDArray[Any], operands: NDArray[Any],
                 params: NDArray[Any], table_at: NDArray[Any], table: NDArray[Any], wires: NDArray[Any],
                 num_wires: int, lane_bits: int, local_bits: int, run_bits: int, pool_size: int,
                 term_count: int) -> tuple[Any, ...]:  # fmt: skip
    """Compile rows of unitary operations, all with at most four targets, for ``2**lane_bits`` amplitudes per vector.

    `wires` has the wire of each qubit and is changed by SWAPs; `num_wires` may be more than there are qubits;
    `local_bits` is how many wires are local at most; `pool_size` and `term_count` bound what the rows need. Returns the
    members of `Tables`, coefficients in double precision.
    """
    rows = len(codes)
    capacity = 3 * rows + 2 * num_wires + 8
    gates = np.empty((capacity, fusion.COLUMNS), np.int64)
    # Products of pairs take 16 entries, and so may each row.
    pool = np.empty(pool_size + 24 * rows + 4 * num_wires + 16, np.complex128)
    masks = np.empty((term_count + 2 * (rows + num_wires) + 8, 2), np.int64)
    factors = np.empty(len(masks), np.complex128)
    small = num_wires <= 12
    number, phase = fuse(
        codes, num_controls, num_targets, operands, params, table_at, table, wires, num_wires, not small, gates, pool,
        masks, factors,
    )  # fmt: skip
    if not small:
        thin_out(gates, number, pool, num_wires)
    order = np.empty(max(number, 1), np.int64)
    local = np.empty(number + 1, np.int64)
    ends = np.empty(number + 1, np.int64)
    num_stages = stages(gates, number, num_wires, local_bits, run_bits, order, local, ends)

    stage_rows = np.empty((num_stages, STAGE_COLUMNS), np.int64)
    ops = np.empty((number + len(masks), OP_COLUMNS), np.int64)
    coefs = np.empty(64 * number + 1024, np.float64)
    ints = np.empty(16 * number + 16, np.int64)
    diagonals = np.empty((number + 1, DIAGONAL_COLUMNS), np.int64)
    out_terms = np.empty((len(masks) + 1, 4), np.int64)
    out_factors = np.empty(len(masks) + 1, np.complex128)
    local_masks = np.empty((len(masks), 2), np.int64)
    tables = np.empty(16, np.float64)
    high_tables = np.empty(16, np.complex128)
    sequence = np.empty(max(number, 1), np.int64)
    bounds = np.empty(max(number, 1), np.int64)
    kinds = np.empty(max(number, 1), np.int64)
    places = np.empty(num_wires, np.int64)
    chosen = np.empty(len(masks), np.int64)
    target = np.empty(4, np.int64)
    one = np.zeros(4, np.complex128)
    one[0] = 1
    num_ops = num_coefs = num_ints = num_diagonals = num_terms = num_table = num_high = 0
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
        stage_rows[stage, LOCAL] = local[stage]
        stage_rows[stage, FIRST_OP] = num_ops
        items = itemise(gates, pool, order, begin, ends[stage], local[stage], num_wires, lane_bits, bits > lane_bits,
                        sequence, bounds, kinds)  # fmt: skip
        begin = ends[stage]
        item = 0
        while item < items:
            start, end = (bounds[item - 1] if item else 0), bounds[item]
            op = ops[num_ops]
            coefs = _grown(coefs, num_coefs + 2048 + 64 * 256)
            if kinds[item] == MERGED:
                diagonal = diagonals[num_diagonals]
                op[:] = 0
                op[KERNEL] = -1
                op[INTS] = num_diagonals
                diagonal[FIRST] = num_terms
                count = 0
                for at in range(start, end):
                    gate = sequence[at]
                    for term in range(gates[gate, AT], gates[gate, AT] + gates[gate, SIZE]):
                        mask, value = masks[term, 0], masks[term, 1]
                        inside = mask & local[stage]
                        if inside & (inside - 1) == 0:
                            out_terms[num_terms, 0] = -1
                            out_terms[num_terms, 1] = 0
                            if inside:
                                wire = 0
                                while inside >> wire != 1:
                                    wire += 1
                                out_terms[num_terms, 0] = places[wire]
                                out_terms[num_terms, 1] = value >> wire & 1
                            out_terms[num_terms, 2] = mask & ~inside
                            out_terms[num_terms, 3] = value & ~inside
                            out_factors[num_terms] = factors[term]
                            num_terms += 1
                            continue
                        local_masks[term, 0] = 0
                        local_masks[term, 1] = 0
                        for wire in range(num_wires):
                            if inside >> wire & 1:
                                local_masks[term, 0] |= 1 << places[wire]
                                local_masks[term, 1] |= (value >> wire & 1) << places[wire]
                        if mask == inside:
                            chosen[count] = term
                            count += 1
                            continue
                        # Several local bits and some outside: a factor where all the others have their values.
                        place = 0
                        while local_masks[term, 0] >> place & 1 == 0:
                            place += 1
                        target[0] = place
                        up = local_masks[term, 1] >> place & 1
                        one[0] = 1 if up else factors[term]
                        one[3] = factors[term] if up else 1
                        conditional = ops[num_ops]
                        conditional[OUTSIDE] = mask & ~inside
                        conditional[OUTSIDE_VALUES] = value & ~inside
                        coefs = _grown(coefs, num_coefs + 4096)
                        num_coefs = emit_matrix(
                            one, 1, target, local_masks[term, 0] & ~(1 << place),
                            local_masks[term, 1] & ~(1 << place), bits, lane_bits, conditional, coefs, num_coefs,
                        )  # fmt: skip
                        num_ops += 1
                        op = ops[num_ops]
                        op[:] = 0
                        op[KERNEL] = -1
                        op[INTS] = num_diagonals
                diagonal[END] = num_terms
                diagonal[TABLE] = -1
                diagonal[SELECT] = 0
                diagonal[HIGH_TABLE] = -1
                if count:
                    select = 0
                    for at in range(count):
                        if local_masks[chosen[at], 0] & ((1 << ROW_BITS) - 1):
                            select |= local_masks[chosen[at], 0] >> ROW_BITS
                    size = 2 << (min(bits, ROW_BITS) + popcount(select))
                    tables = _grown(tables, num_table + size)
                    high_tables = _grown(high_tables, num_high + (1 << max(bits - ROW_BITS, 0)))
                    diagonal[TABLE], diagonal[SELECT], diagonal[HIGH_TABLE], _ = build_tables(
                        local_masks, factors, chosen[:count], bits, tables, num_table, high_tables, num_high
                    )
                    if diagonal[TABLE] >= 0:
                        num_table += size
                    if diagonal[HIGH_TABLE] >= 0:
                        num_high += 1 << max(bits - ROW_BITS, 0)
                if count or diagonal[END] > diagonal[FIRST]:
                    num_diagonals += 1
                    num_ops += 1
                item += 1
                continue
            if kinds[item] == SINGLE or end == start + 1:
                together, together_wires = flips_together(gates, sequence, bounds, kinds, item, items, high_wires)
                if together > 1 and popcount(together_wires) > 1:
                    last = bounds[item + together - 1]
                    num_ints = emit_permutation(
                        gates, sequence, start, last, together_wires, places, num_wires, bits, lane_bits, op, ints,
                        num_ints,
                    )  # fmt: skip
                    item += together
                else:
                    num_coefs = emit_gate(
                        gates, sequence[start], pool, places, num_wires, bits, lane_bits, op, coefs, num_coefs
                    )
                    item += 1
            else:
                num_coefs = emit_group(
                    gates, sequence, start, end, kinds[item], pool, places, bits, lane_bits, op, coefs, num_coefs
                )
                item += 1
            num_ops += 1
        stage_rows[stage, END_OP] = num_ops
    return (
        stage_rows, ops[:num_ops], coefs[:num_coefs], ints[:num_ints], diagonals[:num_diagonals],
        out_terms[:num_terms], out_factors[:num_terms], tables[:num_table], high_tables[:num_high], phase,
    )  # fmt: skip
