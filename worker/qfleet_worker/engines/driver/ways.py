# SPDX-License-Identifier: Apache-2.0
"""Ways of shots at a random event, drawn by their random numbers."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

#: Ways less probable than this are rounding errors: no shot goes them.
NEGLIGIBLE: Final = 1e-14


def are_certain(weights: NDArray[np.float64]) -> bool:
    """Tell whether there is a single way from each state; `weights` has the shape (states, ways)."""
    return int(np.count_nonzero(weights > NEGLIGIBLE)) == len(weights)


def draw_ways(
    numbers: NDArray[np.float64], weights: NDArray[np.float64], states: NDArray[np.int64]
) -> NDArray[np.integer] | NDArray[np.bool_]:
    """Return the way of each shot, shape (shots,).

    The ways share the numbers from 0 to 1 from the last way to the first: a shot goes the last way if its number is
    below the weight of that.

    Args:
        numbers: uniform in [0, 1), one for each shot.
        weights: the probabilities of the ways, shape (states, ways).
        states: the state of each shot.
    """
    weights = np.where(weights < NEGLIGIBLE, 0.0, weights)
    # Column w - 1: the weight of way w and of all later ones. If all earlier ones are out of question, it is all.
    bounds = np.cumsum(weights[:, :0:-1], axis=1)[:, ::-1]
    bounds[np.cumsum(weights[:, :-1], axis=1) == 0] = 1.0
    if len(bounds) > 1:
        bounds = bounds[states]
    drawn: NDArray[np.integer] | NDArray[np.bool_] = numbers < bounds[:, 0]
    for later in range(1, bounds.shape[1]):
        drawn = np.add(drawn, numbers < bounds[:, later], dtype=np.int64)
    return drawn
