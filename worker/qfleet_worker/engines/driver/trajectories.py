# SPDX-License-Identifier: Apache-2.0
"""Which histories do the shots of a circuit take?

A measurement in mid-circuit divides the shots: those that found 0 and those that found 1 go on with a state of each.
All go on together, the ones that are behind first, and where several come to the same place in the same state, with the
same values in all clbits and variables that may still be read, they go on as one. So shots are simulated together
wherever they can't be told apart by what comes.

Where there is no room for another state, its shots are put off and run again from the start, when the others are done:
what a shot finds doesn't depend on which others run beside it.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from typing import Generic

import numpy as np
from numpy.typing import NDArray

from qfleet_worker.engines.bits import mask_of, places, to_bits
from qfleet_worker.engines.contract import EngineError
from qfleet_worker.engines.driver.expressions import Memory, Value
from qfleet_worker.engines.driver.flow import Block, Flow
from qfleet_worker.engines.driver.front import Front
from qfleet_worker.engines.driver.shot_groups import Crowd
from qfleet_worker.engines.driver.shot_records import BYTES_OF_A_SAVE, BYTES_OF_A_SAVE_IN_A_LOOP, Notes
from qfleet_worker.engines.driver.stretches import AnyPlan
from qfleet_worker.engines.driver.visits import GOING_BACK, Visits
from qfleet_worker.engines.driver.ways import are_certain, draw_ways
from qfleet_worker.engines.randomness.uniforms import Uniforms
from qfleet_worker.engines.results.saved import Take
from qfleet_worker.engines.states.contract import StateSource
from qfleet_worker.engines.steps import EventStep, SaveStep

#: How often a shot may go back to an earlier operation.
MAX_PASSES = 100_000
#: Fronts that wait at a place before they are made one.
JOINED = 16
#: Bytes of a small number, or of an empty tuple.
_NUMBER_BYTES = 40
#: Bytes of the variables and of the live clbits of all states.
CLASSICAL_BYTES = 1 << 24


def numbers_per_shot(flow: Flow[AnyPlan]) -> int:
    """How many numbers of 8 bytes are held for each shot, at most: random ones, and its notes."""
    if not any(block.events or block.store is not None for block in flow.blocks):
        return 1
    clbits: set[int] = set()
    saves: set[int] = set()
    for block in flow.blocks:
        clbits.update([flow.scope.clbits[name] for name in flow.scope.parted(block.names.changes)[0]])
        for at in block.events:
            step = block.plan.steps[at]
            if isinstance(step, EventStep):
                clbits.update(step.clbits)
            elif isinstance(step, SaveStep):
                saves.add(step.save)
    visits = 1 + sum(len(block.events) for block in flow.blocks) if flow.loops else 0
    each = BYTES_OF_A_SAVE_IN_A_LOOP if flow.loops else BYTES_OF_A_SAVE
    return 2 + (len(clbits) + 4 * visits + each * len(saves)) // 8


def ends(
    flow: Flow[AnyPlan],
    ensemble: StateSource,
    shots: int,
    uniforms: Uniforms,
    notes: Notes,
    take: Take | None = None,
    phases: bool = False,
) -> Iterator[Front]:
    """Run a program for shots 0 to `shots` - 1, and give those that come to its end together.

    `notes` is where the shots leave what they write; `take` is called at saves. The states of a front are those of the
    program's end until the next front is asked for, their global phases those of the last shot of each. With `phases`
    it is that of every shot, at the price that fewer are simulated together. Raises `EngineError` for a loop that
    doesn't end, and for expressions that have no value.
    """
    left = np.arange(shots)
    while len(left):
        run = _Run(flow, ensemble, uniforms, notes, take, phases)
        yield from run.run(left)
        left = run.put_off()
        notes.forget(left)


class _Run(Generic[AnyPlan]):
    """Shots on their way through a program."""

    def __init__(
        self,
        flow: Flow[AnyPlan],
        ensemble: StateSource,
        uniforms: Uniforms,
        notes: Notes,
        take: Take | None,
        phases: bool,
    ) -> None:
        self._flow = flow
        self._ensemble = ensemble
        self._uniforms = uniforms
        self._notes = notes
        self._take = take
        self._phases = phases
        #: blocks that a front waits for, and the fronts by block
        self._blocks: list[int] = []
        self._waiting: dict[int, list[Front]] = {}
        self._put_off: list[NDArray[np.int64]] = []
        self._most_states = _most_states(flow)

    def put_off(self) -> NDArray[np.int64]:
        """The shots that are to be run again."""
        return np.sort(np.concatenate(self._put_off)) if self._put_off else np.zeros(0, np.int64)

    def run(self, shots: NDArray[np.int64]) -> Iterator[Front]:
        """Run these shots; see `ends`."""
        crowd, visits = Crowd(shots), Visits(1 + int(shots[-1]))
        first = Front(0, crowd, self._ensemble.begin(), np.ones(1, np.complex128), [self._flow.variables], visits)
        self._wait(first, 0)
        while self._blocks:
            # The first block in the program: whoever comes to a later one waits there for those who may still come.
            front = self._joined(self._waiting.pop(heapq.heappop(self._blocks)))
            if not len(front.states):
                continue
            self._run_block(front)
            if self._go_on(front):
                yield front
                front.states.select(np.zeros(0, np.int64))

    def _wait(self, front: Front, block: int) -> None:
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
            # Those who leave a loop one by one would need a state each.
            self._waiting[block] = [self._joined(others)]

    def _joined(self, fronts: list[Front]) -> Front:
        """One front of several at the beginning of a block."""
        first, *others = fronts
        for front in fronts:
            self._give_up(front)
        if others:
            first.join(others)
        self._merge(first, self._flow.live[first.block][0])
        return first

    def _run_block(self, front: Front) -> None:
        block = self._flow.blocks[front.block]
        steps, live = block.plan.steps, self._flow.live[front.block]
        begin = 0
        for at in block.events:
            if at > begin:
                front.states.apply(steps, begin, at)
            if isinstance(steps[at], SaveStep):
                self._save(front, steps[at])
            else:
                self._event(front, steps[at], live[at + 1])
            begin = at + 1
        if len(steps) > begin:
            front.states.apply(steps, begin, len(steps))
            self._give_up(front)
        if block.plan.phase != 1:
            front.phases = front.phases * block.plan.phase

    def _save(self, front: Front, step: SaveStep) -> None:
        if self._take is None:
            return
        shots, members = front.crowd.settle()
        for number, answers in front.states.answers():
            # Shots that were put off, and come here once more, have been here.
            own = self._notes.to_save(step.save, shots[members == number])
            if len(own):
                self._take(step, answers, complex(front.phases[number]), own, self._notes)
        self._give_up(front)

    def _event(self, front: Front, step: EventStep, live: int) -> None:
        while True:
            weights = front.states.weights(step)
            if not self._give_up(front):
                break
        if are_certain(weights):
            self._certain_event(front, step, weights)
        else:
            self._divide(front, step, weights)
        self._give_up(front)
        self._merge(front, live)

    def _certain_event(self, front: Front, step: EventStep, weights: NDArray[np.float64]) -> None:
        """Take a front through an event at which each state goes one way."""
        ways = weights.argmax(axis=1)
        if self._flow.loops:
            front.visits.add(step.event, front.crowd)
        if step.clbits:
            shots, states = front.crowd.settle()
            values = ways if len(ways) == 1 else ways[states]
            for clbit in step.clbits:
                self._notes.write(clbit, shots, values)
        front.states.branch(step, ways[:, None] == np.arange(step.ways), weights)

    def _divide(self, front: Front, step: EventStep, weights: NDArray[np.float64]) -> None:
        """Take a front through an event that may divide the shots of a state."""
        number = len(front.states)
        shots, states = front.crowd.settle()
        visit = front.visits.add(step.event, front.crowd) if self._flow.loops else 0
        drawn = draw_ways(self._uniforms.of(step.event, shots, visit), weights, states)
        for clbit in step.clbits:
            self._notes.write(clbit, shots, drawn)
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
        front.crowd.replace(shots, states, len(front.states))
        sources = np.nonzero(numbers >= number)[0]
        front.phases = np.concatenate([front.phases, front.phases[sources]])
        front.variables = front.variables + [front.variables[at] for at in sources.tolist()]

    def _allowed(self, taken: NDArray[np.bool_], front: Front) -> NDArray[np.bool_]:
        """Leave out the ways whose states there is no memory for, since each state has variables of its own."""
        if self._most_states is None:
            return taken
        others = sum([len(other.states) for fronts in self._waiting.values() for other in fronts])
        further = taken & (np.cumsum(taken, axis=1) > 1)
        room = np.cumsum(further).reshape(taken.shape) <= self._most_states - others - len(front.states)
        allowed: NDArray[np.bool_] = taken & (room | ~further)
        return allowed

    def _give_up(self, front: Front) -> bool:
        """Put the shots off whose states were given up. Returns whether there were any."""
        lost = front.states.lost()
        if lost is None:
            return False
        self._put_off.append(front.split_off(lost).crowd.settle()[0])
        return True

    def _merge(self, front: Front, live: int) -> None:
        """Make one of the states that are the same, where `live` are the names that may still be read."""
        number = len(front.states)
        if number < 2 or self._phases:
            return
        last = front.crowd.last_shots()
        leaders = front.states.first_equal(self._kinds(front, last, live))
        if (leaders == np.arange(number)).all():
            return
        distinct, members = np.unique(leaders, return_inverse=True)
        # What the last of all shots comes to is its own, to the last bit, whoever goes with it.
        best = np.full(len(distinct), -1)
        np.maximum.at(best, members, last)
        chosen = np.empty(len(distinct), np.int64)
        owners = np.flatnonzero(last == best[members])
        chosen[members[owners]] = owners
        front.states.select(chosen)
        front.phases = front.phases[chosen]
        front.variables = [front.variables[at] for at in chosen.tolist()]
        front.crowd.renumber(members)

    def _kinds(self, front: Front, last: NDArray[np.int64], names: int) -> NDArray[np.int64]:
        """A number for each state, the same for those who agree in these names; `last` has a shot of each."""
        kinds = np.zeros(len(last), np.int64)
        if not names or len(last) == 1:
            return kinds
        scope, clbits = self._flow.scope, self._notes.clbits
        named, variables = scope.parted(places(names))
        columns = [clbits[scope.clbits[name]][last] for name in named if scope.clbits[name] in clbits]
        for column in columns[:60]:
            kinds = kinds << 1 | column
        if len(columns) <= 60 and not variables:
            return kinds
        rows = np.stack(columns, axis=1) if columns else np.zeros((len(last), 0), np.uint8)
        numbers: dict[tuple[bytes, tuple[Value, ...]], int] = {}
        for at, values in enumerate(front.variables):
            key = rows[at].tobytes(), tuple([values[place] for place in variables])
            kinds[at] = numbers.setdefault(key, len(numbers))
        return kinds

    def _memories(self, front: Front, names: set[int]) -> tuple[list[Memory], NDArray[np.int64]]:
        """What is read of these names, once for all states that agree in them, and which of these each state has."""
        scope = self._flow.scope
        last = front.crowd.last_shots()
        if len(last) == 1:
            first = which = np.zeros(1, np.int64)
        else:
            kinds = self._kinds(front, last, mask_of(names, len(scope)))
            _, first, which = np.unique(kinds, return_index=True, return_inverse=True)
        clbits = [(name, scope.clbits[name]) for name in scope.parted(names)[0]]
        memories = [Memory(self._notes.of(clbits, int(last[at])), list(front.variables[at])) for at in first.tolist()]
        return memories, which

    def _store(self, front: Front, block: Block[AnyPlan], store: Callable[[Memory], None]) -> None:
        scope, changes = self._flow.scope, block.names.changes
        clbits, variables = scope.parted(changes)
        # What a store to a part of a place leaves alone is written again.
        memories, which = self._memories(front, set(changes).union(*block.names.reads))
        for memory in memories:
            store(memory)
        if clbits:
            shots, members = front.crowd.settle()
            width = clbits[-1] + 1
            bits = np.stack([to_bits(memory.clbits, width) for memory in memories])
            for name in clbits:
                self._notes.write(scope.clbits[name], shots, bits[which, name][members])
        if variables:
            for at, number in enumerate(which.tolist()):
                values = list(front.variables[at])
                for place in variables:
                    values[place] = memories[number].variables[place]
                front.variables[at] = tuple(values)

    def _go_on(self, front: Front) -> bool:
        """Move a front from the end of a block to where its shots go. Returns whether the program ends here."""
        block = self._flow.blocks[front.block]
        if block.store is not None:
            self._store(front, block, block.store)
        following = block.following
        if following is None:
            return True
        if block.condition is None:
            self._move(front, following)
            return False
        memories, which = self._memories(front, set().union(*block.names.reads))
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

    def _move(self, front: Front, goal: int) -> None:
        if goal <= front.block:
            passes = front.visits.add(GOING_BACK, front.crowd)
            if (passes if isinstance(passes, int) else passes.max()) >= MAX_PASSES:
                raise EngineError(
                    f"{self._flow.names.get(goal, 'a loop')} didn't end: a shot went back to a loop's beginning "
                    f"{MAX_PASSES} times, and more is not run"
                )
        self._wait(front, goal)


def _most_states(flow: Flow[AnyPlan]) -> int | None:
    """How many states there may be for the sake of what is classical in each; ``None`` where they share that."""
    scope = flow.scope
    stored = {place for block in flow.blocks for place in scope.parted(block.names.changes)[1]}
    if not stored:
        return None
    # A state has a tuple of all variables, and numbers of its own in those that are stored to.
    each = 8 * len(scope.types) + sum([_NUMBER_BYTES + max(scope.types[place], 0) // 8 for place in stored])
    return max(1, CLASSICAL_BYTES // (each + len(scope.clbits) + _NUMBER_BYTES))
