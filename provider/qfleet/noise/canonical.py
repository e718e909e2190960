# SPDX-License-Identifier: Apache-2.0
"""The canonical form of a channel, in which it travels.

Equal branches are one, Paulis are masks, and of what depends on the state, the largest possible part of the identity
is taken out: whether that part happens can be drawn before a circuit is run.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np

from qfleet.errors import NoiseError
from qfleet.noise.matrices import ROUNDING, Matrix, choi_of, operators_of, pauli_of, paulis, trace_preserving
from qfleet.wire.limits import MAX_BRANCHES, MAX_KRAUS_OPERATORS
from qfleet.wire.program import channels as wire
from qfleet.wire.program.channels import Branch

#: Branches with a smaller probability are dropped.
SMALLEST = 1e-15
#: Their number has two bytes when they travel.
MAX_OPERATORS_OF_BRANCH: Final = (1 << 16) - 1
#: Most qubits of Kraus operators that are looked into: a Choi matrix has 16**qubits entries.
_LARGEST_CHOI = 4


def canonical(num_qubits: int, branches: Iterable[Branch]) -> wire.Channel:
    """Return the canonical form of a mixture of branches.

    Args:
        num_qubits: number of qubits of all branches.
        branches: branches whose probabilities add up to 1, apart from rounding.

    Raises:
        NoiseError: it has more branches or operators than can be sent.
    """
    form = _Form(num_qubits)
    sets: list[tuple[float, Matrix]] = []
    for branch in branches:
        if branch.probability < SMALLEST:
            continue
        if branch.has_masks:
            form.add_masks(branch.probability, branch.x_mask, branch.z_mask, branch.reset_mask)
        elif len(branch.operators) == 1:
            form.add_unitary(branch.probability, branch.operators[0])
        else:
            sets.append((branch.probability, trace_preserving(branch.operators)))
    if num_qubits <= _LARGEST_CHOI:
        sets = [each for each in sets if not form.add_paulis(*each)]
    sets = [each for each in sets if not form.add_unitaries(*each)]
    if num_qubits <= _LARGEST_CHOI:
        form.add_rest(sets)
    else:
        form.sets = [Branch(probability, operators=operators) for probability, operators in sets]
    return wire.Channel.of(num_qubits, form.branches())


class _Form:
    """The branches of a channel so far."""

    def __init__(self, num_qubits: int) -> None:
        self._num_qubits = num_qubits
        #: Probabilities by the masks of X, Z and resets.
        self._masks: dict[tuple[int, int, int], float] = {}
        #: By the rounded matrix without its phase: probability and matrix.
        self._unitaries: dict[bytes, tuple[float, Matrix]] = {}
        self.sets: list[Branch] = []

    def add_masks(self, probability: float, x: int, z: int, reset: int = 0) -> None:
        key = x & ~reset, z & ~reset, reset
        self._masks[key] = self._masks.get(key, 0.0) + probability

    def add_unitary(self, probability: float, unitary: Matrix) -> None:
        unitary = trace_preserving(unitary[None])[0]
        pauli = pauli_of(unitary)
        if pauli is not None:
            self.add_masks(probability, *pauli)
            return
        # The phase of the first large entry is dropped; the first column has one.
        column = unitary[:, 0]
        first = column[np.argmax(np.abs(column) > 0.5 / len(column) ** 0.5)]
        unitary = unitary * (first.conj() / abs(first))
        # -0.0 and 0.0 have different bytes.
        key = (np.round(unitary, 9) + 0.0).tobytes()
        before, kept = self._unitaries.get(key, (0.0, unitary))
        self._unitaries[key] = before + probability, kept

    def add_paulis(self, probability: float, operators: Matrix) -> bool:
        """Add Kraus operators, and return True, if they mix Paulis."""
        table = paulis(self._num_qubits)
        found = table.conj() @ choi_of(operators) @ table.T / len(table)
        weights = found.diagonal().real.clip(min=0)
        np.fill_diagonal(found, 0)
        if np.abs(found).max() > ROUNDING:
            return False
        low = (1 << self._num_qubits) - 1
        for index in np.flatnonzero(weights > SMALLEST).tolist():
            self.add_masks(probability * float(weights[index]), index & low, index >> self._num_qubits)
        return True

    def add_unitaries(self, probability: float, operators: Matrix) -> bool:
        """Add Kraus operators, and return True, if all are unitary.

        Each may have a factor.
        """
        squares = operators.conj().swapaxes(1, 2) @ operators
        side = squares.shape[-1]
        weights = np.trace(squares, axis1=1, axis2=2).real / side
        if np.abs(squares - weights[:, None, None] * np.eye(side)).max() > ROUNDING:
            return False
        for weight, operator in zip(weights.tolist(), operators, strict=True):
            if weight > SMALLEST:
                self.add_unitary(probability * weight, operator)
        return True

    def add_rest(self, sets: list[tuple[float, Matrix]]) -> None:
        """Add Kraus sets as one, without the identity in it."""
        if not sets:
            return
        total = sum(probability for probability, _ in sets)
        choi = choi_of(np.concatenate([(probability / total) ** 0.5 * operators for probability, operators in sets]))
        identity, rest = _without_identity(choi)
        self.add_masks(total * identity, 0, 0)
        if len(rest) == 1:
            self.add_unitary(total * (1 - identity), rest[0])
        else:
            self.sets = [Branch(total * (1 - identity), operators=rest)]

    def branches(self) -> list[Branch]:
        """Return all branches, the identity first."""
        identity = self._masks.pop((0, 0, 0), 0.0)
        ordered = [
            Branch(identity),
            *[Branch(p, *key) for key, p in sorted(self._masks.items(), key=lambda item: item[0][::-1])],
            *[Branch(p, operators=unitary[None]) for _, (p, unitary) in sorted(self._unitaries.items())],
            *self.sets,
        ]
        _check_sizes(ordered)
        kept = [ordered[0], *[each for each in ordered[1:] if each.probability >= SMALLEST]]
        total = math.fsum(branch.probability for branch in kept)
        return [branch._replace(probability=branch.probability / total) for branch in kept]


def _check_sizes(branches: Sequence[Branch]) -> None:
    counts = [len(branch.operators) for branch in branches]
    for what, found, most in (
        ("branches", len(branches), MAX_BRANCHES),
        ("Kraus operators", sum(counts), MAX_KRAUS_OPERATORS),
        ("Kraus operators in a branch", max(counts), MAX_OPERATORS_OF_BRANCH),
    ):
        if found > most:
            text = f"the channel has {found} {what}; at most {most} are possible"
            raise NoiseError(text, entry="the channel", value=found)


def _without_identity(choi: Matrix) -> tuple[float, Matrix]:
    """Split a channel into the identity and a rest.

    The identity gets the largest possible probability q. With the flat identity ``one``, 1/q is
    ``one^dagger C^+ one`` if ``one`` lies in the range of the Choi matrix C; else q is 0.

    Returns:
        q, and the Kraus operators of the rest.
    """
    side = round(len(choi) ** 0.5)
    one = np.eye(side).reshape(-1)
    values, vectors = np.linalg.eigh(choi)
    kept = values > ROUNDING
    parts = vectors[:, kept].conj().T @ one
    identity = 0.0
    if np.linalg.norm(one - vectors[:, kept] @ parts) < 1e-6:
        identity = min(float(1 / np.sum(np.abs(parts) ** 2 / values[kept])), 1 - SMALLEST)
    rest = choi - identity * np.outer(one, one)
    # Where `one` is nearly out of the range, rounding decides: nothing is taken out that isn't surely there.
    if np.linalg.eigvalsh(rest)[0] < -10 * ROUNDING:
        identity, rest = 0.0, choi
    return identity, trace_preserving(operators_of(rest) / (1 - identity) ** 0.5)
