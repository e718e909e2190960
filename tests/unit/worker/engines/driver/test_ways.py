# SPDX-License-Identifier: Apache-2.0
"""Ways of shots at random events."""

from __future__ import annotations

import numpy as np
import pytest

from qfleet_worker.engines.driver.ways import are_certain, draw_ways


def test_a_number_below_the_weight_of_one_finds_one() -> None:
    weights = np.array([[0.75, 0.25], [0.0, 1.0], [1.0, 0.0]])
    numbers = np.array([0.0, 0.25, np.nextafter(0.25, 0), 0.9, 0.9, 0.0])
    states = np.array([0, 0, 0, 1, 2, 2])
    assert draw_ways(numbers, weights, states).astype(int).tolist() == [1, 0, 1, 1, 0, 0]


@pytest.mark.parametrize("one", [False, True])
@pytest.mark.parametrize("several", [False, True])
def test_negligible_ways_are_not_taken(one: bool, several: bool) -> None:
    weight = 1 - 1e-15 if one else 1e-15
    weights = np.array([[1 - weight, weight]] * (1 + several))
    numbers = np.full(3, np.nextafter(1.0, 0) if one else 0.0)
    assert draw_ways(numbers, weights, np.zeros(3, np.int64)).tolist() == [one] * 3


def test_intervals_lie_from_the_last_way_to_the_first() -> None:
    weights = np.array([[0.25, 0.5, 0.125, 0.125], [0.5, 0.0, 0.5, 0.0], [0.0, 0.0, 1.0, 0.0]])
    numbers = np.arange(8) / 8
    assert draw_ways(numbers, weights, np.zeros(8, np.int64)).tolist() == [3, 2, 1, 1, 1, 1, 0, 0]
    assert draw_ways(numbers, weights, np.ones(8, np.int64)).tolist() == [2, 2, 2, 2, 0, 0, 0, 0]
    assert draw_ways(numbers, weights, np.full(8, 2)).tolist() == [2] * 8


def test_rounding_errors_leave_no_number_without_a_way() -> None:
    weights = np.array([[0.0, 1 / 3, 2 / 3 - 1e-15]])
    assert draw_ways(np.array([np.nextafter(1.0, 0)]), weights, np.zeros(1, np.int64)).tolist() == [1]


def test_each_state_has_one_way() -> None:
    assert are_certain(np.array([[1.0, 0.0], [1e-15, 1 - 1e-15]]))
    assert not are_certain(np.array([[1.0, 0.0], [0.5, 0.5]]))
