# SPDX-License-Identifier: Apache-2.0
"""How are several states of one program kept, of which a simulator holds one at a time?

One state lies in the simulator, the others beside it as long as they fit into a budget. A state that doesn't fit is
given up: its shots are run again from the start.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from qfleet_worker.engines.gates.matrices import ComplexArray
from qfleet_worker.engines.randomness.uniforms import FINAL_EVENT, Uniforms
from qfleet_worker.engines.results.saved import View

#: Shots that are sampled at a time.
SHOTS = 1 << 18
#: States beside the simulator's: each takes a kilobyte beside its amplitudes.
MOST_ASIDE = 1 << 14


class Found(NamedTuple):
    """What the measurements at the end of a circuit found in some shots."""

    shots: NDArray[np.int64]
    #: int64, a basis state for each shot
    states: NDArray[np.int64]
    #: the bit of a wire in these
    bits: dict[int, int]
    #: the values of wires without a bit, 0 where absent
    values: dict[int, int]


class Members(Protocol):
    """States at the same place of a program, numbered from 0."""

    def __len__(self) -> int: ...

    def apply(self, steps: Sequence[Any], begin: int, end: int) -> None:
        """Apply the unitary steps ``begin`` to ``end - 1``."""
        ...

    def given_up(self) -> NDArray[np.bool_] | None:
        """Which states were given up, shape (members,), if any were."""
        ...

    def views(self) -> Iterator[tuple[int, View]]:
        """Each member's number, and its state as it is until the next one is asked for; not of those given up."""
        ...

    def weights(self, wire: int) -> NDArray[np.float64]:
        """The probability of 1 on a wire, shape (members,). Raises `EngineError` for a norm that isn't 1."""
        ...

    def collapse(
        self, wire: int, values: NDArray[np.bool_], both: NDArray[np.bool_], weights: NDArray[np.float64], reset: bool
    ) -> NDArray[np.bool_]:
        """Project a wire of each state on a value, and put it into 0 if it is reset.

        Where both values are found, the part with 1 becomes a new member behind the others, in the same order. Returns
        for which of them there was room, shape (members,) as they were.
        """
        ...

    def keep(self, which: NDArray[np.int64]) -> None:
        """Drop the members that aren't among these, and put these into this order."""
        ...

    def split_off(self, which: NDArray[np.bool_]) -> Members:
        """Take some members out."""
        ...

    def join(self, others: Any) -> None:
        """Take the others in, behind."""
        ...

    def leaders(self, kinds: NDArray[np.int64]) -> NDArray[np.int64]:
        """For each member the first of the same kind and, up to a global phase, in the same state."""
        ...

    def find(
        self, plan: Any, shots: NDArray[np.int64], members: NDArray[np.int64], uniforms: Uniforms
    ) -> Iterator[Found]:
        """Measure all that `plan` measures at its end, for shots of which ``members`` says whose they are.

        `statevector` may be asked for a member's state when its last shots have just been found. Raises `EngineError`
        for a norm that isn't 1.
        """
        ...

    def statevector(self, member: int, plan: Any, values: dict[int, int], phase: complex) -> ComplexArray:
        """The amplitudes of a member times `phase`, a new array, once these wires were found to have these values."""
        ...


class Ensemble(Protocol):
    """What makes members."""

    def begin(self) -> Any:
        """A single member in |0...0>; those there were before are no more."""
        ...


class _Member:
    __slots__ = ("aside", "gone", "print")

    def __init__(self, aside: Any = None) -> None:
        #: ``None`` for the one in the simulator
        self.aside = aside
        self.gone = False
        #: the number that equal states share, once it is known
        self.print: float | None = None


