# SPDX-License-Identifier: Apache-2.0
"""Shots that part and meet again stay with their states."""

from __future__ import annotations

import numpy as np
import pytest

from qfleet_worker.engines.driver.shot_groups import TAIL, ShotGroups


def owners(crowd: ShotGroups) -> dict[int, int]:
    shots, numbers = crowd.settle()
    assert (np.diff(shots) > 0).all()
    return dict(zip(shots.tolist(), numbers.tolist(), strict=True))


@pytest.mark.parametrize("shots", [np.arange(300), np.arange(40, 340), np.arange(1, 900, 3), np.arange(7, 9000, 41)])
@pytest.mark.parametrize("seed", range(4))
def test_crowds_that_were_divided_are_joined(shots: np.ndarray, seed: int) -> None:
    rng = np.random.default_rng(seed)
    crowd = ShotGroups(shots)
    crowd.replace(shots, rng.integers(0, 6, len(shots)), 6)
    expected = owners(crowd)
    # Two states leave, then two of those left; the first to leave find others.
    first = crowd.divide(np.array([1, 0, 1, 0, 0, 0], np.bool_), np.array([0, 0, 1, 1, 2, 3]))
    second = crowd.divide(np.array([1, 0, 1, 0], np.bool_), np.array([0, 0, 1, 1]))
    assert owners(first) == {shot: {0: 0, 2: 1}[state] for shot, state in expected.items() if state in (0, 2)}
    if seed % 2:
        mine, numbers = first.settle()
        first.replace(mine, 1 - numbers, 2)
    crowd.join([second, first], [2, 2, 2])
    places = {3: 0, 5: 1, 1: 2, 4: 3} | ({0: 5, 2: 4} if seed % 2 else {0: 4, 2: 5})
    assert owners(crowd) == {shot: places[state] for shot, state in expected.items()}
    assert crowd.last_shots().tolist() == [
        max(shot for shot, state in expected.items() if places[state] == place) for place in range(6)
    ]


def test_a_crowd_may_have_lost_all_of_its_states() -> None:
    crowd, others = ShotGroups(np.arange(5)), ShotGroups(np.arange(5, 9))
    gone = crowd.divide(np.array([True]), np.array([0]))
    empty = others.divide(np.array([False]), np.array([0]))
    empty.join([crowd], [0, 0])
    assert owners(empty) == {}
    empty.join([gone, others], [0, 1, 1])
    assert owners(empty) == dict.fromkeys(range(5), 0) | dict.fromkeys(range(5, 9), 1)


def test_the_last_shot_of_a_state_may_be_far_from_the_end() -> None:
    shots = np.arange(10, 10 + 5 * TAIL)
    numbers = np.zeros(len(shots), np.int64)
    numbers[3] = 1
    numbers[-2] = 2
    crowd = ShotGroups(shots)
    crowd.replace(shots, numbers, 3)
    assert crowd.last_shots().tolist() == [shots[-1], 13, shots[-2]]
