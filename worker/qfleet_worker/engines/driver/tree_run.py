# SPDX-License-Identifier: Apache-2.0
"""Shots through a program whose errors are unitary, as a tree.

No state decides on anything, so that the tree is known before the run. A front has some of its nodes at the same
stretch. Children join the front of their parents where there is room; else some of them go on first, as a front of
their own, and come to the end before the next begin.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Generic, NamedTuple

import numpy as np
from numpy.typing import NDArray

from qfleet_worker.engines.driver.error_tree import Births, ErrorTree
from qfleet_worker.engines.driver.flow import Flow
from qfleet_worker.engines.driver.front import ShotFront
from qfleet_worker.engines.driver.inside_errors import InsideErrors
from qfleet_worker.engines.driver.moves import MovedErrors
from qfleet_worker.engines.driver.shot_groups import ShotGroups
from qfleet_worker.engines.driver.stretches import AnyPlan
from qfleet_worker.engines.driver.visits import Visits
from qfleet_worker.engines.states.contract import States, StateSource
from qfleet_worker.engines.states.operators import Paulis

#: In place of the number of a front: that of a node that hasn't begun, and of one whose shots are put off.
_UNBORN: Final = -1
_DROPPED: Final = -2
_NONE: Final = np.zeros(0, np.int64)


@dataclass(slots=True)
class _Front:
    """Nodes that have come to the beginning of the same stretch."""

    number: int
    stretch: int
    states: States
    #: the node of each state
    nodes: NDArray[np.int64]


class _Children(NamedTuple):
    """Children of a front's states."""

    nodes: NDArray[np.int64]
    #: the number of each one's parent in the front
    parents: NDArray[np.int64]
    #: the errors that each begins with
    x_masks: NDArray[np.int64]
    z_masks: NDArray[np.int64]
    #: the number of each one's errors inside of the stretch, -1 for none
    inside: NDArray[np.int64]

    def only(self, which: NDArray[np.bool_] | NDArray[np.int64]) -> _Children:
        """Return some of them."""
        return _Children(*[column[which] for column in self])


