# SPDX-License-Identifier: Apache-2.0
"""Which histories do the shots of a circuit take?

A measurement in mid-circuit divides the shots: those that found 0 go on at once, those that found 1 later. So shots
with the same history are simulated once. The state of a waiting branch is kept while the states kept fit into a budget;
beyond it a branch is run again from the start, its outcomes forced.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import copy
from typing import Generic, NamedTuple

import numpy as np
from numpy.typing import NDArray

from qfleet_worker.engines.base import EngineError
from qfleet_worker.engines.numpy_engine.expressions import Memory
from qfleet_worker.engines.numpy_engine.flow import AnyPlan, Flow
from qfleet_worker.engines.numpy_engine.plan import Measure, Reset, Save
from qfleet_worker.engines.numpy_engine.randomness import Uniforms
from qfleet_worker.engines.numpy_engine.state import Snapshot, State

#: Branches less probable than this are rounding errors.
NEGLIGIBLE = 1e-14
#: How often a shot may go back to an earlier operation.
MAX_PASSES = 100_000


#: What is done at a save: of the step, the factor of the state, the shots, and the clbits as a number.
Take = Callable[[Save, complex, NDArray[np.int64], int], None]


class Leaf(NamedTuple, Generic[AnyPlan]):
    """The end of a branch. The state it ends in is the one that was handed in, until the next leaf is asked for."""

    #: the shots that took this branch, in ascending order
    shots: NDArray[np.int64]
    #: what was written in mid-circuit, one bit for each clbit
    clbits: int
    #: the plan that was run last, with the measurements at its end
    plan: AnyPlan
    #: factor of the whole state
    phase: complex


class _Place:
    """How far a branch has come, its state aside."""

    __slots__ = ("block", "memory", "passes", "phase", "step", "visits")

    def __init__(self, flow: Flow[AnyPlan]) -> None:
        self.block = self.step = self.passes = 0
        self.memory = Memory(0, list(flow.variables))
        #: how often each event was met, in a program with loops
        self.visits: dict[int, int] = {}
        self.phase = 1 + 0j

    def copy(self) -> _Place:
        """The same place, for another branch."""
        other = copy(self)
        other.memory = Memory(self.memory.clbits, self.memory.variables.copy())
        other.visits = self.visits.copy()
        return other


class _Branch(NamedTuple):
    shots: NDArray[np.int64]
    #: the outcome of each measurement and reset so far that could have had another
    history: list[int]
    #: where to go on and the state there; ``None`` to run again from the start
    saved: tuple[_Place, Snapshot] | None


def leaves(
    flow: Flow[AnyPlan],
    state: State,
    shots: int,
    uniforms: Uniforms,
    snapshot_bytes: int,
    take: Take | None = None,
) -> Iterator[Leaf[AnyPlan]]:
    """Run a program on `state` for shots 0 to `shots` - 1. The states that wait take at most `snapshot_bytes`.
    `take` is called once for each save and branch.

    Raises `EngineError` for a loop that doesn't end, and for expressions that have no value.
    """
    stack = [_Branch(np.arange(shots), [], None)]
    held = 0
    while stack:
        taking, history, saved = stack.pop()
        if saved is None:
            place, replayed = _Place(flow), 0
            state.clear()
        else:
            place, snapshot = saved
            replayed = len(history)
            state.restore(snapshot)
            held -= snapshot.amplitudes.nbytes
            del saved, snapshot
        at_end = False
        while not at_end:
            plan, memory = flow.blocks[place.block].plan, place.memory
            for at in range(place.step, len(plan.steps)):
                step = plan.steps[at]
                if isinstance(step, Save):
                    # Shots that follow an old branch once more have been there with it.
                    if take is not None and replayed == len(history):
                        take(step, place.phase, taking, memory.clbits)
                    continue
                if not isinstance(step, Measure | Reset):
                    state.apply(plan.steps, at)
                    continue
                visit = place.visits.get(step.event, 0)
                value = state.value(step.wire)
                if value is None:
                    weights = state.weights(step.wire)
                    if replayed < len(history):
                        value = history[replayed]
                    else:
                        ones = _find_one(uniforms, step.event, visit, taking, weights[1])
                        value = int(ones.all())
                        if not value and ones.any():
                            waiting = None
                            if held + state.amplitudes.nbytes // 2 <= snapshot_bytes:
                                # Resumed at this same step, which then finds the wire in |1>.
                                place.step = at
                                waiting = place.copy(), state.projected(step.wire, 1, weights[1])
                                held += waiting[1].amplitudes.nbytes
                            stack.append(_Branch(taking[ones], [*history, 1], waiting))
                            taking = taking[~ones]
                        history.append(value)
                    replayed += 1
                    state.project(step.wire, value, weights[value])
                if flow.loops:
                    place.visits[step.event] = visit + 1
                if isinstance(step, Reset):
                    state.values[step.wire] = 0
                else:
                    for clbit in step.clbits:
                        memory.clbits = memory.clbits & ~(1 << clbit) | value << clbit
            place.phase *= plan.phase
            at_end = _go_on(flow, place)
        yield Leaf(taking, place.memory.clbits, flow.blocks[place.block].plan, place.phase)


def _go_on(flow: Flow[AnyPlan], place: _Place) -> bool:
    """Move a branch from the end of a block to the next one. Returns whether there is none."""
    block = flow.blocks[place.block]
    if block.store is not None:
        block.store(place.memory)
    goal = block.following
    if block.condition is not None and not block.condition(place.memory):
        goal = block.otherwise
    if goal is None:
        return True
    if goal <= place.block:
        place.passes += 1
        if place.passes > MAX_PASSES:
            raise EngineError(
                f"{flow.names.get(goal, 'a loop')} didn't end: a shot went back to a loop's beginning "
                f"{MAX_PASSES} times, and more is not run"
            )
    place.block, place.step = goal, 0
    return False


def _find_one(uniforms: Uniforms, event: int, visit: int, shots: NDArray[np.int64], weight: float) -> NDArray[np.bool_]:
    """Which of the shots find 1, which has the probability `weight`."""
    if weight < NEGLIGIBLE or 1 - weight < NEGLIGIBLE:
        return np.full(len(shots), weight > NEGLIGIBLE)
    return uniforms.of(event, shots, visit) < weight
