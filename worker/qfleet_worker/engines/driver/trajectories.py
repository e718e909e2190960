# SPDX-License-Identifier: Apache-2.0
"""Trajectories of shots through a program.

A random event, such as a measurement in mid-circuit, divides the shots: the shots of each way go on with a state of
their own. All go on together, those that are behind first. Where shots come to the same place in the same state, with
the same values in all clbits and variables that may still be read, they go on as one. So shots are simulated together
wherever the rest of the program can't tell them apart.

Where there is no room for another state, its shots are put off and run again from the start, when the others are done:
the outcome of a shot doesn't depend on the others that run beside it.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from typing import Generic

import numpy as np
from numpy.typing import NDArray

from qfleet_worker.engines.bits import mask_of
from qfleet_worker.engines.contract import EngineError
from qfleet_worker.engines.driver.classical import ClassicalValues, most_states
from qfleet_worker.engines.driver.draws import Draws, Visitors
from qfleet_worker.engines.driver.flow import Flow
from qfleet_worker.engines.driver.front import ShotFront
from qfleet_worker.engines.driver.noise import flipped
from qfleet_worker.engines.driver.shot_groups import ShotGroups
from qfleet_worker.engines.driver.shot_records import ShotRecords
from qfleet_worker.engines.driver.stretches import AnyPlan
from qfleet_worker.engines.driver.visits import GOING_BACK, Visits
from qfleet_worker.engines.driver.ways import are_certain, draw_ways
from qfleet_worker.engines.randomness.uniforms import Uniforms
from qfleet_worker.engines.results.saved import Take
from qfleet_worker.engines.states.contract import StateSource
from qfleet_worker.engines.states.operators import OperatorStep
from qfleet_worker.engines.steps import EventStep, MeasureStep, NoiseStep, SaveStep

#: Fronts that wait at a place before they are made one.
JOINED = 16
#: States at least that are compared after an error.
MERGED = 16
#: Give shots that share a state a state each, by a bit that they don't share.
COPY = OperatorStep(((), ()))


class ShotRun(Generic[AnyPlan]):
    """Shots on their way through a program."""

    def __init__(
        self,
        flow: Flow[AnyPlan],
        source: StateSource,
        uniforms: Uniforms,
        draws: Draws,
        records: ShotRecords,
        take: Take | None,
        phases: bool,
    ) -> None:
        self._flow = flow
        self._source = source
        self._uniforms = uniforms
        self._draws = draws
        self._records = records
        self._take = take
        self._phases = phases
        #: blocks that a front waits for, and the fronts by block
        self._blocks: list[int] = []
        self._waiting: dict[int, list[ShotFront]] = {}
        self._put_off: list[NDArray[np.int64]] = []
        self._classical = ClassicalValues(flow.scope, records)
        self._most_states = most_states(flow)
        #: states from which on equal ones are looked for after an error
        self._merged_from = MERGED

    def put_off(self) -> NDArray[np.int64]:
        """Return the shots that have to be run again."""
        return np.sort(np.concatenate(self._put_off)) if self._put_off else np.zeros(0, np.int64)

    def run(self, shots: NDArray[np.int64], most: int = 0) -> Iterator[ShotFront]:
        """Run these shots; see `qfleet_worker.engines.driver.run.ends`.

        Args:
            shots: in ascending order.
            most: the number of shots that there may be later, if more than these.
        """
        self._wait(self._first(shots, most), 0)
        while self._blocks:
            # The first block in the program: shots that come to a later one wait there for those that may still come.
            front = self._joined(self._waiting.pop(heapq.heappop(self._blocks)))
            if not len(front.states):
                continue
            self._run_block(front)
            if self._go_on(front):
                yield front
                front.states.select(np.zeros(0, np.int64))

    def _first(self, shots: NDArray[np.int64], most: int) -> ShotFront:
        """Return the front of all shots at the beginning."""
        groups, visits = ShotGroups(shots), Visits(max(1 + int(shots[-1]), most))
        states, phases = self._source.begin(), np.ones(1, np.complex128)
        return ShotFront(0, groups, states, phases, [self._flow.variables], visits)

    def _wait(self, front: ShotFront, block: int) -> None:
        front.block = block
        if self._flow.loops:
            front.visits.forget(*self._flow.ahead[block])
        others = self._waiting.get(block)
        if others is None:
            self._waiting[block] = [front]
            heapq.heappush(self._blocks, block)
            return
        others.append(front)
        if len(others) == JOINED:
            # Shots that leave a loop one by one would need a state each.
            self._waiting[block] = [self._joined(others)]

    def _joined(self, fronts: list[ShotFront]) -> ShotFront:
        """Return one front of several at the beginning of a block."""
        first, *others = fronts
        for front in fronts:
            self._give_up(front)
        if others:
            first.join(others)
        self._merge(first, self._flow.live[first.block][0])
        return first

    def _run_block(self, front: ShotFront) -> None:
        block = self._flow.blocks[front.block]
        steps, live = block.plan.steps, self._flow.live[front.block]
        begin = 0
        for at in block.events:
            if at > begin:
                front.states.apply(steps, begin, at)
            if isinstance(steps[at], SaveStep):
                self._save(front, steps[at])
            elif isinstance(steps[at], NoiseStep):
                self._noise(front, steps[at], live[at + 1])
            else:
                self._event(front, steps[at], live[at + 1])
            begin = at + 1
        if len(steps) > begin:
            front.states.apply(steps, begin, len(steps))
            self._give_up(front)
        if block.plan.phase != 1:
            front.phases = front.phases * block.plan.phase

    def _save(self, front: ShotFront, step: SaveStep) -> None:
        if self._take is None:
            return
        shots, states = front.groups.settle()
        for number, answers in front.states.answers():
            # Shots that were put off, and come here once more, have been here.
            own = self._records.to_save(step.save, shots[states == number])
            if len(own):
                self._take(step, answers, complex(front.phases[number]), own, self._records)
        self._give_up(front)

    def _event(self, front: ShotFront, step: EventStep, live: int) -> None:
        while True:
            weights = front.states.weights(step)
            if not self._give_up(front):
                break
        if are_certain(weights):
            self._certain_event(front, step, weights)
        else:
            self._divide(front, step, weights)
        self._give_up(front)
        if isinstance(step, MeasureStep) and step.flips is not None:
            self._part_by_reading(front, step, live)
        self._merge(front, live)

    def _certain_event(self, front: ShotFront, step: EventStep, weights: NDArray[np.float64]) -> None:
        """Take a front through an event that divides no state's shots."""
        ways = weights.argmax(axis=1)
        visit = front.visits.add(step.event, front.groups) if self._flow.loops else 0
        if step.clbits:
            shots, states = front.groups.settle()
            self._write(step, shots, ways if len(ways) == 1 else ways[states], visit)
        front.states.branch(step, ways[:, None] == np.arange(step.ways), weights)

    def _divide(self, front: ShotFront, step: EventStep, weights: NDArray[np.float64]) -> None:
        """Take a front through an event that may divide states' shots."""
        shots, states = front.groups.settle()
        visit = front.visits.add(step.event, front.groups) if self._flow.loops else 0
        drawn = draw_ways(self._uniforms.of(step.event, shots, visit), weights, states)
        self._write(step, shots, drawn, visit)
        self._part(front, step, drawn, weights)

    def _write(
        self, step: EventStep, shots: NDArray[np.int64], values: NDArray[np.generic], visit: int | NDArray[np.int32]
    ) -> None:
        """Write the values that shots read at an event."""
        if step.clbits and isinstance(step, MeasureStep) and step.flips is not None:
            values = np.broadcast_to(values, shots.shape)
            values = flipped(self._uniforms, step.event, step.flips, shots, values, visit)
        for clbit in step.clbits:
            self._records.write(clbit, shots, values)

    def _part_by_reading(self, front: ShotFront, step: MeasureStep, live: int) -> None:
        """Divide states whose shots read a measurement differently."""
        if not len(front.states) or not self._is_read(step, live):
            return
        shots, _ = front.groups.settle()
        read = self._records.clbits[step.clbits[0]][shots].astype(np.int64)
        self._part(front, COPY, read, np.ones((len(front.states), 2)))
        self._give_up(front)

    def _is_read(self, step: EventStep, live: int) -> bool:
        """Tell whether an expression may still read the clbits of an event."""
        return bool(mask_of(self._flow.scope.among(step.clbits), len(self._flow.scope)) & live)

    def _noise(self, front: ShotFront, step: NoiseStep, live: int) -> None:
        """Take a front through a channel."""
        looped = self._flow.loops and len(front.groups.settle()[0])
        visit = front.visits.add(step.event, front.groups) if looped else 0
        every = Visitors(*front.groups.settle(), visit)
        places, branches = self._draws.branches(step, every)
        if not len(places):
            return
        left = every.only(places)
        while len(left.shots) and len(front.states):
            # Of many branches some at a time: there is a number for each of them and each state.
            last = np.unique(branches)[: max(1, self._flow.limits.ways // len(front.states))][-1]
            now = branches <= last
            if self._go_through(front, step, left.only(np.flatnonzero(now)), branches[now]):
                left, branches = left.only(np.flatnonzero(~now)), branches[~now]
        self._merge_many(front, live)

    def _go_through(self, front: ShotFront, step: NoiseStep, visitors: Visitors, branches: NDArray[np.int64]) -> bool:
        """Apply the errors of some shots.

        Args:
            front: has the shots.
            step: the noise.
            visitors: the shots with an error, as they came; some may have been put off.
            branches: the branch of each.

        Returns:
            False if states were lost meanwhile, and nothing was applied.
        """
        shots, states = front.groups.settle()
        at = np.minimum(np.searchsorted(shots, visitors.shots), len(shots) - 1)
        here = np.flatnonzero(shots[at] == visitors.shots)
        if not len(here):
            return True
        places = at[here]
        present = visitors.only(here)._replace(states=states[places])
        operators, chosen, weights = self._draws.operators(front.states, step, present, branches[here])
        if self._give_up(front):
            return False
        drawn = np.zeros(len(shots), np.int64)
        drawn[places] = chosen
        self._part(front, OperatorStep(operators), drawn, weights)
        self._give_up(front)
        return True

    def _part(
        self,
        front: ShotFront,
        step: EventStep | OperatorStep,
        drawn: NDArray[np.integer] | NDArray[np.bool_],
        weights: NDArray[np.float64],
    ) -> None:
        """Let each shot go its way, with a state for each way."""
        number = len(front.states)
        shots, states = front.groups.settle()
        goals = states * step.ways + drawn
        taken = np.bincount(goals, minlength=number * step.ways).reshape(number, step.ways) > 0
        numbers = front.states.branch(step, self._allowed(taken, front), weights)
        if np.count_nonzero(taken) == number:
            return
        states = numbers.reshape(-1)[goals]
        if (numbers[taken] < 0).any():
            off = states < 0
            self._put_off.append(shots[off])
            shots, states = shots[~off], states[~off]
        front.groups.replace(shots, states, len(front.states))
        sources = np.nonzero(numbers >= number)[0]
        front.phases = np.concatenate([front.phases, front.phases[sources]])
        front.variables = front.variables + [front.variables[at] for at in sources.tolist()]

    def _allowed(self, taken: NDArray[np.bool_], front: ShotFront) -> NDArray[np.bool_]:
        """Drop the ways whose classical values don't fit into memory.

        Each state has variables of its own.
        """
        if self._most_states is None:
            return taken
        others = sum([len(other.states) for fronts in self._waiting.values() for other in fronts])
        further = taken & (np.cumsum(taken, axis=1) > 1)
        room = np.cumsum(further).reshape(taken.shape) <= self._most_states - others - len(front.states)
        allowed: NDArray[np.bool_] = taken & (room | ~further)
        return allowed

    def _give_up(self, front: ShotFront) -> bool:
        """Put off the shots of lost states.

        Returns:
            Whether there were any.
        """
        lost = front.states.lost()
        if lost is None:
            return False
        self._put_off.append(front.split_off(lost).groups.settle()[0])
        return True

    def _merge_many(self, front: ShotFront, live: int) -> None:
        """Merge equal states as often as their number doubles.

        Few errors lead to equal states.
        """
        if len(front.states) >= self._merged_from:
            self._merge(front, live)
            self._merged_from = max(MERGED, 2 * len(front.states))

    def _merge(self, front: ShotFront, live: int) -> None:
        """Merge equal states.

        Args:
            front: has the states.
            live: the mask of the names that may still be read.
        """
        number = len(front.states)
        if number < 2 or self._phases:
            return
        last = front.groups.last_shots()
        firsts = front.states.first_equal(self._classical.kinds(front, last, live))
        if (firsts == np.arange(number)).all():
            return
        distinct, states = np.unique(firsts, return_inverse=True)
        # The last of all shots keeps its own state, to the last bit, whichever shots it is merged with.
        best = np.full(len(distinct), -1)
        np.maximum.at(best, states, last)
        chosen = np.empty(len(distinct), np.int64)
        owners = np.flatnonzero(last == best[states])
        chosen[states[owners]] = owners
        front.states.select(chosen)
        front.phases = front.phases[chosen]
        front.variables = [front.variables[at] for at in chosen.tolist()]
        front.groups.renumber(states)

    def _go_on(self, front: ShotFront) -> bool:
        """Move a front from the end of a block to its goals.

        Returns:
            Whether the program ends here.
        """
        block = self._flow.blocks[front.block]
        if block.store is not None:
            self._classical.store(front, block, block.store)
        following = block.following
        if following is None:
            return True
        if block.condition is None:
            self._move(front, following)
            return False
        memories, which = self._classical.memories(front, set().union(*block.names.reads))
        holds = np.array([bool(block.condition(memory)) for memory in memories])[which]
        if holds.all():
            self._move(front, following)
        elif not holds.any():
            self._move(front, block.otherwise)
        else:
            other = front.split_off(~holds)
            self._move(front, following)
            self._move(other, block.otherwise)
        return False

    def _move(self, front: ShotFront, goal: int) -> None:
        if goal <= front.block:
            passes = front.visits.add(GOING_BACK, front.groups)
            if (passes if isinstance(passes, int) else passes.max()) >= self._flow.limits.passes:
                raise EngineError(
                    f"{self._flow.names.get(goal, 'a loop')} didn't end: a shot went back to a loop's beginning "
                    f"{self._flow.limits.passes} times, and more is not run"
                )
        self._wait(front, goal)
