# SPDX-License-Identifier: Apache-2.0
"""Random words are found by their number: those of numpy's Philox."""

from __future__ import annotations

import numpy as np
import pytest

from qfleet_worker.engines.randomness.philox import blocks
from qfleet_worker.engines.randomness.uniforms import Uniforms


@pytest.mark.parametrize("counter", [(0, 0), (3, 7), (2**40, 2**62)])
def test_a_block_is_that_of_numpy(counter: tuple[int, int]) -> None:
    key = (2**63 + 12345, 987654321)
    # numpy counts up before it gives a block.
    wanted = np.random.Philox(key=np.array(key, np.uint64), counter=[*counter, 0, 0]).random_raw(4)
    found = blocks(key, (np.array([counter[0] + 1], np.uint64), np.array([counter[1]], np.uint64)))
    assert found.tolist() == [wanted.tolist()]


def test_a_shots_words_depend_on_seed_event_and_shot_alone() -> None:
    whole = Uniforms(5, 0, 100).words(3, np.arange(100), 9)
    assert np.array_equal(Uniforms(5, 40, 60).words(3, np.array([0, 7, 59]), 6), whole[[40, 47, 99], :6])
    assert not np.array_equal(Uniforms(6, 0, 100).words(3, np.arange(100), 9), whole)
    assert not np.array_equal(Uniforms(5, 0, 100).words(4, np.arange(100), 9), whole)
    assert Uniforms(5, 0, 100).words(3, np.arange(100), 0).shape == (100, 0)


def test_each_bit_is_one_half_of_the_time() -> None:
    bits = np.unpackbits(Uniforms(9, 0, 4000).words(0, np.arange(4000), 5).view(np.uint8), axis=1).astype(float)
    assert np.abs(bits.mean(axis=0) - 0.5).max() < 6 * 0.5 / np.sqrt(4000)
    assert np.abs(np.corrcoef(bits.T) - np.eye(320)).max() < 6 / np.sqrt(4000)
