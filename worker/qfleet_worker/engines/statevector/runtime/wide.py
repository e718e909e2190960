# SPDX-License-Identifier: Apache-2.0
"""Matrices on many wires, and the places of what they multiply."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from qfleet.wire.program.matrices import ComplexArray
from qfleet_worker.engines.statevector.compiler.plan import Wide
from qfleet_worker.engines.statevector.kernels import parts
from qfleet_worker.engines.statevector.kernels.bits import popcount

#: Wires of a matrix that is small.
SMALL: Final = 4
#: Amplitudes that are multiplied by a wide matrix at a time.
BLOCK: Final = 1 << 16


def multiply(amplitudes: ComplexArray, free: int, step: Wide) -> None:
    """Multiply a part of a state by a wide matrix.

    Args:
        amplitudes: those of the state.
        free: the wires that take all values, beside the targets.
        step: has the matrix.
    """
    offsets = places(step.targets)
    count = 1 << popcount(free)
    at_once = max(1, BLOCK >> len(step.targets))
    rows = max(1, BLOCK >> len(step.targets))
    for begin in range(0, count, at_once):
        bases = np.empty(min(at_once, count - begin), np.int64)
        parts.places(free, step.values, begin, bases)
        where = offsets[:, None] + bases
        before = amplitudes[where]
        # A few rows at a time: the matrix may be larger than the state, and of another precision.
        for row in range(0, len(step.table), rows):
            matrix = step.table[row : row + rows].astype(amplitudes.dtype, copy=False)
            amplitudes[where[row : row + rows]] = matrix @ before


def places(wires: Sequence[int]) -> NDArray[np.int64]:
    """Return the part of an index by the values of wires."""
    low, high = offsets(wires)
    return (high[:, None] | low).reshape(-1)


def offsets(targets: Sequence[int]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the parts of an index by the values of wires.

    One part is for the lower half of the wires, one for the upper half.
    """
    half = (len(targets) + 1) // 2
    halves = []
    for wires in (targets[:half], targets[half:]):
        values = np.arange(1 << len(wires))
        halves.append(np.zeros(1 << len(wires), np.int64))
        for bit, wire in enumerate(wires):
            halves[-1] |= (values >> bit & 1) << wire
    return halves[0], halves[1]
