# SPDX-License-Identifier: Apache-2.0
"""Expectation values of Paulis with any masks, against plain numpy."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from qfleet_worker.engines.states.paulis import group_paulis
from qfleet_worker.engines.statevector.runtime.paulis import expectation_values, expectation_values_of_states
from qfleet_worker.engines.threads import ThreadTeam


def exact(states: NDArray[np.complex128], x: int, z: int) -> NDArray[np.float64]:
    index = np.arange(states.shape[1])
    signs = 1 - 2 * (np.bitwise_count(index & z) & 1).astype(np.float64)
    found = (np.conj(states[:, index ^ x]) * signs * states).sum(axis=1) * 1j ** int(np.bitwise_count(x & z))
    assert np.abs(found.imag).max() < 1e-12
    return found.real


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.complex128, 1e-13), (np.complex64, 1e-5)])
@pytest.mark.parametrize("num_qubits", [1, 3, 5, 6, 7, 9, 10, 12])
def test_all_kinds_of_masks(num_qubits: int, dtype: type[np.complexfloating], tolerance: float) -> None:
    rng = np.random.default_rng(num_qubits)
    size = 1 << num_qubits
    states = rng.normal(size=(3, size)) + 1j * rng.normal(size=(3, size))
    states /= np.linalg.norm(states, axis=1)[:, None]
    # One X mask for each highest bit, some others, and one that is transformed.
    x = np.concatenate([1 << np.arange(num_qubits), rng.integers(0, size, 40), np.full(8, size // 2 + 1)]) % size
    z = rng.integers(0, size, len(x))
    expected = np.stack([exact(states, *masks) for masks in zip(x.tolist(), z.tolist(), strict=True)], axis=1)
    given = states.astype(dtype)
    paulis = group_paulis(x, z)
    assert np.abs(expectation_values_of_states(given, paulis, ThreadTeam(1)) - expected).max() < tolerance
    for state, values in zip(given, expected, strict=True):
        assert np.abs(expectation_values(state, paulis, ThreadTeam(2)) - values).max() < tolerance
