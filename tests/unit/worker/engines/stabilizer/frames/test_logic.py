# SPDX-License-Identifier: Apache-2.0
"""Feedback that depends on expressions, and programs that frames leave to others."""

from __future__ import annotations

import numpy as np
import pytest
from clifford_programs import bits_of, gate, noisy_program
from make_experiments import make_experiment
from noise_oracle import depolarizing, jump_unless, measure, noise, resetting
from random_expressions import random_expression
from random_programs import program_of

from qfleet.wire.messages.request import Output
from qfleet.wire.program.channels import Branch, Channel
from qfleet.wire.program.expressions import (
    BOOL,
    FLOAT,
    Binary,
    BinaryOp,
    Bit,
    Bits,
    Cast,
    Constant,
    Expression,
    Index,
    Unary,
    UnaryOp,
)
from qfleet.wire.program.operations import Op
from qfleet.wire.program.program import Operation, Program
from qfleet.wire.program.saves import Save, SaveKind
from qfleet_worker.engines.numpy.simulator import NumpySimulator
from qfleet_worker.engines.stabilizer.frames.plan import NotFramesError, frame_plan

#: Clbits that are random, and the number of their values.
INPUTS = 4
VALUES = 1 << INPUTS


def jump(row: int, condition: Expression | None = None) -> Operation:
    code = Op.JUMP if condition is None else Op.JUMP_UNLESS
    return Operation(code, (), (), (), None, -1, row, () if condition is None else (condition,))


def store(clbit: int, value: Expression) -> Operation:
    return Operation(Op.STORE, (), (), (), None, -1, -1, (Bit(clbit), value))


def branching_rows(rng: np.random.Generator, begin: int, depth: int) -> list[Operation]:
    """Return blocks within each other, with Paulis and stores, that begin at a row."""
    rows: list[Operation] = []
    for _ in range(2):
        choice = int(rng.integers(4))
        if choice == 0 and depth:
            condition = bitwise(rng)
            here = begin + len(rows)
            inner = branching_rows(rng, here + 1, depth - 1)
            other = branching_rows(rng, here + 2 + len(inner), depth - 1)
            between = here + 2 + len(inner)
            rows += [jump(between, condition), *inner, jump(between + len(other)), *other]
        elif choice == 1:
            rows.append(store(INPUTS + int(rng.integers(2)), bitwise(rng)))
        else:
            rows.append(gate((Op.X, Op.Y, Op.Z)[int(rng.integers(3))], INPUTS + int(rng.integers(2))))
    return rows


def bitwise(rng: np.random.Generator) -> Expression:
    """Return an expression that is computed bit by bit."""
    while True:
        found = random_expression(rng, BOOL, 3, INPUTS + 2, ())
        try:
            frame_plan(program_of([measure(0, clbit) for clbit in range(6)] + [jump(7, found)], 1, INPUTS + 2))
        except NotFramesError:
            continue
        return found


def prepared(value: int | None, rows: list[Operation]) -> Program:
    """Return rows behind measurements of random inputs, or of a value."""
    if value is None:
        inputs = [gate(Op.H, qubit) for qubit in range(INPUTS)]
    else:
        # As many rows: jumps name them.
        inputs = [gate(Op.X if value >> qubit & 1 else Op.Z, qubit) for qubit in range(INPUTS)]
    inputs += [measure(qubit, qubit) for qubit in range(INPUTS)]
    ends = [measure(INPUTS + qubit, INPUTS + 2 + qubit) for qubit in range(2)]
    return noisy_program(INPUTS + 2, INPUTS + 4, [*inputs, *rows, *ends])


