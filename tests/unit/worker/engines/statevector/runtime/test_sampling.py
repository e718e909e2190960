# SPDX-License-Identifier: Apache-2.0
"""The sampler against the cumulative distribution."""

from __future__ import annotations

import numpy as np
import pytest

from qfleet_worker.engines.numpy.sampling import Sampler as NumpySampler
from qfleet_worker.engines.statevector.runtime import sampling
from qfleet_worker.engines.statevector.runtime.sampling import Sampler
from qfleet_worker.engines.threads import ThreadTeam


def random_state(num_qubits: int, dtype: type, zeros: float = 0.0) -> np.ndarray:
    rng = np.random.default_rng(num_qubits)
    state = rng.normal(size=1 << num_qubits) + 1j * rng.normal(size=1 << num_qubits)
    state[1:][rng.random(len(state) - 1) < zeros] = 0
    return (state / np.linalg.norm(state)).astype(dtype)


@pytest.mark.parametrize("dtype", [np.complex128, np.complex64])
@pytest.mark.parametrize("num_qubits", [0, 1, 2, 9, 10, 11, 14])
@pytest.mark.parametrize("threads", [1, 2])
def test_it_inverts_the_distribution(num_qubits: int, dtype: type, threads: int) -> None:
    state = random_state(num_qubits, dtype)
    numbers = np.random.default_rng(1).random(5000)
    sampler = Sampler(state, ThreadTeam(threads))
    assert sampler.total == pytest.approx(1, abs=1e-5)
    found = sampler.find(numbers)
    ends = np.cumsum(np.abs(state.astype(np.complex128)) ** 2)
    points = numbers * ends[-1]
    # A point nearer to a border than rounding errors reach may fall on either side.
    clear = np.abs(ends[np.searchsorted(ends, points)] - points) > 1e-9
    assert clear.mean() > 0.99
    assert (found[clear] == np.searchsorted(ends, points, side="right")[clear]).all()
    assert (found == NumpySampler(state).find(numbers))[clear].all()
    assert sampler.find(numbers[100:101]).tolist() == found[100:101].tolist()


@pytest.mark.parametrize("dtype", [np.complex128, np.complex64])
@pytest.mark.parametrize("num_qubits", [1, 7, 13])
@pytest.mark.parametrize("threads", [1, 2, 5])
def test_counts_are_those_of_the_shots(num_qubits: int, dtype: type, threads: int) -> None:
    state = random_state(num_qubits, dtype, zeros=0.3)
    numbers = np.random.default_rng(1).random(70_000)
    found = Sampler(state, ThreadTeam(1)).find(numbers)
    assert Sampler(state, ThreadTeam(threads)).find(numbers).tolist() == found.tolist()
    total = np.zeros(len(state), np.int64)
    for indices, counts in Sampler(state, ThreadTeam(threads)).count(numbers.copy()):
        assert (np.diff(indices) > 0).all()
        total[indices] += counts
    assert total.tolist() == np.bincount(found, minlength=len(state)).tolist()


def test_longer_rows_find_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    state, numbers = random_state(14, np.complex128), np.random.default_rng(1).random(5000)
    found = Sampler(state, ThreadTeam(1)).find(numbers)
    monkeypatch.setattr(sampling, "MOST_ROWS", 8)
    assert Sampler(state, ThreadTeam(1)).find(numbers).tolist() == found.tolist()


@pytest.mark.parametrize("num_qubits", [3, 10, 13])
def test_it_finds_nothing_impossible(num_qubits: int) -> None:
    state = random_state(num_qubits, np.complex128, zeros=0.95)
    numbers = np.array([0.0, np.nextafter(1, 0), *np.random.default_rng(1).random(1000)])
    assert (state[Sampler(state, ThreadTeam(1)).find(numbers)] != 0).all()
    rows = np.zeros(1 << 13, np.complex128)
    rows[5000] = 1
    assert (Sampler(rows, ThreadTeam(1)).find(numbers) == 5000).all()
