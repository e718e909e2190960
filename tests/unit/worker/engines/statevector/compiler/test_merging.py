# SPDX-License-Identifier: Apache-2.0
"""Diagonals that become one operation, and X that become one permutation, have the product that they had."""

from __future__ import annotations

import drafts
import engine_oracle as oracle
import numpy as np
import pytest
from engine_oracle import op
from hypothesis import given, settings
from hypothesis import strategies as st

from qfleet.wire.program.operations import Op
from qfleet.wire.program.program import Operation
from qfleet_worker.engines.statevector.compiler import draft as columns
from qfleet_worker.engines.statevector.compiler.draft import Draft, add_flip
from qfleet_worker.engines.statevector.compiler.emission import emit_permutation
from qfleet_worker.engines.statevector.compiler.frame import Frame, new_frame
from qfleet_worker.engines.statevector.compiler.merging import (
    OPS,
    PRODUCT_TERMS,
    TABLE_TERMS,
    Emitted,
    emit_diagonals,
    new_emitted,
)
from qfleet_worker.engines.statevector.kernels import kinds, layout
from qfleet_worker.engines.statevector.kernels.layout import OP_COLUMNS, OP_COUNT, OP_INTS, OP_KERNEL, OP_STRIDES

#: The first test compiles what it calls.
pytestmark = pytest.mark.timeout(600)
WIRES = 6
SPECIAL = [0.0, np.pi, np.pi / 2, 2 * np.pi, 1e-9]


def local_index(frame: Frame) -> np.ndarray:
    """Return the index in its chunk of each index of the state."""
    index = np.arange(1 << WIRES)
    return sum((index >> wire & 1) << int(place) for wire, place in enumerate(frame.places) if place >= 0)


def random_diagonals(rng: np.random.Generator) -> list[Operation]:
    operations: list[Operation] = []
    for _ in range(int(rng.integers(1, 8))):
        qubits = rng.permutation(WIRES).tolist()
        angle = float(rng.choice(SPECIAL) if rng.random() < 0.4 else rng.uniform(-7, 7))
        size = int(rng.integers(1, 4))
        operations.append(
            [
                op(Op.RZ, qubits[:1], [angle]),
                op(Op.RZZ, qubits[:2], [angle]),
                op(Op.P, qubits[:1], [angle], controls=[qubits[1], ~qubits[2]][: int(rng.integers(3))]),
                op(Op.DIAGONAL, qubits[:size], table=oracle.random_table(rng, Op.DIAGONAL, size)),
            ][int(rng.integers(4))]
        )
    return operations


def merged(draft: Draft, emitted: Emitted, frame: Frame) -> np.ndarray:
    """Return the diagonal of the terms that were written: those in product form, and those of tables."""
    index, local = np.arange(1 << WIRES), local_index(frame)
    entries = np.ones(1 << WIRES, complex)
    rows, sources = emitted.terms, emitted.factor_sources
    for row, source in zip(rows[: emitted.counts[PRODUCT_TERMS]], sources, strict=False):
        bit, value, outside, outside_value = row
        holds = index & outside == outside_value
        entries[holds & (bit < 0 or local >> max(bit, 0) & 1 == value)] *= draft.pool[source]
    for mask, value, factor in emitted.table_terms[: emitted.counts[TABLE_TERMS]]:
        entries[local & mask == value] *= draft.pool[factor]
    return entries


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 2**32), outside=st.integers(0, 3))
def test_diagonals_become_one(seed: int, outside: int) -> None:
    rng = np.random.default_rng(seed)
    program = oracle.program(WIRES, 0, random_diagonals(rng))
    draft = drafts.fused(program, np.ones(len(program.params), np.bool_), True)
    every = (1 << WIRES) - 1
    local = every & ~sum(1 << int(wire) for wire in rng.permutation(WIRES)[:outside])
    # A term with several bits in a chunk and some outside becomes an operation of its own.
    apart = [term for term in range(draft.counts[columns.TERMS])
             if is_conditional(int(draft.terms[term, layout.TERM_MASK]), local)]  # fmt: skip
    draft.pool[draft.terms[apart, layout.TERM_FACTOR]] = 1
    number = int(draft.counts[columns.GATES])
    emitted, frame = new_emitted(draft, number), new_frame(local, WIRES, 2)
    emit_diagonals(draft, emitted, np.arange(number), frame, np.empty(4096, np.int64))
    expected = np.ones(1 << WIRES, complex)
    for gate in drafts.gates_of(draft):
        assert gate[columns.KIND] == columns.DIAGONAL
        expected *= np.diag(drafts.gate_matrix(draft, gate, draft.pool))
    assert np.abs(merged(draft, emitted, frame) - expected).max() < 1e-12
    kernels = emitted.ops[: emitted.counts[OPS], OP_KERNEL]
    assert np.count_nonzero(kernels == -1) <= 1
    assert np.count_nonzero(kernels >= 0) == len(apart)


def is_conditional(mask: int, local: int) -> bool:
    return (mask & local).bit_count() > 1 and mask & ~local != 0


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_controlled_x_become_one_permutation(seed: int) -> None:
    rng = np.random.default_rng(seed)
    chosen = sorted(rng.permutation(np.arange(2, WIRES))[: int(rng.integers(2, 5))].tolist())
    operations = []
    for _ in range(int(rng.integers(1, 8))):
        target, *others = rng.permutation(chosen).tolist()
        controls = [wire if rng.random() < 0.7 else ~wire for wire in others[: int(rng.integers(1, len(others) + 1))]]
        operations.append(op(Op.X, [target], controls=controls))
    program = oracle.program(WIRES, 0, operations)
    draft = drafts.empty(np.zeros(0), np.zeros(0, np.bool_), WIRES, len(operations), True)
    for each in operations:
        masks = [1 << (wire if wire >= 0 else ~wire) for wire in each.controls]
        values = [mask for mask, wire in zip(masks, each.controls, strict=True) if wire >= 0]
        add_flip(draft, each.targets[0], sum(masks), sum(values))
    row, ints = np.zeros(OP_COLUMNS, np.int64), np.zeros(16, np.int64)
    wires = sum(1 << wire for wire in chosen)
    frame = new_frame((1 << WIRES) - 1, WIRES, 2)
    end = emit_permutation(draft.gates, np.arange(len(operations)), wires, frame, row, ints, 0)
    assert kinds.specs(2)[row[OP_KERNEL]] == kinds.Spec(kinds.PERM, len(chosen), 0)
    assert (end, row[OP_INTS], row[OP_COUNT]) == (1 << len(chosen), 0, 1 << WIRES - 2 - len(chosen))
    assert row[OP_STRIDES : OP_STRIDES + len(chosen)].tolist() == [2 << wire for wire in chosen]
    index = np.arange(1 << WIRES)
    vector = sum((index >> wire & 1) << bit for bit, wire in enumerate(chosen))
    # Integers count real numbers, of which an amplitude has two.
    origin = (index & ~wires) | ints[vector] >> 1
    assert np.array_equal(np.eye(1 << WIRES)[origin], oracle.unitary(program).real)
