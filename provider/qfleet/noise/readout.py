# SPDX-License-Identifier: Apache-2.0
"""Errors of the readout of qubits."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from qfleet.errors import NoiseError
from qfleet.noise.checks import probabilities


class Flips(NamedTuple):
    """The readout error of one qubit."""

    #: probability that 1 is read though 0 was measured
    to_one: float
    #: probability that 0 is read though 1 was measured
    to_zero: float

    def then(self, other: Flips) -> Flips:
        """Return this error with another one after it."""
        return Flips(
            self.to_one * (1 - other.to_zero) + (1 - self.to_one) * other.to_one,
            self.to_zero * (1 - other.to_one) + (1 - self.to_zero) * other.to_zero,
        )


def check_readout(entry: str, matrix: ArrayLike, num_qubits: int | None = None) -> tuple[tuple[float, ...], ...]:
    """Return the rows of a readout error.

    Args:
        entry: its name for the error.
        matrix: shape (2**n, 2**n); row k has the probabilities of what is read where k was measured.
        num_qubits: number of qubits n; ``None`` for any.

    Raises:
        NoiseError: it isn't such a matrix.
    """
    try:
        found = np.asarray(matrix, np.float64)
    except (TypeError, ValueError) as exc:
        raise NoiseError(f"{entry} isn't a matrix of numbers: {exc}", entry=entry, value=matrix) from exc
    side = found.shape[0] if found.ndim == 2 else 0
    if found.shape != (side, side) or side < 2 or side & (side - 1):
        raise NoiseError(f"{entry} has the shape {found.shape}; (2, 2) is needed", entry=entry, value=found.shape)
    if num_qubits is not None and side != 1 << num_qubits:
        text = f"{entry} has {side} rows; for {num_qubits} qubit{'s' * (num_qubits > 1)}, {1 << num_qubits} are needed"
        raise NoiseError(text, entry=entry, value=found.shape)
    return tuple(tuple(probabilities(f"row {place} of {entry}", row)) for place, row in enumerate(found.tolist()))
