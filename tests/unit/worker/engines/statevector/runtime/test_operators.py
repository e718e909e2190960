# SPDX-License-Identifier: Apache-2.0
"""Matrices that states are multiplied by, and what states answer on a few wires, against dense matrices."""

from __future__ import annotations

import numpy as np
import pytest
from engine_oracle import full_matrix, op
from numpy.typing import NDArray

from qfleet.wire.program.operations import Op
from qfleet_worker.engines.machine_code.loading import load_if_ready
from qfleet_worker.engines.states.operators import Factor, OperatorStep
from qfleet_worker.engines.statevector.compiler.plan import Wide
from qfleet_worker.engines.statevector.runtime.batch import BatchSource
from qfleet_worker.engines.statevector.runtime.state import State
from qfleet_worker.engines.threads import ThreadTeam

Matrix = NDArray[np.complex128]
WIRES = 7
TOLERANCES = {np.dtype(np.complex128): 1e-13, np.dtype(np.complex64): 3e-6}
DTYPES = list(TOLERANCES)


@pytest.fixture(autouse=True)
def machine_code() -> None:
    load_if_ready()


def matrix(rng: np.random.Generator, width: int, diagonal: bool) -> Matrix:
    side = 1 << width
    entries = rng.normal(size=(side, side)) + 1j * rng.normal(size=(side, side))
    entries *= np.eye(side) if diagonal else 1
    if diagonal:
        entries[0, 0] = 1
    return np.asarray(entries / np.linalg.norm(entries, 2))


def on_all(small: Matrix, wires: list[int], controls: tuple[int, ...] = ()) -> Matrix:
    return np.asarray(full_matrix(op(Op.UNITARY, wires, controls=controls, table=small.copy()), WIRES))


def density(vector: Matrix, wires: list[int]) -> Matrix:
    tensor = vector.reshape((2,) * WIRES).transpose(
        [WIRES - 1 - wire for wire in reversed(wires)]
        + [axis for axis in range(WIRES) if WIRES - 1 - axis not in wires]
    )
    flat = tensor.reshape(1 << len(wires), -1)
    return np.asarray(flat @ flat.conj().T)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("width", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("threads", [1, 3])
def test_a_state_that_is_known_in_part(dtype: np.dtype[np.complexfloating], width: int, threads: int) -> None:
    for seed in range(20):
        rng = np.random.default_rng(seed)
        state, vector = State(WIRES, dtype, ThreadTeam(threads)), np.zeros(1 << WIRES, np.complex128)
        state._all[:] = np.nan  # what isn't known is never read
        state.clear()
        ones = rng.permutation(WIRES)[: int(rng.integers(WIRES))].tolist()
        state.values = dict.fromkeys(ones, 1)
        vector[sum(1 << wire for wire in ones)] = 1
        for _ in range(3):
            wires = rng.permutation(WIRES)[:width].tolist()
            small = matrix(rng, width, bool(rng.integers(2)))
            state.multiply(wires, small)
            vector = on_all(small, wires) @ vector
        vector /= np.linalg.norm(vector)
        state.scale(1 / np.sqrt(state.norm_squared()))
        assert state.norm_squared() == pytest.approx(1, abs=TOLERANCES[dtype])
        asked = rng.permutation(WIRES)[: min(width, 3)].tolist()
        expected = density(vector, asked)
        assert np.abs(state.density_matrix(asked) - expected).max() < TOLERANCES[dtype]
        assert np.abs(state.populations(asked) - expected.diagonal().real).max() < TOLERANCES[dtype]
        state.settle()
        assert np.abs(state.amplitudes - vector).max() < TOLERANCES[dtype]


@pytest.mark.parametrize("width", [1, 2, 3, 4])
def test_a_matrix_under_controls(width: int) -> None:
    for seed in range(10):
        rng = np.random.default_rng(seed)
        wires, small = rng.permutation(WIRES).tolist(), matrix(rng, width, bool(seed % 2))
        state = State(WIRES, np.dtype(np.complex128), ThreadTeam(1))
        vector = rng.normal(size=1 << WIRES) + 1j * rng.normal(size=1 << WIRES)
        state.take_over(vector.copy())
        on, off = wires[width], wires[width + 1]
        state.apply([Wide(tuple(wires[:width]), 1 << on | 1 << off, 1 << on, small)], 0)
        expected = on_all(small, wires[:width], (on, ~off)) @ vector
        assert np.abs(state.amplitudes - expected).max() < 1e-12


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("width", [1, 2, 3])
def test_rows_of_a_batch(dtype: np.dtype[np.complexfloating], width: int) -> None:
    for seed in range(10):
        rng = np.random.default_rng(seed)
        source = BatchSource(State(WIRES, dtype, ThreadTeam(1)), 1 << 20, ThreadTeam(1))
        batch = source.begin().fork(np.zeros(5, np.int64))
        vectors = rng.normal(size=(5, 1 << WIRES)) + 1j * rng.normal(size=(5, 1 << WIRES))
        vectors /= np.linalg.norm(vectors, axis=1)[:, None]
        batch._states[:] = vectors
        wires = rng.permutation(WIRES)[:width].tolist()
        for row, vector in enumerate(vectors):
            expected = density(vector, wires)
            assert np.abs(batch.densities(np.array([row]), wires)[0] - expected).max() < TOLERANCES[dtype]
            assert np.abs(batch.populations(wires)[row] - expected.diagonal().real).max() < TOLERANCES[dtype]
        small = matrix(rng, width, bool(seed % 2))
        step = OperatorStep((((Factor(tuple(wires), small)),),))
        batch.branch(step, np.ones((5, 1), np.bool_), np.full((5, 1), 0.25))
        expected = vectors @ on_all(small, wires).T * 2
        assert np.abs(batch._states - expected).max() < 4 * TOLERANCES[dtype]
        norms = (np.abs(expected) ** 2).sum(axis=1)
        assert np.abs(batch.norms() - norms).max() < 10 * TOLERANCES[dtype]
        batch.scale(1 / np.sqrt(norms))
        assert np.abs(batch.norms() - 1).max() < 10 * TOLERANCES[dtype]
