# SPDX-License-Identifier: Apache-2.0
"""Channels: random changes of a state, which model noise.

A channel is a mixture of branches, one of which happens with its probability. A branch gives some targets Paulis and
then puts some into |0>, or it has Kraus operators of its own: one, a unitary, or several, one of which happens with a
probability that depends on the state. Branch 0 of every channel does nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final, NamedTuple

import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray

from qfleet.wire.limits import MAX_BRANCHES, MAX_CHANNEL_QUBITS, MAX_KRAUS_OPERATORS

_PAULIS: Final = {
    (0, 0): np.eye(2, dtype=np.complex128),
    (1, 0): np.array([[0, 1], [1, 0]], np.complex128),
    (1, 1): np.array([[0, -1j], [1j, 0]]),
    (0, 1): np.diag([1, -1]).astype(np.complex128),
}
_NO_OPERATORS: Final = np.zeros((0, 0, 0), np.complex128)


class Branch(NamedTuple):
    """One way of a channel."""

    probability: float
    #: targets that get X or Y, bit i for target i
    x_mask: int = 0
    #: targets that get Z or Y
    z_mask: int = 0
    #: targets that are put into |0>, after the Paulis; they get none
    reset_mask: int = 0
    #: Kraus operators, complex128, shape (operators, 2**targets, 2**targets); none for a branch of masks
    operators: NDArray[np.complex128] = _NO_OPERATORS

    @property
    def has_masks(self) -> bool:
        """Tell whether the branch has masks instead of operators."""
        return not len(self.operators)

    @property
    def is_identity(self) -> bool:
        """Tell whether the branch does nothing."""
        return self.has_masks and not (self.x_mask | self.z_mask | self.reset_mask)

    @property
    def is_unitary(self) -> bool:
        """Tell whether the branch has one outcome, whatever the state."""
        return len(self.operators) == 1 or (self.has_masks and not self.reset_mask)

    def kraus(self, num_targets: int) -> NDArray[np.complex128]:
        """Return the branch's Kraus operators.

        Resets of m targets have 2**m operators: operator b takes the value b of these targets, whose first is its
        lowest bit, to 0.

        Returns:
            complex128, shape (operators, 2**num_targets, 2**num_targets).
        """
        if not self.has_masks:
            return self.operators
        choices: list[list[NDArray[np.complex128]]] = []
        for target in range(num_targets):
            if self.reset_mask >> target & 1:
                choices.append([np.outer([1, 0], row).astype(np.complex128) for row in np.eye(2)])
            else:
                choices.append([_PAULIS[self.x_mask >> target & 1, self.z_mask >> target & 1]])
        products: list[NDArray[np.complex128]] = [np.ones((1, 1), np.complex128)]
        for each in choices:
            # The first target is the lowest bit of an index.
            products = [
                np.asarray(np.kron(operator, before), np.complex128) for operator in each for before in products
            ]
        return np.array(products)


class Channel(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A channel as it travels. Its arrays are bytes, little-endian."""

    num_targets: Annotated[int, Meta(ge=1, le=MAX_CHANNEL_QUBITS)]
    #: float64, shape (branches,), adding up to 1; the first is that of the identity, perhaps 0
    probabilities: Annotated[bytes, Meta(min_length=8, max_length=8 * MAX_BRANCHES)]
    #: uint8, shape (branches, 3): the masks of X, Z and resets of each branch
    masks: Annotated[bytes, Meta(min_length=3, max_length=3 * MAX_BRANCHES)]
    #: uint16, shape (branches,): the number of each branch's operators; 0 for a branch of masks
    counts: Annotated[bytes, Meta(min_length=2, max_length=2 * MAX_BRANCHES)]
    #: complex128, flat: all operators, row-major, one after the other
    operators: Annotated[bytes, Meta(max_length=16 * MAX_KRAUS_OPERATORS * 4**MAX_CHANNEL_QUBITS)] = b""

    @classmethod
    def of(cls, num_targets: int, branches: Sequence[Branch]) -> Channel:
        """Return a channel of some branches, the identity first."""
        masks = [(branch.x_mask, branch.z_mask, branch.reset_mask) for branch in branches]
        return cls(
            num_targets,
            np.array([branch.probability for branch in branches], "<f8").tobytes(),
            np.array(masks, np.uint8).tobytes(),
            np.array([len(branch.operators) for branch in branches], "<u2").tobytes(),
            b"".join([branch.operators.astype("<c16").tobytes() for branch in branches]),
        )

    def chances(self) -> NDArray[np.float64]:
        """Return the probability of each branch, float64, shape (branches,)."""
        return np.frombuffer(self.probabilities, "<f8")

    def branches(self) -> tuple[Branch, ...]:
        """Return the branches."""
        size, side = 4**self.num_targets, 2**self.num_targets
        flat = np.frombuffer(self.operators, "<c16")
        found, at = [], 0
        masks = np.frombuffer(self.masks, np.uint8).reshape(-1, 3).tolist()
        counts = np.frombuffer(self.counts, "<u2").tolist()
        for probability, (x, z, reset), count in zip(self.chances().tolist(), masks, counts, strict=True):
            operators = flat[at : at + count * size].reshape(count, side, side)
            found.append(Branch(probability, x, z, reset, operators))
            at += count * size
        return tuple(found)
