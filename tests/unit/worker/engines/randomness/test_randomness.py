# SPDX-License-Identifier: Apache-2.0
"""Each event has a stream of random numbers, of which each shot has its own."""

from __future__ import annotations

import numpy as np
import pytest

from qfleet_worker.engines.randomness.pcg64 import BLOCK, REACH, numbers_at
from qfleet_worker.engines.randomness.uniforms import Uniforms


def test_a_shots_number_depends_on_seed_event_and_shot_alone() -> None:
    whole = Uniforms(5, 0, 1000).of(3, np.arange(1000))
    some = np.array([0, 7, 8, 500, 999])
    assert Uniforms(5, 0, 1000).of(3, some).tolist() == whole[some].tolist()
    assert Uniforms(5, 0, 1000).of(3, some[3:4]).tolist() == whole[500:501].tolist()
    assert Uniforms(5, 400, 600).of(3, np.array([100, 599])).tolist() == whole[[500, 999]].tolist()


def test_seeds_and_events_have_streams_of_their_own() -> None:
    shots = np.arange(20_000)
    streams = np.array([Uniforms(seed, 0, 20_000).of(event, shots) for seed in (1, 2, 2**62) for event in range(4)])
    correlations = np.corrcoef(streams) - np.eye(len(streams))
    assert np.abs(correlations).max() < 6 / np.sqrt(20_000)


def test_uniform_in_the_unit_interval() -> None:
    numbers = Uniforms(9, 0, 100_000).of(0, np.arange(100_000))
    counts = np.histogram(numbers, 50, (0, 1))[0]
    assert counts.sum() == 100_000
    assert ((counts - 2000) ** 2 / 2000).sum() < 49 + 6 * np.sqrt(98)


def test_each_visit_of_an_event_has_a_stream_of_its_own() -> None:
    shots = np.arange(20_000)
    streams = np.array([Uniforms(5, 0, 20_000).of(3, shots, visit) for visit in range(6)])
    assert np.abs(np.corrcoef(streams) - np.eye(6)).max() < 0.04
    assert streams[0].tolist() == Uniforms(5, 0, 20_000).of(3, shots).tolist()


@pytest.mark.parametrize("wanted", [1, 2, 700, 4000, 20_000])
@pytest.mark.parametrize("first_shot", [0, 1_000_003])
def test_many_shots_and_few_get_the_numbers_that_all_get(wanted: int, first_shot: int) -> None:
    """The numbers of numpy's PCG64, one for each shot, whichever way they are had."""
    shots, seed, event, visit = 50_000, 2**70, 3, 7
    key = np.random.PCG64([seed, event, visit]).advance(first_shot)
    whole = np.random.Generator(key).random(shots)
    some = np.sort(np.random.default_rng(wanted).choice(shots, wanted, replace=False))
    uniforms = Uniforms(seed, first_shot, shots)
    assert uniforms.of(event, some, visit).tolist() == whole[some].tolist()
    assert uniforms.of(event, np.arange(shots), visit).tolist() == whole.tolist()
    assert uniforms.of(event, some, visit).tolist() == whole[some].tolist()


def test_numbers_stay_when_others_are_drawn() -> None:
    uniforms = Uniforms(5, 0, 1000)
    every_second = np.arange(0, 1000, 2)
    first = uniforms.of(3, every_second)
    kept = first.tolist()
    uniforms.of(4, every_second)
    assert first.tolist() == kept


def test_single_numbers_as_far_as_a_stream_is_reached() -> None:
    places = np.array([0, 1, BLOCK - 2, BLOCK - 1, BLOCK, 12_345, REACH - 2, REACH - 1])
    stream = np.random.PCG64(1)
    found = numbers_at(stream, places)
    assert found.tolist() == [np.random.Generator(np.random.PCG64(1).advance(at)).random() for at in places.tolist()]
    assert stream.state == np.random.PCG64(1).state


def test_shots_farther_apart_than_a_stream_is_reached() -> None:
    some = np.array([0, REACH])
    alone = [Uniforms(5, shot, 1).of(3, np.array([0]))[0] for shot in (0, REACH)]
    assert Uniforms(5, 0, REACH + 1).of(3, some).tolist() == alone
