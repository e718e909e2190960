# SPDX-License-Identifier: Apache-2.0
"""Channels with jumps, see `qfleet.wire.program.jumps`, as the driver uses them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from qfleet.wire.program.jumps import Jumps
from qfleet_worker.engines.driver.ways import weights_of
from qfleet_worker.engines.states.operators import Factor


class JumpOperators:
    """The operators of a channel with jumps, as the driver uses them."""

    def __init__(self, jumps: Jumps) -> None:
        # Copies: machine code is compiled for arrays that can be written to.
        self.operators = [np.array(operator) for operator in jumps.operators]
        self._effects = np.einsum("kij,kil->kjl", jumps.operators.conj(), jumps.operators)
        #: the smallest part that the squared norm of any state falls to without a jump
        self.least = jumps.least

    @property
    def stay(self) -> NDArray[np.complex128]:
        """Return the operator of no jump."""
        return self.operators[0]

    def weights(self, densities: NDArray[np.complex128]) -> NDArray[np.float64]:
        """Return the probability of each operator, shape (states, operators).

        Args:
            densities: the reduced density matrices of the targets, shape (states, 2**targets, 2**targets).
        """
        return weights_of(self._effects, densities)

    def factors(self, wires: Sequence[int]) -> tuple[tuple[Factor, ...], ...]:
        """Return the factors of each operator, on these wires."""
        return tuple([(Factor(tuple(wires), operator),) for operator in self.operators])
