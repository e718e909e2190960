# SPDX-License-Identifier: Apache-2.0
"""Channels with jumps, see `qfleet.wire.program.jumps`, as the driver uses them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from qfleet.wire.program.jumps import Jumps
from qfleet_worker.engines.driver.ways import weights_of
from qfleet_worker.engines.states.contract import States
from qfleet_worker.engines.states.operators import Factor

#: States whose density matrices are held at a time.
STATES: Final = 1 << 12


class JumpOperators:
    """The operators of a channel with jumps, as the driver uses them."""

    def __init__(self, jumps: Jumps) -> None:
        # Copies: machine code is compiled for arrays that can be written to.
        self.operators = [np.array(operator) for operator in jumps.operators]
        self._effects = np.einsum("kij,kil->kjl", jumps.operators.conj(), jumps.operators)
        stays = self._effects[0]
        #: the effect of no jump on each basis state; ``None`` if it isn't diagonal
        self._stays = stays.diagonal().real.copy() if (stays == np.diag(stays.diagonal())).all() else None
        #: the smallest part that the squared norm of any state falls to without a jump
        self.least = jumps.least

    @property
    def number(self) -> int:
        """Return the number of operators."""
        return len(self.operators)

    @property
    def stay(self) -> NDArray[np.complex128]:
        """Return the operator of no jump."""
        return self.operators[0]

    def stays(self, states: States, wires: Sequence[int]) -> NDArray[np.float64]:
        """Return the probability of no jump in each state, shape (states,)."""
        if self._stays is None:
            return self.weights(states, np.arange(len(states)), wires)[:, 0]
        populations = states.populations(wires)
        stays: NDArray[np.float64] = populations @ self._stays / populations.sum(axis=1)
        return stays

    def weights(self, states: States, which: NDArray[np.int64], wires: Sequence[int]) -> NDArray[np.float64]:
        """Return the probability of each operator, shape (states, operators).

        `which` are the numbers of the states.
        """
        parts = [which[begin : begin + STATES] for begin in range(0, len(which), STATES)]
        return np.concatenate([weights_of(self._effects, states.densities(part, wires)) for part in parts])

    def factors(self, which: Sequence[int], wires: Sequence[int]) -> tuple[tuple[Factor, ...], ...]:
        """Return the factors of some operators, on these wires."""
        return tuple([(Factor(tuple(wires), self.operators[number]),) for number in which])
