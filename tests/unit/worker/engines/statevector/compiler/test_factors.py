# SPDX-License-Identifier: Apache-2.0
"""Matrices are the products of the factors that are found for them."""

from __future__ import annotations

import engine_oracle as oracle
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qfleet.wire.program.operations import Op
from qfleet_worker.engines.statevector.compiler import factors

SPECIAL = [0.0, np.pi, np.pi / 2, -np.pi / 2, np.pi / 4, 2 * np.pi, -np.pi, 1e-9, 1e-5, 2.3e-313]
SWAP = np.eye(4)[[0, 2, 1, 3]]
ANGLE = st.one_of(st.sampled_from(SPECIAL), st.floats(-7, 7))


def one_qubit(angles: list[float]) -> np.ndarray:
    """U of three angles and a phase."""
    theta, phi, lam, phase = angles
    cos, sin = np.cos(theta / 2), np.sin(theta / 2)
    matrix = np.array([[cos, -np.exp(1j * lam) * sin], [np.exp(1j * phi) * sin, np.exp(1j * (phi + lam)) * cos]])
    return np.exp(1j * phase) * matrix


ONE = st.lists(ANGLE, min_size=4, max_size=4).map(one_qubit)


def between(locals_: list[np.ndarray], entries: np.ndarray) -> np.ndarray:
    """Return a diagonal between one-qubit matrices, those of the higher bit first."""
    high_left, high_right, low_left, low_right = locals_
    return np.kron(high_left, low_left) @ np.diag(entries) @ np.kron(high_right, low_right)


def placed(matrix: np.ndarray) -> np.ndarray:
    """Return a pool with a matrix, and room for all that is found."""
    return np.concatenate([matrix.reshape(-1), np.full(80, 7 + 7j)])


@settings(deadline=None)
@given(one=ONE)
def test_one_qubit_matrices_split_into_real_ones_and_diagonals(one: np.ndarray) -> None:
    pool = placed(one)
    factors.write_split(pool, 0, 20)
    last, middle, first = pool[20:32].reshape(3, 2, 2)
    assert np.abs(last @ middle @ first - one).max() < 1e-12
    assert np.abs(middle.imag).max() == 0
    for each in (last, first):
        assert np.abs(each - np.diag(np.diag(each))).max() == 0
        assert np.abs(np.abs(np.diag(each)) - 1).max() < 1e-12


@settings(deadline=None)
@given(high=ONE, low=ONE, swapped=st.booleans())
def test_matrices_of_rank_1(high: np.ndarray, low: np.ndarray, swapped: bool) -> None:
    matrix = np.kron(high, low) @ (SWAP if swapped else np.eye(4))
    pool = placed(matrix)
    assert factors.find_rank(pool, 0, swapped, 16) == 1
    if swapped:
        assert factors.find_rank(pool, 0, False, 16) == 3
        pool = placed(matrix @ SWAP)
        factors.find_rank(pool, 0, False, 16)
    assert factors.write_one_qubit_factors(pool, 0, 16, 60, 64)
    assert np.abs(np.kron(pool[60:64].reshape(2, 2), pool[64:68].reshape(2, 2)) - np.kron(high, low)).max() < 1e-12


@settings(deadline=None)
@given(locals_=st.lists(ONE, min_size=4, max_size=4), phases=st.lists(ANGLE, min_size=4, max_size=4))
def test_matrices_of_rank_2(locals_: list[np.ndarray], phases: list[float]) -> None:
    matrix = between(locals_, np.exp(1j * np.array(phases)))
    pool = placed(matrix)
    rank = factors.find_rank(pool, 0, False, 16)
    turn = np.exp(1j * (phases[0] + phases[3] - phases[1] - phases[2]))
    assert rank == 1 if abs(turn - 1) < 1e-13 else rank <= 2
    if rank == 2 and factors.find_locals(pool, 16, 60):
        factors.write_phases(pool, 0, 60, 80)
        found = pool[60:76].reshape(4, 2, 2)
        both, high, low = pool[81], pool[82:86].reshape(2, 2), pool[86:90].reshape(2, 2)
        diagonal = pool[80] * np.diag(np.kron(high, low)) * np.array([1, 1, 1, both])
        error = np.abs(between(list(found), diagonal) - matrix).max()
        # Where the diagonal is nearly none, the locals may not be found; then it says so.
        assert error < 4e-12 if factors.is_product(pool, 0, 60, 80) else abs(turn - 1) < 1e-3
    elif rank == 2:
        assert abs(turn - 1) < 1e-3


@settings(deadline=None)
@given(seed=st.integers(0, 2**32))
def test_any_other_matrix_has_a_higher_rank(seed: int) -> None:
    pool = placed(oracle.random_table(np.random.default_rng(seed), Op.UNITARY, 2))
    assert factors.find_rank(pool, 0, False, 16) == 3
    assert factors.find_rank(pool, 0, True, 16) == 3


@pytest.mark.parametrize("scale", [0.0, 1e-5, 1e5])
def test_what_is_far_from_unitary_has_no_rank(scale: float) -> None:
    assert factors.find_rank(placed(scale * np.eye(4)), 0, False, 16) == 3
