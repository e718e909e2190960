# SPDX-License-Identifier: Apache-2.0
"""Which histories do the shots of a circuit take?

A measurement in mid-circuit divides the shots: those that found 0 go on at once, those that found 1 later. So shots
with the same history are simulated once. The state of a waiting branch is kept while the states kept fit into a budget;
beyond it a branch is run again from the start, its outcomes forced.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qfleet_worker.engines.numpy_engine.plan import Measure, Plan, Reset
from qfleet_worker.engines.numpy_engine.randomness import Uniforms
from qfleet_worker.engines.numpy_engine.state import Snapshot, State

#: Branches less probable than this are rounding errors.
NEGLIGIBLE = 1e-14


class Leaf(NamedTuple):
    """The end of a branch. The state it ends in is the one that was handed in, until the next leaf is asked for."""

    #: the shots that took this branch, in ascending order
    shots: NDArray[np.int64]
    #: what the measurements in mid-circuit wrote, one bit for each clbit
    clbits: int


class _Branch(NamedTuple):
    shots: NDArray[np.int64]
    clbits: int
    #: the outcome of each measurement and reset so far that could have had another
    history: tuple[int, ...]
    #: the step to go on with and the state before it; ``None`` to run again from the start
    saved: tuple[int, Snapshot] | None


def leaves(plan: Plan, state: State, shots: int, uniforms: Uniforms, snapshot_bytes: int) -> Iterator[Leaf]:
    """Run the plan on `state` for shots 0 to `shots` - 1. The states that wait take at most `snapshot_bytes`."""
    stack = [_Branch(np.arange(shots), 0, (), None)]
    held = 0
    while stack:
        taking, clbits, history, saved = stack.pop()
        if saved is None:
            first, clbits, replayed = 0, 0, 0
            state.clear()
        else:
            first, snapshot = saved
            replayed = len(history)
            state.restore(snapshot)
            held -= snapshot.amplitudes.nbytes
            del saved, snapshot
        for at in range(first, len(plan.steps)):
            step = plan.steps[at]
            if not isinstance(step, Measure | Reset):
                state.apply(plan.steps, at)
                continue
            value = state.value(step.wire)
            if value is None:
                weights = state.weights(step.wire)
                if replayed < len(history):
                    value = history[replayed]
                else:
                    ones = _find_one(uniforms, step.event, taking, weights[1])
                    value = int(ones.all())
                    if not value and ones.any():
                        fits = held + state.amplitudes.nbytes // 2 <= snapshot_bytes
                        # Resumed at this same step, which then finds the wire in |1>.
                        waiting = (at, state.projected(step.wire, 1, weights[1])) if fits else None
                        held += waiting[1].amplitudes.nbytes if waiting else 0
                        stack.append(_Branch(taking[ones], clbits, (*history, 1), waiting))
                        taking = taking[~ones]
                    history = (*history, value)
                replayed += 1
                state.project(step.wire, value, weights[value])
            if isinstance(step, Reset):
                state.values[step.wire] = 0
            elif value:
                for clbit in step.clbits:
                    clbits |= 1 << clbit
        yield Leaf(taking, clbits)


def _find_one(uniforms: Uniforms, event: int, shots: NDArray[np.int64], weight: float) -> NDArray[np.bool_]:
    """Which of the shots find 1, which has the probability `weight`."""
    if weight < NEGLIGIBLE or 1 - weight < NEGLIGIBLE:
        return np.full(len(shots), weight > NEGLIGIBLE)
    return uniforms.of(event, shots) < weight
