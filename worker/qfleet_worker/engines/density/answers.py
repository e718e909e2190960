# SPDX-License-Identifier: Apache-2.0
"""Answers of a density matrix."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qfleet.wire.program.matrices import ComplexArray
from qfleet_worker.engines.contract import EngineError
from qfleet_worker.engines.density.transfer import to_density_matrix

_Z = 2
_NO_AMPLITUDES = "a density matrix has no amplitudes; save the density matrix or probabilities"


class DensityAnswers(NamedTuple):
    """The expectation values of all Paulis; see `qfleet_worker.engines.states.contract.Answers`."""

    #: shape (4**n,)
    paulis: NDArray[np.float64]

    def probabilities(self, wires: Sequence[int]) -> NDArray[np.float64]:
        """See `Answers.probabilities`."""
        # Those of I and Z, transformed by Walsh and Hadamard.
        values = self.paulis[_spread(wires, (0, _Z))]
        for place in range(len(wires)):
            low, high = values.reshape(-1, 2, 1 << place).swapaxes(0, 1)
            values = np.stack([low + high, low - high], axis=1)
        return np.maximum(values.reshape(-1) / (1 << len(wires)), 0)

    def probabilities_at(self, wires: Sequence[int], basis_states: NDArray[np.int64]) -> NDArray[np.float64]:
        """See `Answers.probabilities_at`."""
        return self.probabilities(wires)[basis_states]

    def expectation_values(
        self, wires: Sequence[int], x_masks: NDArray[np.integer], z_masks: NDArray[np.integer]
    ) -> NDArray[np.float64]:
        """See `Answers.expectation_values`."""
        x, z = x_masks.astype(np.int64), z_masks.astype(np.int64)
        places = np.zeros(len(x), np.int64)
        for bit, wire in enumerate(wires):
            places |= ((x >> bit & 1) | (z >> bit & 1) << 1) << 2 * wire
        return self.paulis[places]

    def density_matrix(self, wires: Sequence[int]) -> NDArray[np.complex128]:
        """See `Answers.density_matrix`."""
        return to_density_matrix(self.paulis[_spread(wires, (0, 1, 2, 3))], len(wires))

    def amplitudes(self, wires: Sequence[int], factor: complex) -> ComplexArray:  # noqa: ARG002 - the contract's
        """Raise an error; see `Answers.amplitudes`."""
        raise EngineError(_NO_AMPLITUDES)

    def amplitudes_at(self, wires: Sequence[int], basis_states: NDArray[np.int64]) -> ComplexArray:  # noqa: ARG002
        """Raise an error; see `Answers.amplitudes_at`."""
        raise EngineError(_NO_AMPLITUDES)


def _spread(wires: Sequence[int], digits: Sequence[int]) -> NDArray[np.int64]:
    """Return the places of all Paulis of some digits on some wires.

    The first wire counts fastest; all others have the identity.
    """
    places = np.zeros(1, np.int64)
    for wire in wires:
        places = np.concatenate([places + (digit << 2 * wire) for digit in digits])
    return places