class TreeRun(Generic[AnyPlan]):
    """Shots on their way through a noisy program whose errors are unitary.

    Args:
        flow: the compiled program.
        source: makes the states.
        moved: the errors of all shots.
        shots: those that are run, in ascending order.
    """

    def __init__(self, flow: Flow[AnyPlan], source: StateSource, moved: MovedErrors, shots: NDArray[np.int64]) -> None:
        self._flow = flow
        self._source = source
        wires = flow.blocks[0].plan.wires
        #: the wire of each bit of a mask
        self._wires = [wires[qubit] for qubit in moved.qubits]
        self._inside = InsideErrors(flow, moved)
        self._tree = ErrorTree(moved.stretches, shots, len(moved.flips))
        #: by node: the number of its front, and its place there
        self._fronts = np.full(self._tree.size, _UNBORN)
        self._places = np.zeros(self._tree.size, np.int64)
        #: by node: how many states come to the end of it and its descendants that haven't begun
        self._leaves = self._tree.leaves()
        self._numbers = 0
        self._put_off: list[NDArray[np.int64]] = []

    def put_off(self) -> NDArray[np.int64]:
        """Return the shots that have to be run again."""
        return np.sort(np.concatenate(self._put_off)) if self._put_off else _NONE

    def run(self) -> Iterator[ShotFront]:
        """Run the shots; see `qfleet_worker.engines.driver.run.ends`."""
        stack = [self._front(0, self._source.begin(), np.zeros(1, np.int64))]
        while stack:
            front = stack[-1]
            self._give_up(front)
            if front.stretch == len(self._flow.blocks) or not len(front.nodes):
                stack.pop()
                if len(front.nodes):
                    yield self._ended(front)
                front.states.select(_NONE)
                continue
            further = self._advance(front)
            if further is not None:
                stack.append(further)

    def _front(self, stretch: int, states: States, nodes: NDArray[np.int64]) -> _Front:
        self._numbers += 1
        front = _Front(self._numbers, stretch, states, nodes)
        self._number(front)
        return front

    def _number(self, front: _Front) -> None:
        """Note where the nodes of a front are."""
        self._fronts[front.nodes] = front.number
        self._places[front.nodes] = np.arange(len(front.nodes))

    def _ended(self, front: _Front) -> ShotFront:
        """Return a front at the program's end with its shots."""
        shots, states = self._tree.shots(front.nodes)
        groups, size = ShotGroups(shots), len(front.nodes)
        groups.replace(shots, states, size)
        phases, variables = np.ones(size, np.complex128), [self._flow.variables] * size
        return ShotFront(front.stretch - 1, groups, front.states, phases, variables, Visits(1))

    def _advance(self, front: _Front) -> _Front | None:
        """Take a front through its stretch.

        Returns:
            A front of children that go on first; this one has stayed where it is.
        """
        births = self._tree.births[front.stretch]
        children = None if births is None else self._children(front, births)
        if children is None or not len(children.nodes):
            self._run_plan(front.states, front.stretch)
        else:
            first = self._with_children(front, children)
            if first is not None:
                return first
        front.stretch += 1
        return None

    def _children(self, front: _Front, births: Births) -> _Children:
        """Return the children of a front that haven't begun."""
        own = slice(births.first, births.first + len(births.parents))
        which = np.flatnonzero((self._fronts[births.parents] == front.number) & (self._fronts[own] == _UNBORN))
        numbers, errors = births.numbers[which], births.errors
        masks = errors.x_masks[numbers], errors.z_masks[numbers]
        return _Children(births.first + which, self._places[births.parents[which]], *masks, errors.inside[numbers])

    def _with_children(self, front: _Front, children: _Children) -> _Front | None:
        """Take a front and its children through the stretch; see `_advance`."""
        # The last child of a state that ends takes its place. One with errors inside goes another way through the
        # stretch, so that it does so only if it is the same for all states.
        ending = self._tree.ends[front.nodes] == front.stretch
        inherits = np.append(children.parents[1:] != children.parents[:-1], True) & ending[children.parents]
        inside = children.inside >= 0
        apart = np.count_nonzero(inherits & inside) == len(front.nodes)
        if not apart:
            inherits &= ~inside
        others = np.flatnonzero(~inherits)
        if len(others) and (apart or not self._fits(front, len(others))):
            room = front.states.room()
            if room:
                ends = np.cumsum(self._leaves[children.nodes[others]])
                count = int(np.searchsorted(ends, room, side="right")) if front.states.together else 1
                return self._apart(front, children.only(others[: max(1, count)]))
            self._drop(children.nodes[others])
            others = _NONE
        self._join(front, children.only(inherits), children.only(others), ending)
        return None

    def _fits(self, front: _Front, children: int) -> bool:
        """Tell whether there is room for children, and for all later ones."""
        room = front.states.room() if front.states.together else 0
        return children <= room and int(self._leaves[front.nodes].sum()) <= len(front.nodes) + room

    def _apart(self, front: _Front, children: _Children) -> _Front:
        """Take children through the stretch, and return them as a front."""
        inside = children.inside >= 0
        clean, others = children.only(~inside), children.only(inside)
        states = self._fork(front, clean if len(clean.nodes) else others)
        if not len(clean.nodes):
            self._inside.run(states, front.stretch, others.inside)
            return self._front(front.stretch + 1, states, others.nodes)
        if len(others.nodes):
            apart = self._fork(front, others)
            self._inside.run(apart, front.stretch, others.inside)
        self._run_plan(states, front.stretch)
        if len(others.nodes):
            states.join(apart)
        return self._front(front.stretch + 1, states, np.concatenate([clean.nodes, others.nodes]))

    def _join(self, front: _Front, heirs: _Children, children: _Children, ending: NDArray[np.bool_]) -> None:
        """Take a front through the stretch together with children.

        Args:
            front: their parents'.
            heirs: those that take the places of their parents; they have errors inside all or none.
            children: the others.
            ending: the states of the front that aren't needed any more.
        """
        states, stretch = front.states, front.stretch
        inside = children.inside >= 0
        clean, others = children.only(~inside), children.only(inside)
        if len(clean.nodes):
            states.join(self._fork(front, clean))
        apart = self._fork(front, others) if len(others.nodes) else None
        nodes = np.concatenate([front.nodes, clean.nodes])
        if len(heirs.nodes):
            self._begin(front, heirs)
            states.paulis(heirs.parents, self._paulis(heirs))
            nodes[heirs.parents] = heirs.nodes
            ending[heirs.parents] = False
        if ending.any():
            kept = np.flatnonzero(~np.append(ending, np.zeros(len(clean.nodes), np.bool_)))
            states.select(kept)
            nodes = nodes[kept]
        if len(heirs.nodes) and heirs.inside[0] >= 0:
            self._inside.run(states, stretch, heirs.inside[np.argsort(heirs.parents)])
        elif len(states):
            self._run_plan(states, stretch)
        if apart is not None:
            self._inside.run(apart, stretch, others.inside)
            states.join(apart)
        front.nodes = np.concatenate([nodes, others.nodes])
        self._number(front)

    def _fork(self, front: _Front, children: _Children) -> States:
        """Return the states of children of a front."""
        self._begin(front, children)
        return front.states.fork(children.parents, self._paulis(children))

    def _paulis(self, children: _Children) -> Paulis:
        return Paulis(self._wires, children.x_masks, children.z_masks)

    def _begin(self, front: _Front, children: _Children) -> None:
        """Count children as begun."""
        np.subtract.at(self._leaves, front.nodes[children.parents], self._leaves[children.nodes])

    def _run_plan(self, states: States, stretch: int) -> None:
        steps = self._flow.blocks[stretch].plan.steps
        states.apply(steps, 0, len(steps))

    def _give_up(self, front: _Front) -> None:
        """Put off the shots of states that were lost."""
        lost = front.states.lost()
        if lost is not None:
            self._drop(front.nodes[lost])
            kept = np.flatnonzero(~lost)
            front.states.select(kept)
            front.nodes = front.nodes[kept]
            self._number(front)

    def _drop(self, nodes: NDArray[np.int64]) -> None:
        """Put off the shots of nodes and of their unborn descendants."""
        found = np.zeros(self._tree.size, np.bool_)
        found[nodes] = True
        for births in self._tree.births:
            if births is not None:
                own = slice(births.first, births.first + len(births.parents))
                found[own] |= found[births.parents] & (self._fronts[own] == _UNBORN)
        every = np.flatnonzero(found)
        self._fronts[every] = _DROPPED
        self._put_off.append(self._tree.shots(every)[0])
