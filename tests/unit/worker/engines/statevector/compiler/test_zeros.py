# SPDX-License-Identifier: Apache-2.0
"""Amplitudes that are still 0, and chunks that no operation changes, are left out."""

from __future__ import annotations

import engine_oracle as oracle
import numpy as np
from engine_oracle import op

from qfleet.wire.program.operations import Op
from qfleet.wire.program.program import Operation
from qfleet_worker.engines.machine_code.loading import load_if_ready
from qfleet_worker.engines.statevector.compiler.plan import ChunkSizes, Segment, compile_program
from qfleet_worker.engines.statevector.kernels.layout import OP_COUNT, Tables
from qfleet_worker.engines.statevector.kernels.stage import NO_SUMS, ONE_STATE, Stage, run_stage


def tables_of(operations: list[Operation], num_qubits: int, from_zero: bool = True) -> Tables:
    """Compile a program in double precision, with 9 local wires if it has 10."""
    load_if_ready()
    chunks = ChunkSizes({2: 14 if num_qubits > 10 else 9}, 3)
    plan = compile_program(oracle.program(num_qubits, 0, operations), 2, chunks=chunks, from_zero=from_zero)
    (step,) = plan.steps
    assert isinstance(step, Segment)
    return step.tables


def test_the_first_operations_visit_amplitudes_that_others_made() -> None:
    ladder = [op(Op.H, [0]), *(op(Op.X, [qubit + 1], controls=[qubit]) for qubit in range(13))]
    # An H, and X with one control, on lanes; then permutations of wires 2 to 5, 5 to 8, 8 to 11, and 11 to 13.
    assert tables_of(ladder, 14).operations.rows[:, OP_COUNT].tolist() == [1, 1, 1, 1, 8, 64, 512]
    every = tables_of(ladder, 14, from_zero=False).operations.rows[:, OP_COUNT].tolist()
    assert every == [4096, 4096, 2048, 256, 256, 256, 512]


def test_a_chunk_that_no_operation_changes_is_not_copied() -> None:
    ones = list(range(9))
    operations = [*(op(Op.H, [qubit]) for qubit in ones), op(Op.X, [9], controls=ones)]
    stages, table, values, *_ = tables_of(operations, 10)
    (_, (local, first_op, end_op)) = stages.tolist()
    assert local == 0b1011111111
    known = (1 << 9) - 1
    stage = Stage(local, known, first_op, end_op, 10)
    state, room = np.full(1 << 11, np.nan), np.full(1 << 10, 7.0)
    state[: 1 << 10] = np.arange(1 << 10)
    run_stage(state, stage, table, values, room, ONE_STATE, NO_SUMS, 0, 1)
    assert (room == 7).all()
    assert (state[: 1 << 10] == np.arange(1 << 10)).all()
    assert (state[1 << 10 : 3 << 9] == 0).all()
    run_stage(state, stage, table, values, room, ONE_STATE, NO_SUMS, 1, 2)
    assert (room != 7).all()
    moved = np.array([1022.0, 1023.0])
    assert (state[1022:1024] == 0).all()
    assert (state[2046:] == moved).all()
    # The sums of rows are taken from the copy.
    sums = np.zeros(4)
    run_stage(state, stage._replace(known=(1 << 10) - 1), table, values, room, ONE_STATE, sums, 0, 2)
    assert sums.sum() == np.square(state).sum()
    assert (state[1022:1024] == moved).all()
