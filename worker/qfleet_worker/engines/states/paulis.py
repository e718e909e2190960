# SPDX-License-Identifier: Apache-2.0
"""Pauli strings as masks over a state's index.

They are in groups that share an X mask. Pauli t is ``i**popcount(x & z) * X**x * Z**z``.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

#: Paulis whose groups are kept; they take some 40 bytes each.
KEPT_TERMS: Final = 1 << 14


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
    """Group Paulis by their X masks.

    Args:
        x_masks: shape (terms,); bit i of a mask is bit i of a state's index.
        z_masks: the same for Z.
    """
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


def group_again(x_masks: NDArray[np.int64], z_masks: NDArray[np.int64]) -> PauliGroups:
    """Group Paulis as `group_paulis` does, and cache the groups.

    The next parameter set of the same circuit has the same groups.
    """
    if len(x_masks) > KEPT_TERMS:
        return group_paulis(x_masks, z_masks)
    return _group_bytes(x_masks.tobytes(), z_masks.tobytes())


@lru_cache(maxsize=8)
def _group_bytes(x_masks: bytes, z_masks: bytes) -> PauliGroups:
    return group_paulis(np.frombuffer(x_masks, np.int64), np.frombuffer(z_masks, np.int64))


def spread(masks: NDArray[np.int64], places: Sequence[int] | NDArray[np.int32]) -> NDArray[np.int64]:
    """Return masks whose bit i is moved to bit ``places[i]``."""
    moved = np.zeros_like(masks)
    for bit, place in enumerate(places):
        moved |= (masks >> bit & 1) << int(place)
    return moved
