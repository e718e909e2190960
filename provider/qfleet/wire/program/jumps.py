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
from qfleet.wire.program.operations import IS_FLOW
from qfleet.wire.program.program import Program

#: Errors of a channel for each jump, at least, and the same for all of a program's channels together.
RARER: Final = 1.6
WORTH: Final = 1.4
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


def program_jumps(program: Program) -> list[Jumps | None]:
    """Return the jumps of a program's channels; ``None`` for errors.

    Where jumps make little difference to how often something happens to a shot, all channels have errors, for which
    states needn't be looked at.
    """
    none: list[Jumps | None] = [None] * len(program.channels)
    found = none if IS_FLOW[program.codes].any() else [jumps_of(channel) for channel in program.channels]
    if not any(found):
        return none
    errors = [1 - float(channel.chances()[0]) for channel in program.channels]
    chances = [error if jumps is None else jumps.chance for error, jumps in zip(errors, found, strict=True)]
    sites = np.bincount(program.channel_refs, minlength=len(found))
    return found if sites @ errors > WORTH * (sites @ chances) else none


@lru_cache(4096)
def jumps_of(channel: Channel) -> Jumps | None:
    """Return the jumps of a channel; ``None`` for one with errors.

    Errors are drawn before the run.
    """
    if not channel.operators or channel.num_targets > WIDEST or _has_many_paulis(channel):
        return None
    operators = _operators_of(channel)
    side = operators.shape[1]
    operators = np.einsum("kj,kab->jab", _unitary_with(_likeliest(operators)), operators)
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


def _has_many_paulis(channel: Channel) -> bool:
    """Tell whether Paulis alone are too likely for jumps.

    The likeliest operator has one of them at most, since they are orthogonal.
    """
    chances, masks = channel.chances()[1:], np.frombuffer(channel.masks, np.uint8).reshape(-1, 3)[1:]
    paulis = chances[masks[:, :2].any(axis=1) & (masks[:, 2] == 0)]
    error = 1 - float(channel.chances()[0])
    return len(paulis) > 1 and float(paulis.sum() - paulis.max()) * RARER > error


def _operators_of(channel: Channel) -> NDArray[np.complex128]:
    """Return Kraus operators of all branches together."""
    side = 1 << channel.num_targets
    masks, chances = np.frombuffer(channel.masks, np.uint8).reshape(-1, 3).astype(np.int64), channel.chances()
    plain = (np.frombuffer(channel.counts, "<u2") == 0) & (masks[:, 2] == 0)
    states, x, z = np.arange(side), masks[plain, 0, None], masks[plain, 1, None]
    paulis = np.zeros((len(x), side, side), np.complex128)
    # But for its phase, which makes no difference.
    paulis[np.arange(len(x))[:, None], states ^ x, states] = 1 - 2.0 * (np.bitwise_count(states & z) & 1)
    paulis *= np.sqrt(chances[plain])[:, None, None]
    others = [
        branch.probability**0.5 * branch.kraus(channel.num_targets)
        for branch, is_plain in zip(channel.branches(), plain.tolist(), strict=True)
        if not is_plain
    ]
    found = np.concatenate([paulis, *others])
    return found[found.any(axis=(1, 2))]


def _likeliest(operators: NDArray[np.complex128]) -> NDArray[np.complex128]:
    """Return the factors that make the likeliest of all operators.

    They are a unit vector. Where the next operator is more than a third as likely, it may be another one.
    """
    flat = operators.reshape(len(operators), -1)
    gram = flat.conj() @ flat.T
    power = gram
    for _ in range(7):
        power = power @ power
        power /= np.trace(power).real
    factors = power[:, int(np.argmax(power.diagonal().real))]
    for _ in range(2):
        # Without the rounding errors of the powers.
        factors = gram @ factors
        factors /= np.linalg.norm(factors)
    return np.asarray(factors)


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
