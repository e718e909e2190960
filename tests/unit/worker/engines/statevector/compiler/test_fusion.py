# SPDX-License-Identifier: Apache-2.0
"""Fusion keeps the product of the rows, at any angles: blocks of each class, signs, SWAPs, terms."""

from __future__ import annotations

import drafts
import engine_oracle as oracle
import numpy as np
import pytest
from engine_oracle import UNITARY_OPS, op
from hypothesis import given, settings
from hypothesis import strategies as st

from qfleet.wire.program.operations import ANGLES, HAS_TABLE, Op
from qfleet.wire.program.program import Operation, Program
from qfleet_worker.engines.statevector.compiler import draft as columns

#: The first test compiles what it calls.
pytestmark = pytest.mark.timeout(600)
SPECIAL = [0.0, np.pi, np.pi / 2, -np.pi / 2, np.pi / 4, 2 * np.pi, 1e-9]
ONES = [Op.RZ, Op.RX, Op.RY, Op.H, Op.SX, Op.X, Op.Z, Op.T, Op.P]
PAIRS = {
    "cx": [(Op.X, 1)],
    "cz": [(Op.Z, 1)],
    "ecr": [(Op.ECR, 0)],
    "rotations": [(Op.RZZ, 0), (Op.RXX, 0), (Op.P, 1), (Op.RY, 1), (Op.RZX, 0)],
    "swaps": [(Op.SWAP, 0), (Op.ISWAP, 0), (Op.DCX, 0), (Op.X, 1)],
    "tables": [(Op.UNITARY, 0), (Op.DIAGONAL, 0), (Op.X, 1)],
}


def gate(rng: np.random.Generator, code: Op, controls: list[int], targets: list[int]) -> Operation:
    angles = np.where(
        rng.random(ANGLES[code]) < 0.5, rng.choice(SPECIAL, ANGLES[code]), rng.uniform(-7, 7, ANGLES[code])
    )
    table = oracle.random_table(rng, code, len(targets)) if HAS_TABLE[code] else None
    return op(code, targets, angles.tolist(), controls, table)


def random_rows(rng: np.random.Generator, num_qubits: int, pairs: list[tuple[Op, int]], length: int) -> Program:
    """Return rows that often stay on the same two qubits."""
    operations, pair = [], rng.permutation(num_qubits)[:2].tolist()
    for _ in range(length):
        if rng.random() < 0.15:
            pair = rng.permutation(num_qubits)[:2].tolist()
        if rng.random() < 0.5:
            operations.append(gate(rng, ONES[int(rng.integers(len(ONES)))], [], [pair[int(rng.integers(2))]]))
            continue
        code, controls = pairs[int(rng.integers(len(pairs)))]
        first, second = pair if rng.random() < 0.7 else pair[::-1]
        control = ~first if rng.random() < 0.2 else first
        operations.append(gate(rng, code, [control] if controls else [], [second] if controls else [first, second]))
    return oracle.program(num_qubits, 0, operations)


def swapped(program: Program) -> np.ndarray:
    """Return the matrix of the SWAPs that only exchange the wires of a program's qubits."""
    matrix = np.eye(1 << program.num_qubits)
    for each in program:
        if each.code in (Op.SWAP, Op.ISWAP) and not each.controls:
            matrix = oracle.full_matrix(op(Op.SWAP, each.targets), program.num_qubits) @ matrix
    return matrix


def check(rng: np.random.Generator, program: Program, split: bool, from_zero: bool) -> None:
    """Compare a draft with its rows, at their angles and with those replaced that aren't constants."""
    fixed = rng.random(len(program.params)) < rng.choice([0.0, 0.5, 1.0])
    draft = drafts.fused(program, fixed, split, from_zero)
    for _ in range(2):
        params = np.where(rng.random(len(fixed)) < 0.5, rng.choice(SPECIAL, len(fixed)), rng.uniform(-7, 7, len(fixed)))
        params = np.where(fixed, program.params, params)
        bound = oracle.program(program.num_qubits, 0, with_params(program, params))
        found, expected = swapped(program) @ drafts.draft_matrix(draft, params), oracle.unitary(bound)
        if from_zero:
            found, expected = found[:, :1], expected[:, :1]
        assert np.abs(found - expected).max() < 4e-12


def with_params(program: Program, params: np.ndarray) -> list[Operation]:
    operations, at = [], 0
    for each in program:
        operations.append(each._replace(params=tuple(params[at : at + len(each.params)])))
        at += len(each.params)
    return operations


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32), split=st.booleans(), from_zero=st.booleans(), num_qubits=st.integers(2, 4))
@pytest.mark.parametrize("pairs", PAIRS)
def test_rows_that_stay_on_two_wires(pairs: str, seed: int, split: bool, from_zero: bool, num_qubits: int) -> None:
    rng = np.random.default_rng(seed)
    check(rng, random_rows(rng, num_qubits, PAIRS[pairs], int(rng.integers(1, 25))), split, from_zero)


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 2**32), split=st.booleans())
def test_rows_of_all_operations(seed: int, split: bool) -> None:
    rng = np.random.default_rng(seed)
    operations = [oracle.random_operation(rng, 4, 0, UNITARY_OPS) for _ in range(int(rng.integers(1, 20)))]
    check(rng, oracle.program(4, 0, operations), split, False)


PAIR = [0, 1]
CX, BACK = op(Op.X, [1], controls=[0]), op(Op.X, [0], controls=[1])
RZ = op(Op.RZ, [1], [0.3])
H = op(Op.H, [1])
CZ = op(Op.Z, [1], controls=[0])
CLASSES = {
    "nothing": ([CX, CX], []),
    "one-qubit gates": ([CX, op(Op.RX, [1], [0.3]), op(Op.RX, [1], [0.4]), CX], [columns.DENSE]),
    "a diagonal": ([CX, RZ, CX], [columns.DIAGONAL]),
    "a SWAP": ([CX, BACK, CX], []),
    "a SWAP, then a diagonal": ([CX, BACK, RZ, CX], [columns.DIAGONAL]),
    "a controlled X": ([H, CZ, H], [columns.FLIP]),
    "a matrix": ([op(Op.RXX, PAIR, [0.3]), op(Op.RYY, PAIR, [0.4]), op(Op.RZZ, PAIR, [0.5])], [columns.DENSE]),
}


@pytest.mark.parametrize("split", [True, False])
@pytest.mark.parametrize("name", CLASSES)
def test_blocks_become_what_is_simplest(name: str, split: bool) -> None:
    operations, kinds = CLASSES[name]
    program = oracle.program(2, 0, operations)
    draft = drafts.fused(program, np.ones(len(program.params), np.bool_), split, True)
    assert set(drafts.kinds_of(draft)) == set(kinds)
    found = drafts.draft_matrix(draft, program.params)
    assert np.abs(found[:, 0] - oracle.unitary(program)[:, 0]).max() < 1e-12
