# SPDX-License-Identifier: Apache-2.0
"""A program becomes few steps, and the right measurements wait to the end."""

from __future__ import annotations

import engine_oracle as oracle
import numpy as np
import pytest
from engine_oracle import measure, op

from qfleet.wire.program.operations import Op
from qfleet.wire.program.program import Operation
from qfleet_worker.engines.numpy import compiler
from qfleet_worker.engines.numpy.compiler import compile_program
from qfleet_worker.engines.numpy.plan import Controlled, Dense, Diagonal, Plan
from qfleet_worker.engines.steps import MeasureStep, ResetStep


def plan(num_qubits: int, *operations: Operation, from_zero: bool = True) -> Plan:
    return compile_program(oracle.program(num_qubits, 4, operations), from_zero)


def kinds(compiled: Plan) -> list[type]:
    return [type(step) for step in compiled.steps]


def cx(control: int, target: int) -> Operation:
    return op(Op.X, [target], controls=[control])


def test_swaps_exchange_names() -> None:
    compiled = plan(3, op(Op.SWAP, [0, 1]), op(Op.SWAP, [1, 2]), measure(2, 0))
    assert compiled.steps == ()
    assert compiled.wires == (1, 2, 0)
    assert compiled.readout == ((0, 0),)


def test_a_controlled_swap_is_a_gate() -> None:
    assert kinds(plan(3, op(Op.SWAP, [0, 1], controls=[2]))) == [Dense]


def test_gates_on_one_qubit_are_one_step() -> None:
    compiled = plan(1, *[op(Op.H, [0]), op(Op.T, [0])] * 5, from_zero=False)
    (step,) = compiled.steps
    assert step.matrix == pytest.approx(np.linalg.matrix_power(np.diag([1, np.exp(0.25j * np.pi)]) @ _H, 5))


def test_diagonals_are_merged() -> None:
    gates = [op(Op.RZZ, [a, b], [0.1 * a + b]) for a in range(5) for b in range(a)] + [op(Op.P, [2], [0.3])]
    (step,) = plan(5, *gates, from_zero=False).steps
    assert isinstance(step, Diagonal)
    expected = np.prod([np.diag(oracle.full_matrix(gate, 5)) for gate in gates], axis=0)
    index = sum((np.arange(32) >> wire & 1) << bit for bit, wire in enumerate(step.wires))
    assert step.table[index] == pytest.approx(expected)


def test_a_small_circuit_from_zero_is_one_column() -> None:
    (step,) = plan(6, *[op(Op.H, [qubit]) for qubit in range(6)], *[cx(qubit, qubit + 1) for qubit in range(5)]).steps
    assert isinstance(step, Dense)
    assert step.inputs == ()
    assert step.matrix.shape == (64, 1)


def test_blocks_stay_narrow() -> None:
    rng = np.random.default_rng(1)
    gates = [oracle.random_operation(rng, 12, 0, [Op.H, Op.X, Op.RZZ, Op.UNITARY]) for _ in range(300)]
    for step in plan(12, *gates).steps:
        if isinstance(step, Dense) and step.inputs:
            assert len(step.wires) <= compiler.DENSE_WIRES
        elif isinstance(step, Dense):
            assert len(step.wires) <= compiler.FRESH_WIRES
        elif isinstance(step, Diagonal):
            assert len(step.wires) <= compiler.DIAGONAL_WIRES


def test_many_controls_make_no_large_table() -> None:
    (step,) = plan(20, op(Op.X, [0], controls=list(range(1, 20)))).steps
    assert isinstance(step, Controlled)
    assert step.table.shape == (2, 2)


def test_a_phase_without_controls_is_a_number() -> None:
    compiled = plan(1, op(Op.GLOBAL_PHASE, params=[0.25]), op(Op.GLOBAL_PHASE, params=[0.5]))
    assert compiled.steps == ()
    assert compiled.phase == pytest.approx(np.exp(0.75j))


def test_final_measurements_are_no_steps() -> None:
    compiled = plan(2, op(Op.H, [0]), measure(0, 1), measure(0, 2), op(Op.H, [1]), measure(1, 3))
    assert kinds(compiled) == [Dense]
    assert compiled.measured == (0, 1)
    assert compiled.readout == ((0, 1), (0, 2), (1, 3))


def test_measurements_of_wires_used_later_stay_where_they_are() -> None:
    compiled = plan(2, op(Op.H, [0]), measure(0, 1), measure(0, 2), cx(0, 1))
    assert kinds(compiled) == [Dense, MeasureStep, MeasureStep, Dense]
    assert [step.clbits for step in compiled.steps[1:3]] == [(1,), (2,)]
    assert compiled.measured == ()


def test_only_the_last_writer_writes() -> None:
    compiled = plan(2, measure(0, 1), measure(1, 1), op(Op.X, [0]))
    assert compiled.steps[0] == MeasureStep(wire=0, event=1, clbits=())
    assert compiled.readout == ((1, 1),)
    assert compiled.measured == (1,)


def test_resets_of_untouched_qubits_are_dropped() -> None:
    assert plan(2, op(Op.RESET, [0]), op(Op.SWAP, [0, 1]), op(Op.RESET, [0])).steps == ()
    assert kinds(plan(1, op(Op.H, [0]), op(Op.RESET, [0]), op(Op.RESET, [0]))) == [Dense, ResetStep]
    assert kinds(plan(1, measure(0, 0), op(Op.RESET, [0]))) == [MeasureStep]


def test_initialize_on_untouched_qubits_is_its_table() -> None:
    (step,) = plan(2, op(Op.INITIALIZE, [1, 0], table=[0.6, 0, 0, 0.8])).steps
    assert (step.wires, step.inputs) == ((1, 0), ())
    assert step.matrix[:, 0].tolist() == [0.6, 0, 0, 0.8]


def test_after_a_reset_a_wire_is_fresh_again() -> None:
    compiled = plan(2, cx(0, 1), op(Op.RESET, [0]), op(Op.INITIALIZE, [0], table=[0.6, 0.8]), op(Op.H, [0]))
    assert kinds(compiled) == [Dense, ResetStep, Dense]
    assert compiled.steps[2].inputs == ()


_H = np.array([[1, 1], [1, -1]]) / np.sqrt(2)
