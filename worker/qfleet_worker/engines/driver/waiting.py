# SPDX-License-Identifier: Apache-2.0
"""Shots that wait for their next jump.

Channels with jumps, see `qfleet.wire.program.jumps`, nearly always do the same to a state: they multiply it by one
operator, by which its squared norm falls. A shot jumps where the norm falls to the shot's random number, or below. So
all shots of a state go through a stretch together, and its norm at the end tells which of them have jumped on the way.
Those walk through the stretch once more, from a copy, and stop at each channel.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from qfleet_worker.engines.driver.front import ShotFront
from qfleet_worker.engines.driver.jumps import JumpOperators
from qfleet_worker.engines.driver.noisy_flow import NoisyStretch
from qfleet_worker.engines.driver.shot_groups import ShotGroups
from qfleet_worker.engines.driver.stretches import AnyPlan
from qfleet_worker.engines.driver.trajectories import ShotRun
from qfleet_worker.engines.driver.ways import NEGLIGIBLE, draw_ways
from qfleet_worker.engines.states.operators import OperatorStep
from qfleet_worker.engines.steps import NoiseStep

_NONE: Final = np.zeros(0, np.int64)


class WaitingRun(ShotRun[AnyPlan]):
    """Shots on their way through stretches in which they may jump."""

    #: for each shot, the squared norm at which it jumps, over the state's present one
    _waits: NDArray[np.float64]

    def _through(self, front: ShotFront, stretch: NoisyStretch[AnyPlan], run: Callable[[], None]) -> ShotFront | None:
        """Take a front through a stretch.

        Args:
            front: has the shots, whose only errors are those that `run` applies.
            stretch: the stretch.
            run: takes the front through the stretch, as if no shot jumped.

        Returns:
            A front of shots that have jumped; ``None`` if there are none.
        """
        if not stretch.waits:
            run()
            return None
        shots, states = front.groups.settle()
        able = self._waits[shots] >= stretch.least
        which, member = np.unique(states[able], return_inverse=True)
        if len(which) > front.states.room():
            self._walk(front, stretch)
            return None
        copied = shots[able]
        copy = self._copy(front, copied, which, member) if len(which) else None
        run()
        jumped = self._settle(front, stretch.least)
        if copy is None:
            return None
        if not len(jumped):
            copy.states.select(_NONE)
            return None
        leaving = np.ones(len(copied), np.bool_)
        leaving[np.searchsorted(copied, jumped)] = False
        self._leave(copy, leaving, put_off=False)
        self._walk(copy, stretch)
        return copy

    def _copy(
        self, front: ShotFront, shots: NDArray[np.int64], which: NDArray[np.int64], member: NDArray[np.int64]
    ) -> ShotFront:
        """Return a front of some shots with copies of their states.

        Args:
            front: has the shots.
            shots: the shots.
            which: the states that are copied.
            member: the place of each shot's state among them.
        """
        groups = ShotGroups(shots)
        groups.replace(shots, member, len(which))
        variables = [front.variables[at] for at in which.tolist()]
        return ShotFront(
            front.block, groups, front.states.fork(which), front.phases[which], variables, front.visits.copy()
        )

    def _settle(self, front: ShotFront, least: float) -> NDArray[np.int64]:
        """Take shots that have jumped out of a front.

        They are returned. The states of the others are normalised; their squared norms fell to `least` at least.
        """
        while True:
            norms = front.states.norms()
            if not self._give_up(front):
                break
        shots, states = front.groups.settle()
        waits = self._waits[shots]
        jumps = (waits >= norms[states]) & (waits >= least)
        kept = np.unique(states[~jumps])
        self._waits[shots[~jumps]] = waits[~jumps] / norms[states[~jumps]]
        self._leave(front, jumps, put_off=False)
        if len(kept):
            front.states.scale(1 / np.sqrt(norms[kept]))
            self._give_up(front)
        return shots[jumps]

    def _leave(self, front: ShotFront, leaving: NDArray[np.bool_], put_off: bool) -> None:
        """Take shots out of a front, and states without shots."""
        if not leaving.any():
            return
        shots, states = front.groups.settle()
        if put_off:
            self._put_off.append(shots[leaving])
        shots, states = shots[~leaving], states[~leaving]
        kept, states = np.unique(states, return_inverse=True)
        if len(kept) < len(front.states):
            front.states.select(kept)
            front.phases = front.phases[kept]
            front.variables = [front.variables[at] for at in kept.tolist()]
        front.groups.replace(shots, states, len(kept))

    def _walk(self, front: ShotFront, stretch: NoisyStretch[AnyPlan]) -> None:
        """Take a front through a stretch with jumps and errors."""
        stops, done = stretch.walk, 0
        errors = self._draws.errors
        for site, place in stops.places.items():
            step = stops.noise[site]
            jumps = self._draws.jumps[step.channel]
            if jumps is None and errors is not None and errors.starts[site] == errors.starts[site + 1]:
                continue
            if place > done:
                front.states.apply(stops.steps, done, place)
                self._give_up(front)
                done = place
            if not len(front.states):
                return
            if jumps is None:
                self._noise(front, step, 0)
            else:
                self._jump(front, step, jumps)
        if len(stops.steps) > done:
            front.states.apply(stops.steps, done, len(stops.steps))
            self._give_up(front)
        front.phases = front.phases * stops.phase
        self._merge_many(front, 0)

    def _jump(self, front: ShotFront, step: NoiseStep, jumps: JumpOperators) -> None:
        """Take a front through a channel with jumps."""
        while True:
            stay = jumps.stays(front.states, step.wires)
            if not self._give_up(front):
                break
        if not len(front.states):
            return
        # Jumps less probable than that are rounding errors.
        stay = np.where(stay > 1 - NEGLIGIBLE, 1.0, stay)
        shots, states = front.groups.settle()
        leaps = self._waits[shots] >= stay[states]
        which, member = np.unique(states[leaps], return_inverse=True)
        chances = jumps.weights(front.states, which, step.wires) if len(which) else None
        if self._give_up(front):
            # Another state has been lost.
            self._jump(front, step, jumps)
            return
        drawn = np.zeros(len(shots), np.int64)
        weights = np.ones((len(front.states), jumps.number))
        weights[:, 0] = stay
        self._waits[shots[~leaps]] /= stay[states[~leaps]]
        if chances is not None:
            own = shots[leaps]
            given = chances[:, 1:] / chances[:, 1:].sum(axis=1, keepdims=True)
            drawn[leaps] = 1 + draw_ways(self._draws.uniforms.of(step.event + 1, own), given, member)
            self._waits[own] = self._draws.uniforms.of(step.event, own)
            weights[which, 1:] = chances[:, 1:]
        used, ways = np.unique(drawn, return_inverse=True)
        self._part(front, OperatorStep(jumps.factors(used.tolist(), step.wires)), ways, weights[:, used])
        self._give_up(front)
