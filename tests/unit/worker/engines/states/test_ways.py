# SPDX-License-Identifier: Apache-2.0
"""Numbers of the states that ways lead to."""

from __future__ import annotations

import numpy as np

from qfleet_worker.engines.states.ways import Ways

TAKEN = np.array([[1, 0, 1], [0, 1, 0], [1, 1, 1]], bool)


def test_the_first_way_is_gone_in_place_and_each_further_one_by_a_new_state() -> None:
    ways = Ways.of(TAKEN)
    assert ways.first.tolist() == [0, 1, 0]
    assert list(zip(ways.states.tolist(), ways.ways.tolist(), strict=True)) == [(0, 2), (2, 1), (2, 2)]
    assert ways.numbers(3).tolist() == [[0, -1, 3], [-1, 1, -1], [2, 4, 5]]


def test_ways_without_room_lead_nowhere() -> None:
    ways = Ways.of(TAKEN)
    assert ways.limited(3) is ways
    assert ways.limited(1).numbers(3).tolist() == [[0, -1, 3], [-1, 1, -1], [2, -1, -1]]
