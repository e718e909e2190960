# SPDX-License-Identifier: Apache-2.0
"""Tableaus that states share, and the one of a reference run."""

from __future__ import annotations

from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from qfleet_worker.engines.stabilizer.kernels import tableaus


class Tableau:
    """The inverse tableau of a Clifford; see `qfleet_worker.engines.stabilizer.kernels.tableaus`.

    It begins as that of the identity.
    """

    __slots__ = ("history", "holders", "places", "powers", "rows")

    def __init__(self, num_qubits: int) -> None:
        words = words_for(num_qubits)
        qubits = np.arange(num_qubits)
        self.rows = np.zeros((2 * num_qubits, 2 * words), np.uint64)
        bits = np.uint64(1) << (qubits & 63).astype(np.uint64)
        self.rows[qubits, qubits >> 6] = bits
        self.rows[num_qubits + qubits, words + (qubits >> 6)] = bits
        self.powers = np.zeros(2 * num_qubits, np.uint8)
        self.places = np.arange(2 * num_qubits, dtype=np.int32)
        #: names all that was done to it: tableaus with equal ones are equal
        self.history = b""
        #: how many groups of states have it
        self.holders = 1

    @property
    def num_bytes(self) -> int:
        """Return its bytes: half the square of the number of qubits."""
        return self.rows.nbytes + self.powers.nbytes + self.places.nbytes

    def copy(self) -> Tableau:
        """Return a copy that nothing else holds."""
        copied = Tableau.__new__(Tableau)
        copied.rows, copied.powers, copied.places = self.rows.copy(), self.powers.copy(), self.places.copy()
        copied.history, copied.holders = self.history, 1
        return copied

    def turned(self) -> Tableau:
        """Return the tableau with an H of each qubit before all else."""
        turned, words = self.copy(), self.rows.shape[1] // 2
        x, z = self.rows[:, :words], self.rows[:, words:]
        turned.rows = np.concatenate([z, x], axis=1)
        turned.powers = ((self.powers + 2 * np.bitwise_count(x & z).sum(axis=1)) & 3).astype(np.uint8)
        return turned

    @property
    def arrays(self) -> tuple[NDArray[np.uint64], NDArray[np.uint8], NDArray[np.int32]]:
        """Return the rows, their powers and their places."""
        return self.rows, self.powers, self.places

    def note(self, done: bytes) -> None:
        """Add something that was done to the history, if anything."""
        if done:
            self.history = blake2b(self.history + done, digest_size=16).digest()


class Reference:
    """One state, whose random outcomes are all 0."""

    def __init__(self, num_qubits: int) -> None:
        self._tableau = Tableau(num_qubits)
        self._frame = np.zeros((1, words_for(num_qubits)), np.uint64)

    @property
    def num_bytes(self) -> int:
        """Return its bytes."""
        return self._tableau.num_bytes + self._frame.nbytes

    def run(self, codes: NDArray[np.uint8], firsts: NDArray[np.int32], seconds: NDArray[np.int32]) -> NDArray[np.uint8]:
        """Run operations, and return the outcomes of the measurements.

        Args:
            codes: `qfleet_worker.engines.stabilizer.codes.Elementary`; noise is passed over.
            firsts: the first operand of each.
            seconds: the second operand of each.
        """
        tableau = self._tableau
        outcomes = np.zeros(np.count_nonzero(codes == tableaus.MEASURE), np.uint8)
        tableaus.run_reference(
            tableau.rows, tableau.powers, tableau.places, self._frame, codes, firsts, seconds, outcomes
        )
        return outcomes


def words_for(bits: int) -> int:
    """Return the number of words of 64 bits, at least one."""
    return max(1, -(-bits // 64))
