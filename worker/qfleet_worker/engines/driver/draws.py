# SPDX-License-Identifier: Apache-2.0
"""Random choices of shots at rows of noise."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qfleet.wire.program.events import JUMPS_EVENT
from qfleet_worker.engines.driver.jumps import JumpOperators
from qfleet_worker.engines.driver.noise import Noise
from qfleet_worker.engines.driver.ways import draw_ways
from qfleet_worker.engines.randomness.uniforms import Uniforms
from qfleet_worker.engines.states.contract import States
from qfleet_worker.engines.states.operators import Factor
from qfleet_worker.engines.steps import NoiseStep


class Visitors(NamedTuple):
    """Shots at a random event."""

    #: in ascending order
    shots: NDArray[np.int64]
    #: the number of each shot's state
    states: NDArray[np.int64]
    #: how often these shots have met the event before; of all, or of each
    visit: int | NDArray[np.int32]

    def only(self, places: NDArray[np.int64]) -> Visitors:
        """Return the shots at some places."""
        visit = self.visit if isinstance(self.visit, int) else self.visit[places]
        return Visitors(self.shots[places], self.states[places], visit)


class Draws:
    """The random choices of some shots at rows of noise.

    Args:
        noise: the program's; ``None`` for a program without.
        uniforms: the random numbers of the shots.
        shots: their number.
    """

    def __init__(self, noise: Noise | None, uniforms: Uniforms, shots: int) -> None:
        self.channels = [] if noise is None else noise.channels
        #: the jumps of each channel that has any
        self.jumps: list[JumpOperators | None] = [] if noise is None else noise.jumps
        self.uniforms = uniforms
        self._shots = shots
        #: the errors that are drawn up front
        self.errors = noise.draw(uniforms, shots) if noise is not None and noise.up_front else None

    def num_patterns(self) -> int:
        """Return the number of distinct patterns of errors.

        It is 0 if errors aren't drawn before the run.
        """
        return 0 if self.errors is None else self.errors.num_patterns(self._shots)

    def waits(self) -> NDArray[np.float64]:
        """Return how far each shot's squared norm falls before its first jump.

        The norm is 1 in the beginning. Nothing is drawn for a program without jumps.
        """
        if not any(self.jumps):
            return np.zeros(0)
        return self.uniforms.of(JUMPS_EVENT, np.arange(self._shots)).copy()

    def branches(self, step: NoiseStep, visitors: Visitors) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the places of shots with an error, and its branch."""
        if self.errors is not None:
            return self.errors.at(step.event, visitors.shots)
        if not len(visitors.shots):
            return visitors.shots, visitors.shots
        numbers = self.uniforms.of(step.event, visitors.shots, visitors.visit)
        branches = np.searchsorted(self.channels[step.channel].ends, numbers, side="right")
        places = np.flatnonzero(branches)
        return places, branches[places]

    def operators(
        self, states: States, step: NoiseStep, visitors: Visitors, branches: NDArray[np.int64]
    ) -> tuple[tuple[tuple[Factor, ...], ...], NDArray[np.int64], NDArray[np.float64]]:
        """Select an operator for each shot with an error.

        Args:
            states: those of the shots.
            step: the noise.
            visitors: the shots with an error.
            branches: the branch of each.

        Returns:
            The operators, with the identity first; the number of each shot's among them; and what each operator makes
            of each state's squared norm.
        """
        channel = self.channels[step.channel]
        operators: list[tuple[Factor, ...]] = [()]
        columns = [np.ones(len(states))]
        chosen = np.zeros(len(branches), np.int64)
        for number in np.unique(branches).tolist():
            branch, own = channel.branches[number], np.flatnonzero(branches == number)
            some = visitors.only(own)
            which, places = np.unique(some.states, return_inverse=True)
            weights, drawn = np.ones((len(which), 1)), np.zeros(len(own), np.int64)
            if branch.operators > 1:
                targets = [step.wires[target] for target in branch.targets]
                weights = branch.weights(states.densities(which, targets))
                numbers = self.uniforms.of(step.event + 1, some.shots, some.visit)
                drawn = draw_ways(numbers, weights, places).astype(np.int64)
            for operator in np.unique(drawn).tolist():
                chosen[own[drawn == operator]] = len(operators)
                operators.append(branch.factors(operator, step.wires))
                columns.append(np.ones(len(states)))
                columns[-1][which] = weights[:, operator]
        return tuple(operators), chosen, np.stack(columns, axis=1)