class Desk:
    """A simulator, and what lies beside it."""

    def __init__(
        self,
        state: Any,
        budget: int,
        settle: Callable[[Any], None],
        statevector: Callable[[Any, complex], ComplexArray],
    ) -> None:
        """`budget`: bytes for states beside the simulator's; `settle` makes the simulator ready to be sampled at the
        end of a plan, `statevector` takes its amplitudes out."""
        self.state = state
        self.settle = settle
        self.statevector = statevector
        self._budget = budget
        self._held = 0
        self._aside = 0
        self._present: _Member | None = None

    def begin(self) -> OneByOne:
        """A single member in |0...0>."""
        self.state.clear()
        self._present = _Member()
        return OneByOne(self, [self._present])

    def take(self, member: _Member) -> Any:
        """The simulator, with a member's state."""
        if self._present is not member:
            self._clear_away(member.aside.amplitudes.nbytes)
            self._count(member.aside, -1)
            self.state.restore(member.aside)
            member.aside = None
            self._present = member
        return self.state

    def _clear_away(self, wanted: int) -> None:
        """Put the present state aside, or give it up, for one of `wanted` bytes to come."""
        present = self._present
        if present is not None:
            exchanged = wanted if self.state.EXCHANGES else 0
            if self._held - exchanged + self.state.aside_bytes() <= self._budget:
                present.aside = self.state.put_aside()
                self._count(present.aside, 1)
            else:
                present.gone = True
            self._present = None

    def projected(self, wire: int, weight: float) -> _Member | None:
        """The part of the simulator's state with 1 on a wire, if there is room for it."""
        if self._held + self.state.projected_bytes() > self._budget or self._aside >= MOST_ASIDE:
            return None
        aside = self.state.projected(wire, 1, weight)
        self._count(aside, 1)
        return _Member(aside)

    def drop(self, member: _Member) -> None:
        """Forget a member."""
        if member is self._present:
            self._present = None
        elif member.aside is not None:
            self._count(member.aside, -1)
            member.aside = None

    def _count(self, aside: Any, sign: int) -> None:
        """Count a state that is put aside, or taken back."""
        self._held += sign * int(aside.amplitudes.nbytes)
        self._aside += sign


class OneByOne:
    """Members that take turns on a desk; see `Members`."""

    def __init__(self, desk: Desk, members: list[_Member]) -> None:
        self._desk = desk
        self._members = members

    def __len__(self) -> int:
        return len(self._members)

    def _turns(self) -> Iterator[tuple[int, Any]]:
        """Each member's number, and the simulator with its state; first the one that is there."""
        members = sorted(enumerate(self._members), key=lambda each: each[1].aside is not None)
        for number, member in members:
            if not member.gone:
                yield number, self._desk.take(member)

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
        new: dict[int, _Member] = {}
        for number, state in self._turns():
            if state.value(wire) is None:
                weight, value = float(weights[number]), int(values[number])
                if both[number]:
                    part = self._desk.projected(wire, weight)
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
            self._desk.drop(member)
        self._members = kept

    def split_off(self, which: NDArray[np.bool_]) -> OneByOne:
        members = self._members
        self._members = [member for member, out in zip(members, which.tolist(), strict=True) if not out]
        return OneByOne(self._desk, [member for member, out in zip(members, which.tolist(), strict=True) if out])

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
            picture = self._desk.state.picture(member.aside)
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
    ) -> Iterator[Found]:
        for number, state in self._turns():
            own = shots if len(self._members) == 1 else shots[members == number]
            self._desk.settle(plan)
            sampler = state.sampler()
            state.check(sampler.total)
            bits = {wire: bit for bit, wire in enumerate(reversed(state.order))}
            if not any(wire in bits for wire in plan.measured):
                yield Found(own, np.zeros(0, np.int64), {}, state.values)
                continue
            for begin in range(0, len(own), SHOTS):
                part = own[begin : begin + SHOTS]
                yield Found(part, sampler.find(uniforms.of(FINAL_EVENT, part)), bits, state.values)

    def statevector(self, member: int, plan: Any, values: dict[int, int], phase: complex) -> ComplexArray:
        state = self._desk.take(self._members[member])
        for wire, value in values.items():
            state.project(wire, value, state.weights(wire)[value])
        return self._desk.statevector(plan, phase)
