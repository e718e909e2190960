# SPDX-License-Identifier: Apache-2.0
"""Ways of shots at a random event, drawn by their random numbers."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

#: Ways less probable than this are rounding errors: no shot goes them.
NEGLIGIBLE: Final = 1e-14


def are_certain(weights: NDArray[np.float64]) -> bool:
    """Tell whether there is a single way from each state.

    `weights` has the shape (states, ways).
    """
    return int(np.count_nonzero(weights > NEGLIGIBLE)) == len(weights)


def weights_of(effects: NDArray[np.complex128], densities: NDArray[np.complex128]) -> NDArray[np.float64]:
    """Return the probability of each effect in each state, shape (states, effects).

    Args:
        effects: shape (effects, side, side); they add up to the identity.
        densities: density matrices up to a factor, shape (states, side, side).
    """
    weights = np.maximum(np.einsum("kij,sji->sk", effects, densities).real, 0)
    probabilities: NDArray[np.float64] = weights / weights.sum(axis=1, keepdims=True)
    return probabilities


def draw_ways(
    numbers: NDArray[np.float64], weights: NDArray[np.float64], states: NDArray[np.int64]
) -> NDArray[np.integer] | NDArray[np.bool_]:
    """Return the way of each shot, shape (shots,).

    The ways share the numbers from 0 to 1, from the last way to the first: a shot goes the last way if its number is
    below that way's weight.

    Args:
        numbers: uniform in [0, 1), one for each shot.
        weights: the probabilities of the ways, shape (states, ways).
        states: the state of each shot.
    """
    # One number for a state or for each shot: the weight of a way and of all later ones.
    bounds = np.zeros(len(weights))
    drawn: NDArray[np.integer] | NDArray[np.bool_] | None = None
    for way in range(weights.shape[1] - 1, 0, -1):
        weight = weights[:, way]
        bounds = bounds + np.where(weight < NEGLIGIBLE, 0.0, weight)
        # If all earlier ways are negligible, no number may select them.
        rest = weights[:, 0] if way == 1 else weights[:, :way].max(axis=1)
        bound = np.where(rest < NEGLIGIBLE, 1.0, bounds)
        below = numbers < (bound[states] if len(bound) > 1 else bound[0])
        drawn = below if drawn is None else np.add(drawn, below, dtype=np.int64)
    return np.zeros(len(numbers), np.bool_) if drawn is None else drawn
