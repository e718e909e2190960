# SPDX-License-Identifier: Apache-2.0
"""Shots through a noisy program without control flow, as a tree.

Shots share a state as long as their errors are the same. Before each stretch, the shots with errors in it part from the
others, and begin with a copy of the state. The last that parted go on first, so that few states wait.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Final

import numpy as np
from numpy.typing import NDArray

from qfleet_worker.engines.driver.front import ShotFront
from qfleet_worker.engines.driver.noisy_flow import NoisyStretch
from qfleet_worker.engines.driver.patterns import Patterns, patterns_of
from qfleet_worker.engines.driver.shot_groups import ShotGroups
from qfleet_worker.engines.driver.stretches import AnyPlan
from qfleet_worker.engines.driver.waiting import WaitingRun
from qfleet_worker.engines.states.operators import Paulis
from qfleet_worker.engines.steps import NoiseStep

#: One among this many states with room is taken at a time: the others are for shots that part later.
TAKEN: Final = 4

_NONE: Final = np.zeros(0, np.int64)


class NoisyRun(WaitingRun[AnyPlan]):
    """Shots on their way through a noisy program without control flow."""

    def run(self, shots: NDArray[np.int64], most: int = 0) -> Iterator[ShotFront]:
        """Run these shots; see `qfleet_worker.engines.driver.run.ends`."""
        blocks = self._flow.blocks
        errors = self._draws.errors
        #: the patterns of each block
        self._patterns = [
            None if errors is None or block.noisy is None
            else patterns_of(errors, block.noisy.first_site, block.noisy.end_site)
            for block in blocks
        ]  # fmt: skip
        self._waits = self._draws.waits()
        #: fronts of shots that have jumped in a stretch, at its end
        self._jumped: list[ShotFront] = []
        waiting = [self._first(shots, most)]
        while waiting:
            front = waiting.pop()
            self._give_up(front)
            if not len(front.states):
                continue
            if front.block == len(blocks):
                front.block -= 1
                yield front
                front.states.select(_NONE)
                continue
            fork = self._fork(front)
            if fork is not front and len(front.states):
                if fork is None or not len(self._parting(front)[0]):
                    self._run_stretch(front, partial(self._run_block, front))
                waiting.append(front)
            if fork is not None:
                self._wait_behind(waiting, fork)
            while self._jumped:
                self._wait_behind(waiting, self._jumped.pop())

    def _run_stretch(self, front: ShotFront, run: Callable[[], None]) -> None:
        """Take a front to the next block.

        Shots that jump go by themselves. `run` takes it through its stretch, as if no shot jumped.
        """
        stretch = self._flow.blocks[front.block].noisy
        if stretch is None:
            run()
        else:
            jumped = self._through(front, stretch, run)
            if jumped is not None and len(jumped.states):
                jumped.block += 1
                self._jumped.append(jumped)
        front.block += 1

    def _wait_behind(self, waiting: list[ShotFront], fork: ShotFront) -> None:
        """Let a front wait, joined with one equally far if both fit."""
        last = waiting[-1] if waiting else None
        if last is None or last.block != fork.block or len(last.states) + len(fork.states) > fork.states.room():
            waiting.append(fork)
            return
        self._give_up(last)
        self._give_up(fork)
        last.join([fork])
        self._merge_many(last, 0)

    def _parting(self, front: ShotFront) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the shots with errors in a front's stretch.

        Returns:
            Their places in the front, and among the patterns of its block.
        """
        patterns = self._patterns[front.block]
        if patterns is None or not len(front.states):
            return _NONE, _NONE
        shots, _ = front.groups.settle()
        places = np.minimum(np.searchsorted(shots, patterns.shots), len(shots) - 1)
        own = np.flatnonzero(shots[places] == patterns.shots)
        return places[own], own

    def _fork(self, front: ShotFront) -> ShotFront | None:
        """Take shots with errors through the front's stretch.

        Returns:
            A front of shots that have left this one, or the front itself where all of its shots have the same errors;
            ``None`` if no shot has any.
        """
        places, own = self._parting(front)
        patterns, stretch = self._patterns[front.block], self._flow.blocks[front.block].noisy
        if patterns is None or stretch is None or not len(places):
            return None
        shots, states = front.groups.settle()
        keys = states[places] * len(patterns.examples) + patterns.numbers[own]
        keys, member = np.unique(keys, return_inverse=True)
        room = front.states.room()
        if len(front.states) > 1 and room < 1:
            # The states behind the first make room.
            self._leave(front, states > 0, put_off=True)
            return self._fork(front)
        which, chosen = np.divmod(keys, len(patterns.examples))
        if len(front.states) == 1 and len(places) == len(shots) and (len(keys) == 1 or room < 1):
            later = np.zeros(len(shots), np.bool_)
            later[places] = member > 0
            self._leave(front, later, put_off=True)
            self._run_stretch(front, partial(self._run_errors, front, stretch, patterns, chosen[:1]))
            return front
        taken = min(len(keys), max(1, room // TAKEN) if front.states.together else 1)
        leaving = np.zeros(len(shots), np.bool_)
        leaving[places[member < taken] if room else places] = True
        fork = None
        if room:
            groups = ShotGroups(shots[leaving])
            groups.replace(shots[leaving], member[member < taken], taken)
            variables = [front.variables[at] for at in which[:taken].tolist()]
            copies = front.states.fork(which[:taken])
            fork = ShotFront(front.block, groups, copies, front.phases[which[:taken]], variables, front.visits.copy())
        self._leave(front, leaving, put_off=not room)
        if fork is not None:
            self._run_stretch(fork, partial(self._run_errors, fork, stretch, patterns, chosen[:taken]))
        return fork

    def _run_errors(
        self, front: ShotFront, stretch: NoisyStretch[AnyPlan], patterns: Patterns, chosen: NDArray[np.int64]
    ) -> None:
        """Take a front through a stretch with errors, to its end.

        `chosen` is the pattern of each state.
        """
        if front.states.together:
            self._stop_at_errors(front, stretch, patterns, chosen)
        else:
            for part in stretch.with_errors(dict(patterns.errors(int(chosen[0])))):
                if isinstance(part, NoiseStep):
                    self._noise(front, part, 0)
                else:
                    front.states.apply(part.steps, 0, len(part.steps))
                    self._give_up(front)
                    front.phases = front.phases * part.phase

    def _stop_at_errors(
        self, front: ShotFront, stretch: NoisyStretch[AnyPlan], patterns: Patterns, chosen: NDArray[np.int64]
    ) -> None:
        """Take many states through a stretch together, stopping at each error."""
        stops, done, numbered = stretch.stops, 0, True
        for site, hits in patterns.hits(chosen):
            place, step = stops.places[site], stops.noise[site]
            if place > done:
                front.states.apply(stops.steps, done, place)
                done = place
            branches = self._draws.channels[step.channel].branches
            masks = [branches[branch].paulis for _, branch in hits]
            paulis = [each for each in masks if each is not None]
            if numbered and len(paulis) == len(masks):
                x_masks, z_masks = np.array(paulis).T
                front.states.paulis(np.array([state for state, _ in hits]), Paulis(step.wires, x_masks, z_masks))
            else:
                # States may get other numbers.
                self._noise(front, step, 0)
                numbered = False
        if len(stops.steps) > done:
            front.states.apply(stops.steps, done, len(stops.steps))
        front.phases = front.phases * stops.phase
