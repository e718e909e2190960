# SPDX-License-Identifier: Apache-2.0
"""Operators on a few wires, of which each state gets one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Factor(NamedTuple):
    """A matrix on some wires; the first is its lowest bit."""

    wires: tuple[int, ...]
    #: complex128, shape (2**wires, 2**wires)
    matrix: NDArray[np.complex128]


@dataclass(frozen=True, slots=True)
class OperatorStep:
    """Multiply each state by one of several operators.

    As with an event, a number for each shot selects the way, but the caller draws it.
    """

    #: the factors of each way's operator; nothing is done in a way without any
    operators: tuple[tuple[Factor, ...], ...]

    @property
    def ways(self) -> int:
        """Return the number of ways."""
        return len(self.operators)
