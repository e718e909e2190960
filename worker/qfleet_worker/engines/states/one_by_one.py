# SPDX-License-Identifier: Apache-2.0
"""States that take turns in a simulator, which holds one at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qfleet_worker.engines.gates.matrices import ComplexArray
from qfleet_worker.engines.randomness.uniforms import FINAL_EVENT, Uniforms
from qfleet_worker.engines.states.contract import SHOTS, Samples
from qfleet_worker.engines.states.dense import View
from qfleet_worker.engines.states.store import Held, StateStore


class OneByOneSource:
    """The first state of programs that `OneByOne` runs."""

    def __init__(self, store: StateStore) -> None:
        self._store = store

    def begin(self) -> OneByOne:
        """Return a single state in |0...0>."""
        return OneByOne(self._store, [self._store.begin()])


class OneByOne:
    """Members that take turns in a simulator; see `States`."""

    def __init__(self, store: StateStore, members: list[Held]) -> None:
        self._store = store
        self._members = members

    def __len__(self) -> int:
        return len(self._members)

    def _turns(self) -> Iterator[tuple[int, Any]]:
        """Each member's number, and the simulator with its state; first the one that is there."""
        members = sorted(enumerate(self._members), key=lambda each: each[1].aside is not None)
        for number, member in members:
            if not member.gone:
                yield number, self._store.take(member)

    def apply(self, steps: Sequence[Any], begin: int, end: int) -> None:
        for number, state in self._turns():
            self._members[number].print = None
            for at in range(begin, end):
                state.apply(steps, at)

    def given_up(self) -> NDArray[np.bool_] | None:
        gone = [member.gone for member in self._members]
        return np.array(gone) if any(gone) else None

    def views(self) -> Iterator[tuple[int, View]]:
        for number, state in self._turns():
            yield number, state.view()

    def weights(self, wire: int) -> NDArray[np.float64]:
        found = np.zeros(len(self._members))
        for number, state in self._turns():
            value = state.value(wire)
            found[number] = state.weights(wire)[1] if value is None else value
        return found

    def collapse(
        self, wire: int, values: NDArray[np.bool_], both: NDArray[np.bool_], weights: NDArray[np.float64], reset: bool
    ) -> NDArray[np.bool_]:
        new: dict[int, Held] = {}
        for number, state in self._turns():
            if state.value(wire) is None:
                weight, value = float(weights[number]), int(values[number])
                if both[number]:
                    part = self._store.projected(wire, weight)
                    if part is not None:
                        new[number] = part
                        if reset:
                            part.aside.values[wire] = 0
                state.project(wire, value, weight if value else 1 - weight)
                self._members[number].print = None
            if reset:
                if state.value(wire):
                    self._members[number].print = None
                state.values[wire] = 0
        room = np.zeros(len(self._members), np.bool_)
        room[list(new)] = True
        self._members += [new[number] for number in sorted(new)]
        return room

    def keep(self, which: NDArray[np.int64]) -> None:
        kept = [self._members[number] for number in which.tolist()]
        for member in set(self._members).difference(kept):
            self._store.drop(member)
        self._members = kept

    def split_off(self, which: NDArray[np.bool_]) -> OneByOne:
        members = self._members
        self._members = [member for member, out in zip(members, which.tolist(), strict=True) if not out]
        return OneByOne(self._store, [member for member, out in zip(members, which.tolist(), strict=True) if out])

    def join(self, others: OneByOne) -> None:
        self._members += others._members

    def leaders(self, kinds: NDArray[np.int64]) -> NDArray[np.int64]:
        leaders = np.arange(len(self._members))
        by_kind: dict[int, list[int]] = {}
        for number, kind in enumerate(kinds.tolist()):
            by_kind.setdefault(kind, []).append(number)
        for group in by_kind.values():
            if len(group) > 1:
                self._lead(group, leaders)
        return leaders

    def _lead(self, group: list[int], leaders: NDArray[np.int64]) -> None:
        """Find the leaders in a group of one kind."""
        pictures = {}
        for number in group:
            member = self._members[number]
            picture = self._store.state.picture(member.aside)
            if picture is None:
                return
            pictures[number] = picture
            if member.print is None:
                member.print = picture.print()
        # Equal states are neighbours when they are sorted by a number that equal states share.
        first: list[tuple[float, int]] = []
        for value, number in sorted((self._members[number].print or 0.0, number) for number in group):
            picture = pictures[number]
            near = 8 * picture.tolerance * len(picture.amplitudes)
            for other_value, other in reversed(first):
                if value - other_value > near:
                    break
                if picture.same(pictures[other]):
                    leaders[number] = other
                    break
            else:
                first.append((value, number))

    def find(
        self, plan: Any, shots: NDArray[np.int64], members: NDArray[np.int64], uniforms: Uniforms
    ) -> Iterator[Samples]:
        for number, state in self._turns():
            own = shots if len(self._members) == 1 else shots[members == number]
            self._store.settle(plan)
            sampler = state.sampler()
            state.check(sampler.total)
            bits = {wire: bit for bit, wire in enumerate(reversed(state.order))}
            if not any(wire in bits for wire in plan.measured):
                yield Samples(own, np.zeros(0, np.int64), {}, state.values)
                continue
            for begin in range(0, len(own), SHOTS):
                part = own[begin : begin + SHOTS]
                yield Samples(part, sampler.find(uniforms.of(FINAL_EVENT, part)), bits, state.values)

    def statevector(self, member: int, plan: Any, values: dict[int, int], phase: complex) -> ComplexArray:
        state = self._store.take(self._members[member])
        for wire, value in values.items():
            state.project(wire, value, state.weights(wire)[value])
        return self._store.statevector(plan, phase)
