# SPDX-License-Identifier: Apache-2.0
"""Which histories do the shots of a circuit take?

A measurement in mid-circuit splits the shots by the binomial law: those that found 0 go on at once, those that found 1
later. So shots with the same history are simulated once. The state of a waiting branch is kept while the states kept
fit into a budget; beyond it a branch is run again from the start, its outcomes forced. Either way the same random
numbers are drawn in the same order.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from qfleet_worker.engines.numpy_engine.plan import Measure, Plan, Reset
from qfleet_worker.engines.numpy_engine.state import Snapshot, State

#: Branches less probable than this are rounding errors.
NEGLIGIBLE = 1e-14


class Leaf(NamedTuple):
    """The end of a branch. The state it ends in is the one that was handed in, until the next leaf is asked for."""

    shots: int
    #: what the measurements in mid-circuit wrote, one bit for each clbit
    clbits: int


class _Branch(NamedTuple):
    shots: int
    clbits: int
    #: the outcome of each measurement and reset so far that could have had another
    history: tuple[int, ...]
    #: the step to go on with and the state before it; ``None`` to run again from the start
    saved: tuple[int, Snapshot] | None


def leaves(plan: Plan, state: State, shots: int, rng: np.random.Generator, snapshot_bytes: int) -> Iterator[Leaf]:
    """Run the plan on `state` for all shots. The states that wait take at most `snapshot_bytes`."""
    stack = [_Branch(shots, 0, (), None)]
    held = 0
    while stack:
        shots, clbits, history, saved = stack.pop()
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
                    ones = _split(rng, shots, weights[1])
                    if 0 < ones < shots:
                        fits = held + state.amplitudes.nbytes // 2 <= snapshot_bytes
                        # Resumed at this same step, which then finds the wire in |1>.
                        waiting = (at, state.projected(step.wire, 1, weights[1])) if fits else None
                        held += waiting[1].amplitudes.nbytes if waiting else 0
                        stack.append(_Branch(ones, clbits, (*history, 1), waiting))
                        shots -= ones
                        ones = 0
                    value = int(ones > 0)
                    history = (*history, value)
                replayed += 1
                state.project(step.wire, value, weights[value])
            if isinstance(step, Reset):
                state.values[step.wire] = 0
            elif value:
                for clbit in step.clbits:
                    clbits |= 1 << clbit
        yield Leaf(shots, clbits)


def _split(rng: np.random.Generator, shots: int, weight: float) -> int:
    """How many of the shots find 1, which has the probability `weight`."""
    if weight < NEGLIGIBLE:
        return 0
    if 1 - weight < NEGLIGIBLE:
        return shots
    return int(rng.binomial(shots, weight))
