# SPDX-License-Identifier: Apache-2.0
"""Samples follow the probabilities, in any order of magnitude and across the borders of rows and parts."""

from __future__ import annotations

import numpy as np
import pytest

from qfleet_worker.engines.numpy.sampling import Sampler


def state(size: int, seed: int, dtype: type = np.complex128) -> np.ndarray:
    rng = np.random.default_rng(seed)
    amplitudes = rng.normal(size=size) + 1j * rng.normal(size=size)
    amplitudes[1:] *= rng.random(size - 1) > 0.5
    return (amplitudes / np.linalg.norm(amplitudes)).astype(dtype)


@pytest.mark.parametrize("dtype", [np.complex128, np.complex64])
@pytest.mark.parametrize(("row", "part"), [(1 << 10, 1 << 17), (4, 8), (16, 16)])
@pytest.mark.parametrize("size", [1, 2, 64])
def test_frequencies(size: int, row: int, part: int, dtype: type) -> None:
    amplitudes = state(size, 3, dtype)
    exact = np.abs(amplitudes.astype(np.complex128)) ** 2
    exact /= exact.sum()
    shots = 200_000
    seen = np.bincount(Sampler(amplitudes, row, part).find(np.random.default_rng(1).random(shots)), minlength=size)
    assert (seen[exact == 0] == 0).all()
    at = exact > 0
    chi_square = ((seen[at] - shots * exact[at]) ** 2 / (shots * exact[at])).sum()
    assert chi_square < at.sum() + 6 * np.sqrt(2 * at.sum()) + 5


def test_the_same_points_give_the_same_samples_by_one_level_or_two() -> None:
    amplitudes = state(1 << 9, 5)
    draws = [Sampler(amplitudes, row).find(np.random.default_rng(7).random(50_000)) for row in (1 << 10, 8)]
    assert (draws[0] == draws[1]).mean() > 0.9999


#: The two ends of [0, 1).
ENDS = np.where(np.arange(10) % 2, np.nextafter(1.0, 0), 0.0)


@pytest.mark.parametrize("dtype", [np.complex128, np.complex64])
@pytest.mark.parametrize("seed", range(20))
def test_the_ends_of_the_unit_interval_find_what_is_possible(seed: int, dtype: type) -> None:
    amplitudes = state(1 << 13, seed, dtype)
    amplitudes[: 1 << 11] = amplitudes[-(1 << 11) :] = 0
    amplitudes /= np.linalg.norm(amplitudes)
    found = Sampler(amplitudes).find(ENDS)
    assert (amplitudes[found] != 0).all()
    assert set(found.tolist()) == {int(np.flatnonzero(amplitudes)[0]), int(np.flatnonzero(amplitudes)[-1])}


def test_shots_are_in_the_order_of_the_draws() -> None:
    amplitudes = np.full(1 << 12, 2.0**-6, complex)
    points = np.random.default_rng(3).random(1000)
    assert Sampler(amplitudes).find(points).tolist() == (points * (1 << 12)).astype(int).tolist()


def test_a_numbers_sample_does_not_depend_on_the_others() -> None:
    sampler = Sampler(state(1 << 13, 8))
    numbers = np.random.default_rng(4).random(3000)
    found = sampler.find(numbers)
    assert sampler.find(numbers[1::7]).tolist() == found[1::7].tolist()
    assert [int(sampler.find(numbers[at : at + 1])[0]) for at in range(20)] == found[:20].tolist()
