# SPDX-License-Identifier: Apache-2.0
"""Gates as sums of constant matrices, whose factors depend on angles."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qfleet.wire.program.operations import Op

_PAULIS = {
    "I": np.eye(2, dtype=np.complex128),
    "X": np.array([[0, 1], [1, 0]], np.complex128),
    "Y": np.array([[0, -1j], [1j, 0]], np.complex128),
    "Z": np.array([[1, 0], [0, -1]], np.complex128),
}


class Expansion(NamedTuple):
    """A gate as a sum of constant matrices with angle-dependent factors.

    It is the sum over terms t of ``exp(i / 2 * sum_k powers[t, k] angle_k) * matrices[t]``.
    """

    #: int64, shape (terms, angles)
    powers: NDArray[np.int64]
    #: complex128, shape (terms, 2**targets, 2**targets)
    matrices: NDArray[np.complex128]

    @classmethod
    def of_pauli(cls, letters: str) -> Expansion:
        """Return the rotation about a Pauli string P.

        It is ``exp(-i angle / 2 * P)``. The last letter of P acts on the first target.
        """
        pauli: NDArray[np.complexfloating] = np.eye(1, dtype=np.complex128)
        for letter in letters:
            pauli = np.kron(pauli, _PAULIS[letter])
        one = np.eye(len(pauli))
        projectors = np.array([(one + pauli) / 2, (one - pauli) / 2], np.complex128)
        return cls(np.array([[-1], [1]]), projectors)

    def matrix(self, *angles: float) -> NDArray[np.complex128]:
        """Return the matrix at some angles, complex128 of shape (2**targets, 2**targets)."""
        factors = np.exp(0.5j * (self.powers @ np.array(angles, np.float64)))
        matrix: NDArray[np.complex128] = np.tensordot(factors, self.matrices, 1)
        return matrix


#: The gates that are given by an expansion alone.
EXPANSIONS: dict[Op, Expansion] = {
    Op.RZX: Expansion.of_pauli("XZ"),
}
