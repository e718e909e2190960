# SPDX-License-Identifier: Apache-2.0
"""States on their way through a stretch with errors inside.

Errors that stay inside are Paulis in front of a gate that isn't Clifford, mostly. The stretch is compiled once with
angles in their places, each 0 or pi, and many states go through it together, each with angles of its own. Where states
don't allow that, they stop at each error, or have their errors compiled into the gates.
"""

from __future__ import annotations

from typing import Generic

import numpy as np
from numpy.typing import NDArray

from qfleet_worker.engines.driver.flow import Flow
from qfleet_worker.engines.driver.moves import MovedErrors
from qfleet_worker.engines.driver.noisy_flow import NoisyStretch
from qfleet_worker.engines.driver.patterns import Patterns
from qfleet_worker.engines.driver.stretches import AnyPlan
from qfleet_worker.engines.states.contract import States
from qfleet_worker.engines.states.operators import OperatorStep, Paulis
from qfleet_worker.engines.steps import NoiseStep


class InsideErrors(Generic[AnyPlan]):
    """The errors inside of stretches.

    Args:
        flow: the compiled program.
        moved: the errors of all shots.
    """

    def __init__(self, flow: Flow[AnyPlan], moved: MovedErrors) -> None:
        self._moves = flow.moves
        self._channels = [] if flow.noise is None else flow.noise.channels
        self._are_paulis = all(branch.paulis is not None for channel in self._channels for branch in channel.branches)
        #: by stretch with errors inside: its noise and their patterns
        self._noisy = {
            stretch: (block.noisy, errors.patterns)
            for stretch, (block, errors) in enumerate(zip(flow.blocks, moved.stretches, strict=True))
            if block.noisy is not None and errors is not None and errors.patterns is not None
        }
        self._with_angles: dict[int, tuple[AnyPlan, NDArray[np.float64]] | None] = {}

    def run(self, states: States, stretch: int, inside: NDArray[np.int64]) -> None:
        """Take states through a stretch with errors inside.

        `inside` is the number of each state's errors.
        """
        noisy, patterns = self._noisy[stretch]
        if states.together:
            if stretch not in self._with_angles:
                self._with_angles[stretch] = self._compile(stretch)
            compiled = self._with_angles[stretch]
            if compiled is None or not states.apply_each(compiled[0].steps, compiled[1][inside]):
                self._stop_at_errors(states, noisy, patterns, inside)
            return
        for part in noisy.with_errors(dict(patterns.errors(int(inside[0])))):
            if not isinstance(part, NoiseStep):
                states.apply(part.steps, 0, len(part.steps))

    def _compile(self, stretch: int) -> tuple[AnyPlan, NDArray[np.float64]] | None:
        """Return a stretch's plan with angles, and those of each pattern.

        It is ``None`` if an error isn't a Pauli; see `NoisyStretch.with_angles` too.
        """
        if not self._are_paulis or self._moves is None:
            return None
        (noisy, patterns), sites = self._noisy[stretch], self._moves.stay(stretch)
        plan = noisy.with_angles(sites)
        if plan is None:
            return None
        channels = {site: self._channels[noisy.channel(site)] for site in sites}
        ends = np.cumsum([2 * channel.num_targets for channel in channels.values()]).tolist()
        begins = dict(zip(sites, [0, *ends[:-1]], strict=True))
        angles = np.zeros((len(patterns.examples), ends[-1]))
        for pattern, row in enumerate(angles):
            for site, number in patterns.errors(pattern):
                branch, begin = channels[site].branches[number].branch, begins[site]
                for target in range(channels[site].num_targets):
                    # RY and RZ of pi are Y and Z, and both are X, up to a phase.
                    x, z = branch.x_mask >> target & 1, branch.z_mask >> target & 1
                    row[begin + 2 * target : begin + 2 * target + 2] = np.pi * x, np.pi * (x ^ z)
        return plan, angles

    def _stop_at_errors(
        self, states: States, noisy: NoisyStretch[AnyPlan], patterns: Patterns, inside: NDArray[np.int64]
    ) -> None:
        """Take states through a stretch, stopping at each error."""
        stops, done = noisy.stops, 0
        for site, hits in patterns.hits(inside):
            place, step = stops.places[site], stops.noise[site]
            if place > done:
                states.apply(stops.steps, done, place)
                done = place
            self._apply(states, step, hits)
        if len(stops.steps) > done:
            states.apply(stops.steps, done, len(stops.steps))

    def _apply(self, states: States, step: NoiseStep, hits: list[tuple[int, int]]) -> None:
        """Apply errors, given as pairs of a state and a branch."""
        which, numbers = np.array(hits).T
        branches = self._channels[step.channel].branches
        masks = [branches[number].paulis for _, number in hits]
        paulis = [each for each in masks if each is not None]
        if len(paulis) == len(masks):
            states.paulis(which, Paulis(step.wires, *np.array(paulis).T))
            return
        distinct, ways = np.unique(numbers, return_inverse=True)
        operators = OperatorStep(((), *[branches[number].factors(0, step.wires) for number in distinct.tolist()]))
        taken = np.zeros((len(states), operators.ways), np.bool_)
        taken[:, 0] = True
        taken[which, 0] = False
        taken[which, 1 + ways.reshape(-1)] = True
        states.branch(operators, taken, np.ones(taken.shape))
