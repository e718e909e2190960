# SPDX-License-Identifier: Apache-2.0
"""Samples of a matrix product state.

The wires are measured from left to right, of all shots at once. Shots with the same values so far share a row of
numbers: A. J. Ferris and G. Vidal, Physical Review B 85, 165146 (2012).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from qfleet_worker.engines.mps.chain import Chain

#: Numbers of the rows that are held at a time.
_MOST_NUMBERS: Final = 1 << 20
_FEWEST_SHOTS: Final = 256


def shots_at_once(chain: Chain) -> int:
    """Return the number of shots that are sampled at a time."""
    return max(_FEWEST_SHOTS, _MOST_NUMBERS // chain.widest())


def sample(
    chain: Chain, wires: Sequence[int], shots: int, numbers: Callable[[int], NDArray[np.float64]]
) -> dict[int, NDArray[np.uint8]]:
    """Return the values of wires in some shots.

    Args:
        chain: the state, of norm 1; its centre is moved.
        wires: at least one.
        shots: the number of shots.
        numbers: returns each shot's number for a wire, uniform in [0, 1).

    Returns:
        The values of each of these wires, shape (shots,).
    """
    first, last = min(wires), max(wires)
    chain.move_to(first)
    found: dict[int, NDArray[np.uint8]] = {}
    # The left bond of the first wire is traced over: its values are drawn as those of a wire.
    rows = np.eye(len(chain.tensors[first]), dtype=chain.tensors[first].dtype)[None]
    places = np.zeros(shots, np.int64)
    for wire in range(first, last + 1):
        tensor = chain.tensors[wire]
        wide = rows @ tensor.reshape(len(tensor), -1)
        parts = wide.reshape(*wide.shape[:2], 2, -1)
        weights = np.einsum("davb,davb->dv", parts, parts.conj()).real.astype(np.float64)
        draws = numbers(wire) * weights.sum(axis=1)[places]
        values = draws >= weights[places, 0]
        children = 2 * places + values
        present = np.bincount(children, minlength=2 * len(rows)) > 0
        kept = np.flatnonzero(present)
        places = (np.cumsum(present) - 1)[children]
        scale = 1 / np.sqrt(weights.reshape(-1)[kept])
        rows = parts[kept >> 1, :, kept & 1] * scale[:, None, None].astype(tensor.real.dtype)
        found[wire] = values.view(np.uint8)
    return {wire: found[wire] for wire in wires}
