# SPDX-License-Identifier: Apache-2.0
"""Each point wants its observables, and each mean has its place."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra.numpy import mutually_broadcastable_shapes

from qfleet.jobs.layout import lay_out


def check(shape: tuple[int, ...], observables_shape: tuple[int, ...]) -> None:
    """Assert that each element of the broadcast arrays has one place, its own point and its own observable."""
    points = np.arange(np.prod(shape, dtype=int)).reshape(shape)
    observables = np.arange(np.prod(observables_shape, dtype=int)).reshape(observables_shape)
    pairs = np.broadcast(points, observables)
    wanted, places = lay_out(shape, observables_shape)
    assert wanted.dtype == np.int32
    assert wanted.shape == (points.size, pairs.size // max(points.size, 1))
    found = np.full((pairs.size, 2), -1)
    found[places] = [(point, number) for point, row in enumerate(wanted.tolist()) for number in row] or found
    assert [tuple(pair) for pair in found.tolist()] == list(pairs)


@settings(max_examples=300, deadline=None)
@given(mutually_broadcastable_shapes(num_shapes=2, min_side=0, max_dims=4, max_side=4))
def test_all_shapes(shapes: object) -> None:
    check(*shapes.input_shapes)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("shape", "observables_shape"),
    [((), ()), ((5,), ()), ((), (5,)), ((3, 1), (4,)), ((0,), (1,)), ((2, 1), (0,)), ((0, 3), (1,)), ((0,), (2, 1))],
)
def test_shapes(shape: tuple[int, ...], observables_shape: tuple[int, ...]) -> None:
    check(shape, observables_shape)


def test_an_observable_of_its_own_for_each_point() -> None:
    wanted, places = lay_out((2, 3), (2, 3))
    assert wanted.tolist() == [[0], [1], [2], [3], [4], [5]]
    assert places.tolist() == [0, 1, 2, 3, 4, 5]


def test_all_observables_at_all_points() -> None:
    wanted, places = lay_out((2,), (3, 1))
    assert wanted.tolist() == [[0, 1, 2], [0, 1, 2]]
    assert places.tolist() == [0, 2, 4, 1, 3, 5]


def test_no_observable_is_wanted_twice_at_a_point() -> None:
    for shapes in (((2, 1, 3), (4, 1)), ((1, 3), (2, 1)), ((3,), (2, 3))):
        wanted, _ = lay_out(*shapes)
        assert all(len(set(row)) == len(row) for row in wanted.tolist())


def test_shapes_that_dont_fit() -> None:
    with pytest.raises(ValueError, match="broadcast"):
        lay_out((2,), (3,))
