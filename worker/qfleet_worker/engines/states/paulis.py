# SPDX-License-Identifier: Apache-2.0
"""Pauli strings as masks over a state's index, in groups that share an X mask.

Pauli t is ``i**popcount(x & z) * X**x * Z**z``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class PauliGroups(NamedTuple):
    """Paulis in groups, in ascending order of the X masks."""

    #: int64, shape (terms,): the place that each had before
    order: NDArray[np.int64]
    #: int64, shape (terms,)
    z_masks: NDArray[np.int64]
    #: float64, shape (terms,): what the real or the imaginary part of a sum is multiplied by
    signs: NDArray[np.float64]
    #: whether it is the imaginary part, shape (terms,)
    imaginary: NDArray[np.bool_]
    #: int64, shape (groups,): the distinct X masks
    x_masks: NDArray[np.int64]
    #: int64, shape (groups + 1,): where the terms of each begin
    starts: NDArray[np.int64]


def group_paulis(x_masks: NDArray[np.integer], z_masks: NDArray[np.integer]) -> PauliGroups:
    """Paulis by their masks, each of shape (terms,); bit i of a mask is bit i of a state's index."""
    x, z = x_masks.astype(np.int64), z_masks.astype(np.int64)
    order = np.argsort(x, kind="stable")
    x, z = x[order], z[order]
    ys = np.bitwise_count((x & z).astype(np.uint64)) & 3
    # i**ys times a sum that is real for an even number of Y, else imaginary.
    firsts = np.flatnonzero(np.concatenate([[True], x[1:] != x[:-1]])) if len(x) else np.zeros(0, np.int64)
    return PauliGroups(
        order=order,
        z_masks=z,
        signs=np.array([1.0, -1.0, -1.0, 1.0])[ys],
        imaginary=(ys & 1).astype(np.bool_),
        x_masks=x[firsts],
        starts=np.append(firsts, len(x)).astype(np.int64),
    )


def spread(masks: NDArray[np.int64], places: Sequence[int] | NDArray[np.int32]) -> NDArray[np.int64]:
    """Masks whose bit i is moved to bit ``places[i]``."""
    found = np.zeros_like(masks)
    for bit, place in enumerate(places):
        found |= (masks >> bit & 1) << int(place)
    return found
