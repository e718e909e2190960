# SPDX-License-Identifier: Apache-2.0
"""The layout of an estimator PUB's observables and results."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray


def lay_out(shape: tuple[int, ...], observables_shape: tuple[int, ...]) -> tuple[NDArray[np.int32], NDArray[np.intp]]:
    """Return each parameter set's observables, and their values' places.

    Args:
        shape: the shape of the array of parameter sets.
        observables_shape: the shape of the array of observables, which is broadcast against it.

    Returns:
        The observables' numbers, int32, shape (sets, columns); and the place of each expectation value in the flat
        array of the result, shape (sets * columns,).
    """
    whole = np.broadcast_shapes(shape, observables_shape)
    sets = np.broadcast_to(np.arange(math.prod(shape)).reshape(shape), whole).reshape(-1)
    observables = np.broadcast_to(np.arange(math.prod(observables_shape)).reshape(observables_shape), whole)
    # Broadcasting repeats each parameter set equally often.
    places = np.argsort(sets, kind="stable")
    rows = math.prod(shape)
    wanted = observables.reshape(-1)[places].reshape(rows, len(sets) // max(rows, 1))
    return wanted.astype(np.int32), places
