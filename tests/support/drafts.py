# SPDX-License-Identifier: Apache-2.0
"""Drafts of the compiler, and their matrices by plain numpy."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from qfleet.wire.program.operations import HAS_TABLE
from qfleet.wire.program.program import Program
from qfleet_worker.engines.statevector.compiler import draft as columns
from qfleet_worker.engines.statevector.compiler.blocks import new_blocks
from qfleet_worker.engines.statevector.compiler.draft import Draft, new_draft
from qfleet_worker.engines.statevector.compiler.fusion import fuse
from qfleet_worker.engines.statevector.compiler.gate_table import GATES
from qfleet_worker.engines.statevector.compiler.rows import Rows, count_entries
from qfleet_worker.engines.statevector.compiler.tape import PHASE, run_tape
from qfleet_worker.engines.statevector.kernels.layout import TERM_FACTOR, TERM_MASK, TERM_VALUE

Vector = NDArray[np.complex128]


def rows_of(program: Program, fixed: NDArray[np.bool_]) -> Rows:
    """Return a program's rows; `fixed` tells which of its angles are constants."""
    takers = HAS_TABLE[program.codes]
    table_at = np.full(len(program.codes), -1, np.int64)
    table_at[takers] = np.cumsum([0, *map(len, program.tables)])[program.table_refs]
    return Rows(
        program.codes.astype(np.int64), program.num_controls.astype(np.int64), program.num_targets.astype(np.int64),
        program.operands.astype(np.int64), program.params, fixed, table_at,
        np.concatenate([*program.tables, np.zeros(1, np.complex128)]),
    )  # fmt: skip


def fused(program: Program, fixed: NDArray[np.bool_], split: bool, from_zero: bool = False) -> Draft:
    """Return the draft that a program's rows are fused into."""
    rows, wires = rows_of(program, fixed), np.arange(program.num_qubits)
    entries, terms = count_entries(rows, GATES)
    draft = new_draft(rows.params, rows.fixed, len(rows.codes), len(wires), entries, terms, split, 1)
    fuse(draft, new_blocks(rows, wires, len(wires)), rows, wires, GATES, from_zero)
    return draft


def empty(params: NDArray[np.float64], fixed: NDArray[np.bool_], num_wires: int, number: int, split: bool) -> Draft:
    """Return a draft with room for `number` gates."""
    return new_draft(params, fixed, number, num_wires, 64 * number, 16 * number, split, 1)


def gates_of(draft: Draft) -> NDArray[np.int64]:
    """Return the rows of a draft's gates."""
    gates = draft.gates[: draft.counts[columns.GATES]]
    return gates[gates[:, columns.KIND] != columns.NOTHING]


def kinds_of(draft: Draft) -> list[int]:
    """Return the kinds of a draft's gates."""
    return gates_of(draft)[:, columns.KIND].tolist()


def pool_at(draft: Draft, params: NDArray[np.float64]) -> Vector:
    """Return a draft's pool at some angles."""
    pool = draft.pool[: draft.counts[columns.POOL]].copy()
    run_tape(draft.tape[: draft.counts[columns.TAPE]], pool, np.exp(0.5j * params))
    return pool


def gate_matrix(draft: Draft, gate: NDArray[np.int64], pool: Vector) -> Vector:
    """Return a gate's matrix over all wires of its draft."""
    size = 1 << len(draft.last)
    index = np.arange(size)
    kind, at, number = gate[[columns.KIND, columns.AT, columns.SIZE]]
    if kind == columns.DIAGONAL:
        return np.diag(diagonal(draft.terms[at : at + number], pool, size))
    holds = index & gate[columns.CONTROLS] == gate[columns.VALUES]
    if kind == columns.FLIP:
        return np.eye(size)[np.where(holds, index ^ 1 << gate[columns.TARGETS], index)].astype(complex)
    targets = [int(gate[columns.TARGETS]) >> 8 * bit & 255 for bit in range(number)]
    inside = sum((index >> wire & 1) << bit for bit, wire in enumerate(targets))
    rest = index & ~sum(1 << wire for wire in targets)
    matrix = pool[at : at + 4**number].reshape(2**number, 2**number)
    full = np.where(rest[:, None] == rest, matrix[np.ix_(inside, inside)], 0)
    return np.where(holds[:, None], full, np.eye(size))


def diagonal(terms: Any, pool: Vector, size: int) -> Vector:
    """Return the diagonal that is the product of some terms."""
    entries = np.ones(size, complex)
    for term in terms:
        entries[np.arange(size) & term[TERM_MASK] == term[TERM_VALUE]] *= pool[term[TERM_FACTOR]]
    return entries


def draft_matrix(draft: Draft, params: NDArray[np.float64]) -> Vector:
    """Return the matrix of a draft at some angles."""
    pool = pool_at(draft, params)
    matrix = np.eye(1 << len(draft.last), dtype=complex) * pool[PHASE]
    for gate in gates_of(draft):
        matrix = gate_matrix(draft, gate, pool) @ matrix
    return matrix
