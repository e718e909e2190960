# SPDX-License-Identifier: Apache-2.0
"""Each event has a stream of random numbers, of which each shot has its own."""

from __future__ import annotations

import numpy as np
import pytest

from qfleet_worker.engines.numpy_engine import randomness
from qfleet_worker.engines.numpy_engine.randomness import Uniforms


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


def test_numbers_that_were_dropped_are_drawn_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(randomness, "KEPT", 2000)
    some, uniforms = np.array([3, 500, 999]), Uniforms(5, 0, 1000)
    first = [uniforms.of(3, some, visit).tolist() for visit in range(8)]
    assert [uniforms.of(3, some, visit).tolist() for visit in range(8)] == first
    assert len(uniforms._whole) == 2
