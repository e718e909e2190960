# SPDX-License-Identifier: Apache-2.0
"""An order of steps in which a chain's centre moves little."""

from __future__ import annotations

import dataclasses
from bisect import bisect_left, insort
from collections.abc import Iterator, Sequence

from qfleet_worker.engines.mps.plan import Far, One, Spread, Step, Two


def in_order(steps: Sequence[Step]) -> Iterator[Step]:
    """Give steps in an order with the same effect.

    Steps on separate wires change places where that brings them nearer to the one before. The driver's steps stay
    where they are.
    """
    run: list[One | Two | Far | Spread] = []
    centre = 0
    for step in steps:
        if isinstance(step, One | Two | Far | Spread):
            run.append(step)
            continue
        yield from _directed(_nearest_first(run, centre))
        centre, run = run[-1].wire if run else centre, []
        yield step
    yield from _directed(_nearest_first(run, centre))


def _wires(step: One | Two | Far | Spread) -> range:
    """Return the wires that a step touches."""
    match step:
        case One():
            return range(step.wire, step.wire + 1)
        case Two():
            return range(step.wire, step.wire + 2)
        case Far():
            return range(step.wire, step.other + 1)
        case Spread():
            return range(step.wire, step.wire + len(step.factors))


def _nearest_first(steps: Sequence[One | Two | Far | Spread], centre: int) -> list[One | Two | Far | Spread]:
    """Put steps in order, each near to the one before."""
    queues: dict[int, list[int]] = {}
    for number in reversed(range(len(steps))):
        for wire in _wires(steps[number]):
            queues.setdefault(wire, []).append(number)
    heads = [0] * len(steps)
    ready: list[tuple[int, int]] = []

    def uncover(wire: int) -> None:
        """Count a wire at the step that its queue begins with."""
        if queues[wire]:
            number = queues[wire][-1]
            heads[number] += 1
            if heads[number] == len(_wires(steps[number])):
                insort(ready, (steps[number].wire, number))

    for wire in queues:
        uncover(wire)
    found = []
    while ready:
        at = bisect_left(ready, (centre, -1))
        if at == len(ready) or (at and centre - ready[at - 1][0] <= ready[at][0] - centre):
            at -= 1
        _, number = ready.pop(at)
        step = steps[number]
        found.append(step)
        centre = step.wire
        for wire in _wires(step):
            queues[wire].pop()
            uncover(wire)
    return found


def _directed(steps: Sequence[One | Two | Far | Spread]) -> Iterator[One | Two | Far | Spread]:
    """Give steps with the side that the next one is on."""
    following = -1
    found: list[One | Two | Far | Spread] = []
    for step in reversed(steps):
        if isinstance(step, Two):
            found.append(dataclasses.replace(step, right=following > step.wire))
        else:
            found.append(step)
        if not isinstance(step, One):
            following = step.wire
    return reversed(found)
