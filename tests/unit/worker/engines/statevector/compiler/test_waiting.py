# SPDX-License-Identifier: Apache-2.0
"""One-qubit gates that wait on a wire come to the product of all, whatever they are and whenever they become gates."""

from __future__ import annotations

import drafts
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qfleet_worker.engines.gates import codes
from qfleet_worker.engines.statevector.compiler import draft as columns
from qfleet_worker.engines.statevector.compiler.draft import add_flip, flip_last, instruct, room, write
from qfleet_worker.engines.statevector.compiler.gate_table import GATES, SHAPE
from qfleet_worker.engines.statevector.compiler.shapes import DIAGONAL, MIXED, REAL
from qfleet_worker.engines.statevector.compiler.tape import FILL, PHASE
from qfleet_worker.engines.statevector.compiler.waiting import add_one, flush, rotate, shape_of_wait, take_wait

#: The first test compiles what it calls.
pytestmark = pytest.mark.timeout(600)
SPECIAL = [0.0, np.pi, np.pi / 2, -np.pi / 2, 2 * np.pi, 4 * np.pi, 1e-9, 1e-14]
ROTATIONS = [codes.RX, codes.RY, codes.RZ, codes.P]
CONTROLLED_X = np.eye(4)[[0, 3, 2, 1]]


def rotation(code: int, angle: float) -> np.ndarray:
    """Return the matrix of a rotation."""
    cos, sin, phase = np.cos(angle / 2), np.sin(angle / 2), np.exp(0.5j * angle)
    return {
        codes.RX: np.array([[cos, -1j * sin], [-1j * sin, cos]]),
        codes.RY: np.array([[cos, -sin], [sin, cos]]),
        codes.RZ: np.diag([1 / phase, phase]),
        codes.P: np.diag([1, phase**2]),
    }[code]


def constant(rng: np.random.Generator) -> np.ndarray:
    """Return a matrix of any shape that the compiler knows, or of none."""
    a, b, c = np.where(rng.random(3) < 0.5, rng.choice(SPECIAL, 3), rng.uniform(-7, 7, 3))
    matrix = rotation(codes.RZ, a) @ rotation(ROTATIONS[int(rng.integers(2))], b) @ rotation(codes.P, c)
    if rng.random() < 0.2:
        matrix = [np.array([[0, 1], [1, 0]]), np.array([[1, 1], [1, -1]]) / np.sqrt(2), np.eye(2)][rng.integers(3)]
    return matrix * np.exp(1j * rng.choice(SPECIAL)) * (rng.uniform(0.6, 1.4) if rng.random() < 0.1 else 1)


@settings(max_examples=400, deadline=None)
@given(seed=st.integers(0, 2**32), split=st.booleans())
def test_gates_on_one_wire(seed: int, split: bool) -> None:
    """Constants and rotations wait; a controlled X that reads or changes the wire comes between some of them."""
    rng = np.random.default_rng(seed)
    number = int(rng.integers(1, 9))
    angles = np.where(rng.random(number) < 0.5, rng.choice(SPECIAL, number), rng.uniform(-7, 7, number))
    draft = drafts.empty(rng.uniform(-7, 7, number), np.zeros(number, np.bool_), 2, 4 * number, split)
    expected = np.eye(4, dtype=complex)
    for at in range(number):
        if rng.random() < 0.6:
            one = constant(rng)
            place = room(draft, 4)
            for entry in range(4):
                write(draft, place + entry, one.reshape(-1)[entry])
            add_one(draft, 0, place, shape_of_wait(draft, place))
        else:
            code = ROTATIONS[int(rng.integers(4))]
            one = rotation(code, angles[at])
            if not (code == codes.RZ and rotate(draft, 0, at)):
                place = room(draft, 4)
                instruct(draft, True, FILL, place, 4, code, at, 4)
                add_one(draft, 0, place, int(GATES.codes[code, SHAPE]))
        expected = np.kron(np.eye(2), one) @ expected
        kind = rng.random()
        if kind < 0.2:
            flips = flush(draft, 0, True)
            add_flip(draft, 1, 1, 1)
            flip_last(draft, flips)
            expected = np.eye(4)[[0, 3, 2, 1]] @ expected
        elif kind < 0.3:
            flush(draft, 0, False)
            add_flip(draft, 0, 2, 2)
            expected = np.eye(4)[[0, 1, 3, 2]] @ expected
    flush(draft, 0, False)
    assert np.abs(drafts.draft_matrix(draft, angles) - expected).max() < 1e-12
    for gate in drafts.gates_of(draft):
        if split and gate[columns.KIND] == columns.DENSE and abs(np.linalg.det(expected)) > 1 - 1e-9:
            pool = drafts.pool_at(draft, angles)[gate[columns.AT] :][:4]
            if gate[columns.SHAPE] & REAL:
                assert np.abs(pool.imag).max() == 0
            elif gate[columns.SHAPE] & MIXED:
                assert np.abs(pool[[0, 3]].imag).max() == np.abs(pool[[1, 2]].real).max() == 0


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 2**32), split=st.booleans())
def test_all_that_waits_is_taken_as_one_matrix(seed: int, split: bool) -> None:
    rng = np.random.default_rng(seed)
    draft = drafts.empty(np.zeros(0), np.zeros(0, np.bool_), 1, 8, split)
    expected = np.eye(2, dtype=complex)
    for _ in range(int(rng.integers(1, 6))):
        one = constant(rng)
        place = room(draft, 4)
        for entry in range(4):
            write(draft, place + entry, one.reshape(-1)[entry])
        add_one(draft, 0, place, shape_of_wait(draft, place))
        expected = one @ expected
    place = take_wait(draft, 0)
    taken = draft.pool[place : place + 4].reshape(2, 2) if place >= 0 else np.eye(2)
    pool = drafts.pool_at(draft, np.zeros(0))
    assert np.abs(taken * pool[PHASE] - expected).max() < 1e-12
    assert drafts.gates_of(draft).size == 0


@pytest.mark.parametrize("split", [True, False])
def test_diagonals_stay_apart_from_real_matrices_only_where_these_are_split(split: bool) -> None:
    draft = drafts.empty(np.zeros(0), np.zeros(0, np.bool_), 1, 8, split)
    for one in (rotation(codes.P, 0.3), rotation(codes.RY, 0.4), rotation(codes.P, 0.5)):
        place = room(draft, 4)
        for entry in range(4):
            write(draft, place + entry, one.reshape(-1)[entry])
        add_one(draft, 0, place, shape_of_wait(draft, place))
    assert not draft.wait_shapes[0] & DIAGONAL
    flush(draft, 0, False)
    assert drafts.kinds_of(draft) == ([columns.DIAGONAL, columns.DENSE, columns.DIAGONAL] if split else [columns.DENSE])
