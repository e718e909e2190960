# SPDX-License-Identifier: Apache-2.0
"""Random numbers of blocks, and logarithms that are the same on all machines."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numba import njit

from qfleet_worker.engines.stabilizer.kernels import chances
from qfleet_worker.engines.stabilizer.kernels.rows import WORDS


@njit
def logarithms(words: np.ndarray) -> np.ndarray:
    found = np.empty(len(words))
    for at in range(len(words)):
        found[at] = chances.logarithm(words[at])
    return found


@njit
def drawn(seed: int, block: int, count: int) -> np.ndarray:
    streams = np.empty(6 * WORDS, np.uint64)
    chances.start_streams(streams, seed, block)
    found = np.empty(count, np.uint64)
    for at in range(count):
        found[at] = chances.next_word(streams)
    return found


@njit
def places(seed: int, per_log: float, count: int) -> np.ndarray:
    streams = np.empty(6 * WORDS, np.uint64)
    chances.start_streams(streams, seed, 0)
    found = np.empty(count, np.int64)
    for at in range(count):
        found[at] = chances.places_before_error(streams, per_log)
    return found


def words() -> np.ndarray:
    rng = np.random.default_rng(1)
    every = [0, 1 << 11, (1 << 64) - 1, (1 << 64) - (1 << 11), 1 << 63, (1 << 63) - 1]
    every += [int(rng.integers(1 << 53)) << int(shift) for shift in range(12) for _ in range(200)]
    return np.array(every, np.uint64)


def test_logarithms_are_exact_enough() -> None:
    for word, found in zip(words().tolist(), logarithms(words()).tolist(), strict=True):
        exact = math.log((word >> 11 | 1) / 2**53)
        assert abs(found - exact) <= 4e-16 * max(1, abs(exact))


def test_logarithms_are_sums_and_products_that_are_rounded_one_by_one() -> None:
    """Python's floats never fuse a product and a sum."""
    for word, found in zip(words().tolist(), logarithms(words()).tolist(), strict=True):
        odd = word >> 11 | 1
        zeros = 64 - odd.bit_length()
        whole = odd << zeros
        interval = (whole >> 56) & 127
        rest = float(whole >> 11) * 2.0**-52 * float(chances._RECIPROCALS[interval]) - 1.0
        series = rest * (1 / 5 - rest * (1 / 6 - rest * (1 / 7)))
        series = rest * (1 / 2 - rest * (1 / 3 - rest * (1 / 4 - series)))
        exact = float(chances._LOGARITHMS[interval]) + rest * (1.0 - series)
        assert found == exact - (zeros - 10) * chances._LOGARITHM_OF_2


def xoshiro(state: list[int]) -> int:
    """Return the next number of xoshiro256++."""

    def turned(word: int, bits: int) -> int:
        return (word << bits | word >> 64 - bits) & mask

    mask = (1 << 64) - 1
    a, b, c, d = state
    result = turned(a + d & mask, 23) + a & mask
    c, d, shifted = c ^ a, d ^ b, b << 17 & mask
    state[:] = a ^ d, b ^ c, c ^ shifted, turned(d, 45)
    return result


def test_numbers_are_those_of_the_generator_and_the_same_for_ever() -> None:
    mask = (1 << 64) - 1

    def mixed(word: int) -> int:
        word = (word ^ word >> 30) * 0xBF58476D1CE4E5B9 & mask
        word = (word ^ word >> 27) * 0x94D049BB133111EB & mask
        return word ^ word >> 31

    seed, block = 123456789, 77
    word = mixed(mixed(seed ^ 0x71F1C5F00D5EED01) + block & mask)
    filled = [mixed(word + 0x9E3779B97F4A7C15 * (place + 1) & mask) for place in range(4 * WORDS)]
    states = [filled[lane::WORDS] for lane in range(WORDS)]
    assert drawn(seed, block, 64).tolist() == [xoshiro(states[at % WORDS]) for at in range(64)]


@pytest.mark.parametrize("chance", [0.0004, 0.03, 0.4, 0.9, 1.0])
def test_places_before_errors_are_geometric(chance: float) -> None:
    count = 200_000
    found = places(5, chances.places_per_log(chance), count)
    assert abs(found.mean() - (1 - chance) / chance) <= 4 * math.sqrt(1 - chance) / chance / math.sqrt(count)
    for least in (1, 2, 10):
        expected = (1 - chance) ** least
        assert abs((found >= least).mean() - expected) <= 4 * math.sqrt(expected / count) + 1e-9


def test_chances_that_hardly_exist() -> None:
    assert (places(1, chances.places_per_log(5e-324), 1000) > 1e12).all()
    assert (places(1, chances.places_per_log(1e-20), 1000) > 1e3).all()
