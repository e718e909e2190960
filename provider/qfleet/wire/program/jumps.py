# SPDX-License-Identifier: Apache-2.0
"""Channels as one operator that mostly happens, and rare jumps.

A channel has many sets of Kraus operators. In the set here, the first operator is the likeliest one in a mixed state.
Shots that don't jump share a state, and a random number for each shot tells where it jumps next. For channels whose
errors can be drawn before the run, and are nearly as rare as jumps, that is faster.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from qfleet.wire.program.channels import Channel

#: Jumps are used where there is at most one among this number of errors.
RARER: Final = 1.6
#: The largest chance of a jump. The likeliest operator is well apart from the others, so that rounding doesn't choose.
MOST: Final = 0.25
#: Targets of a channel at most.
WIDEST: Final = 3
#: Operators less likely than this are rounding errors.
_NEGLIGIBLE: Final = 1e-15


class Jumps(NamedTuple):
    """A channel's Kraus operators, the likeliest first."""

    #: complex128, shape (operators, 2**targets, 2**targets)
    operators: NDArray[np.complex128]
    #: float64, shape (operators,): the probability of each in a mixed state
    chances: NDArray[np.float64]
    #: the probability of the first in the state where it is least likely
    least: float

    @property
    def chance(self) -> float:
        """Return the probability of a jump in a mixed state."""
        return float(self.chances[1:].sum())


@lru_cache(1024)
def jumps_of(channel: Channel) -> Jumps | None:
    """Return the jumps of a channel; ``None`` for one with errors.

    Errors are drawn before the run.
    """
    if not channel.operators or channel.num_targets > WIDEST:
        return None
    branches = [branch for branch in channel.branches() if branch.probability > 0]
    operators = np.concatenate([branch.probability**0.5 * branch.kraus(channel.num_targets) for branch in branches])
    side = operators.shape[1]
    _, vectors = np.linalg.eigh(np.einsum("aij,bij->ab", operators.conj(), operators))
    operators = np.einsum("kj,kab->jab", _unitary_with(vectors[:, -1]), operators)
    chances = (np.abs(operators) ** 2).sum(axis=(1, 2)) / side
    error, chance = 1 - float(channel.chances()[0]), float(chances[1:].sum())
    if chance > MOST or chance * RARER > error:
        return None
    trace = complex(np.trace(operators[0]))
    if abs(trace) > _NEGLIGIBLE:
        # As near to the identity as a phase takes it.
        operators[0] *= trace.conjugate() / abs(trace)
    for part in (operators.real, operators.imag):
        # Exact zeros: less is multiplied.
        part[np.abs(part) < _NEGLIGIBLE] = 0
    kept = (chances > _NEGLIGIBLE) | (np.arange(len(chances)) == 0)
    least = np.linalg.eigvalsh(operators[0].conj().T @ operators[0])[0]
    return Jumps(operators[kept], chances[kept], max(float(least), 0.0))


def _unitary_with(column: NDArray[np.complex128]) -> NDArray[np.complex128]:
    """Return a unitary with a given column 0, but for its phase.

    The column is a unit vector. The other columns depend on it continuously: rounding changes them as little as it.
    """
    largest = int(np.argmax(np.abs(column)))
    column = column * (column[largest].conj() / abs(column[largest]))
    one = np.eye(len(column))
    # A reflection that takes the unit vector `largest` to the column's opposite.
    normal = one[largest] + column
    reflection = one - 2 * np.outer(normal, normal.conj()) / np.vdot(normal, normal).real
    return np.column_stack([column, np.delete(reflection, largest, axis=1)])