@pytest.mark.parametrize("seed", range(40))
def test_random_conditions_and_blocks(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows: list[Operation] = []
    for _ in range(3):
        rows += branching_rows(rng, 2 * INPUTS + len(rows), 2)
    bits = bits_of(prepared(None, rows), 600)
    found = {tuple(row) for row in bits.tolist()}
    expected = set()
    for value in range(VALUES):
        outcome = NumpySimulator().run(make_experiment(prepared(value, rows), output=Output.BITS))
        clbits = np.unpackbits(outcome.outcomes, axis=1, bitorder="little")[0, : INPUTS + 4]
        expected.add(tuple(clbits.astype(bool).tolist()))
    # The inputs are stored to by nobody: each value is there.
    assert found == expected


def uint(width: int, value: int) -> Constant:
    return Constant(width, value.to_bytes(-(-width // 8), "little"))


REGISTER = Bits((2, 0, 3))


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        (Binary(BinaryOp.EQUAL, REGISTER, uint(3, 5)), lambda bits: number(bits) == 5),
        (Binary(BinaryOp.NOT_EQUAL, REGISTER, Bits((0, 1, 2))), lambda bits: number(bits) != bits @ [1, 2, 4, 0]),
        (Binary(BinaryOp.LESS, REGISTER, uint(3, 3)), lambda bits: number(bits) < 3),
        (Binary(BinaryOp.LESS_EQUAL, uint(3, 3), REGISTER), lambda bits: number(bits) >= 3),
        (Binary(BinaryOp.GREATER, REGISTER, uint(3, 6)), lambda bits: number(bits) > 6),
        (Binary(BinaryOp.GREATER_EQUAL, REGISTER, Bits((0, 1, 2))), lambda bits: number(bits) >= bits @ [1, 2, 4, 0]),
        (Binary(BinaryOp.BIT_XOR, Bit(0), Unary(UnaryOp.LOGIC_NOT, Bit(3))), lambda bits: bits[:, 0] == bits[:, 3]),
        (Cast(BOOL, Binary(BinaryOp.BIT_AND, REGISTER, uint(3, 6))), lambda bits: (number(bits) & 6) > 0),
        (Index(Unary(UnaryOp.BIT_NOT, REGISTER), uint(8, 2)), lambda bits: bits[:, 3] == 0),
        (Binary(BinaryOp.EQUAL, Cast(5, REGISTER), uint(5, 4)), lambda bits: number(bits) == 4),
        (Constant(BOOL, b"\x01"), lambda bits: bits[:, 0] >= 0),
        (Constant(BOOL, b""), lambda bits: bits[:, 0] < 0),
    ],
)
def test_expressions(condition: Expression, holds: object) -> None:
    begin = 2 * INPUTS
    bits = bits_of(prepared(None, [jump(begin + 2, condition), gate(Op.X, INPUTS)]), 500).astype(int)
    assert callable(holds)
    assert (bits[:, INPUTS + 2] == holds(bits[:, :INPUTS])).all()


def number(bits: np.ndarray) -> np.ndarray:
    """Return the value of the register."""
    return bits[:, [2, 0, 3]] @ [1, 2, 4]


def test_noise_in_a_block_is_for_its_shots_alone() -> None:
    error = depolarizing(0.6)
    rows = [jump(2 * INPUTS + 3, Bit(1)), noise(error, INPUTS), gate(Op.Z, INPUTS + 1)]
    bits = bits_of(prepared(None, rows), 40_000)
    flipped = bits[:, INPUTS + 2]
    assert not flipped[~bits[:, 1]].any()
    assert abs(flipped[bits[:, 1]].mean() - 0.4) < 0.02


def test_a_condition_sees_the_readout_error() -> None:
    rows = [gate(Op.X, 0), measure(0, 0, (0.0, 0.3)), jump_unless(0, 4), gate(Op.X, 1), measure(1, 1)]
    bits = bits_of(noisy_program(2, 2, rows), 20_000)
    assert (bits[:, 0] == bits[:, 1]).all()
    assert abs(bits[:, 0].mean() - 0.7) < 0.02


SAVE = Save(SaveKind.PROBABILITIES, "p", "average")
LESS = BinaryOp.LESS
SUM = Binary(BinaryOp.ADD, Bits((0, 1)), uint(2, 1))


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        ([noise(resetting(0.9, 0.05, 0.01), 0, 1)], "noise with resets"),
        ([Operation(Op.SAVE, (), (0,), (), None, -1, save=0)], "saves data"),
        ([measure(0, 0), jump(0)], "a loop"),
        ([measure(0, 0), jump(3, Bit(0)), gate(Op.H, 1)], "operation 2, h, isn't a Pauli"),
        ([measure(0, 0), jump(3, Bit(0)), measure(1, 1)], "operation 2, measure, isn't a Pauli"),
        ([measure(0, 0), jump(3, Bit(0)), gate(Op.X, 1, controls=[0])], "operation 2, x, isn't a Pauli"),
        ([jump(2, Binary(LESS, Bits((0, 1)), SUM)), gate(Op.X, 0)], "arithmetic"),
        ([jump(2, Binary(LESS, Cast(FLOAT, Bits((0, 1))), Constant(FLOAT, 1.0))), gate(Op.X, 0)], "integers"),
        ([jump(2, Index(uint(2, 1), Bits((0, 1)))), gate(Op.X, 0)], "isn't fixed"),
        ([Operation(Op.STORE, (), (), (), None, -1, -1, (Bits((0, 1)), uint(2, 1)))], "single bits"),
    ],
)  # fmt: skip
def test_what_frames_leave_to_others(rows: list[Operation], why: str) -> None:
    program = program_of(rows, 2, 2, saves=(SAVE,)) if "saves" in why else program_of(rows, 2, 2)
    with pytest.raises(NotFramesError, match=why):
        frame_plan(program)


def test_nothing_to_do() -> None:
    silent = [noise(Channel.of(1, [Branch(1.0)]), 0), measure(0, 0, (0.0, 0.0))]
    assert not bits_of(noisy_program(1, 1, silent), 10).any()
    assert bits_of(noisy_program(0, 2, [store(1, Constant(BOOL, b"\x01"))]), 3).tolist() == [[False, True]] * 3
    assert not bits_of(noisy_program(3, 2, []), 3).any()


def test_many_conditions_need_few_rows_of_bits() -> None:
    rows: list[Operation] = [measure(0, 0)]
    for _ in range(500):
        rows += [jump_unless(0, len(rows) + 2), gate(Op.X, 0)]
    plan = frame_plan(noisy_program(1, 1, rows))
    assert plan.num_rows < plan.where + 10
