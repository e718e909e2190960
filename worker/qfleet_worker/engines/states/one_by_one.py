# SPDX-License-Identifier: Apache-2.0
"""States that take turns in a simulator of one state."""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from qfleet.wire.program.events import FINAL_EVENT
from qfleet.wire.program.matrices import ComplexArray
from qfleet_worker.engines.bits import places as places_of
from qfleet_worker.engines.randomness.uniforms import Uniforms
from qfleet_worker.engines.states.contract import SHOTS, Answers, ClbitRows, Samples
from qfleet_worker.engines.states.operators import PAULIS, OperatorStep, Paulis
from qfleet_worker.engines.states.store import StateStore, StoredState
from qfleet_worker.engines.states.ways import Ways
from qfleet_worker.engines.steps import MeasureStep, ResetStep

#: Bytes of states that take less time than the preparation of their steps.
SMALL_BYTES: Final = 1 << 14


class OneByOneSource:
    """A maker of states that take turns; see `qfleet_worker.engines.states.contract.StateSource`."""

    def __init__(self, store: StateStore) -> None:
        self._store = store

    def begin(self) -> OneByOne:
        """Return one state in |0...0>."""
        return OneByOne(self._store, [self._store.begin()])


class OneByOne:
    """States that take turns in the simulator of a store; see `qfleet_worker.engines.states.contract.States`."""

    def __init__(self, store: StateStore, states: list[StoredState]) -> None:
        self._store = store
        self._states = states

    def __len__(self) -> int:
        return len(self._states)

    def _turns(self, which: Container[int] | None = None) -> Iterator[tuple[int, Any]]:
        """Give states' numbers, and the simulator with each of them.

        The state that is in the simulator already is the first. They are all states, or those of `which`.
        """
        states = sorted(enumerate(self._states), key=lambda each: each[1].aside is not None)
        for number, state in states:
            if not state.lost and (which is None or number in which):
                yield number, self._store.load(state)

    def apply(self, steps: Sequence[Any], begin: int, end: int) -> None:
        """See `States.apply`."""
        for number, simulator in self._turns():
            self._states[number].fingerprint = None
            for at in range(begin, end):
                simulator.apply(steps, at)

    def apply_each(self, steps: Sequence[Any], angles: NDArray[np.float64]) -> bool:  # noqa: ARG002
        """See `States.apply_each`."""
        return False

    def lost(self) -> NDArray[np.bool_] | None:
        """See `States.lost`."""
        lost = [state.lost for state in self._states]
        return np.array(lost) if any(lost) else None

    def answers(self) -> Iterator[tuple[int, Answers]]:
        """See `States.answers`."""
        for number, simulator in self._turns():
            yield number, simulator.answers()

    def weights(self, step: MeasureStep | ResetStep) -> NDArray[np.float64]:
        """See `States.weights`."""
        weights = np.zeros((len(self._states), 2))
        for number, simulator in self._turns():
            value = simulator.value(step.wire)
            weights[number, 1] = simulator.weights(step.wire)[1] if value is None else value
        np.subtract(1, weights[:, 1], out=weights[:, 0])
        return weights

    def densities(self, which: NDArray[np.int64], wires: Sequence[int]) -> NDArray[np.complex128]:
        """See `States.densities`."""
        places = {number: place for place, number in enumerate(which.tolist())}
        found = np.zeros((len(which), 1 << len(wires), 1 << len(wires)), np.complex128)
        for number, simulator in self._turns(places):
            found[places[number]] = simulator.density_matrix(wires)
        return found

    def populations(self, wires: Sequence[int]) -> NDArray[np.float64]:
        """See `States.populations`."""
        found = np.ones((len(self._states), 1 << len(wires)))
        for number, simulator in self._turns():
            found[number] = simulator.populations(wires)
        return found

    def branch(
        self, step: MeasureStep | ResetStep | OperatorStep, taken: NDArray[np.bool_], weights: NDArray[np.float64]
    ) -> NDArray[np.int64]:
        """See `States.branch`."""
        ways = Ways.of(taken)
        if isinstance(step, OperatorStep):
            return self._multiply(step, ways, weights)
        first, further = ways.first.tolist(), ways.further()
        new: dict[tuple[int, int], StoredState] = {}
        for number, simulator in self._turns():
            if simulator.value(step.wire) is None:
                for way in further.get(number, ()):
                    part = self._store.project(step.wire, way, float(weights[number, way]))
                    if part is not None:
                        new[number, way] = part
                simulator.project(step.wire, first[number], float(weights[number, first[number]]))
                self._states[number].fingerprint = None
            if isinstance(step, ResetStep):
                if simulator.value(step.wire):
                    self._states[number].fingerprint = None
                simulator.values[step.wire] = 0
        return self._append(ways, taken.shape[1], new, reset=step.wire if isinstance(step, ResetStep) else None)

    def _multiply(self, step: OperatorStep, ways: Ways, weights: NDArray[np.float64]) -> NDArray[np.int64]:
        """Multiply each state by the operators of its ways; see `States.branch`."""
        further = ways.further()
        changed = {number for number, way in enumerate(ways.first.tolist()) if step.operators[way] or number in further}
        new: dict[tuple[int, int], StoredState] = {}
        for number, simulator in self._turns(changed):
            for way in further.get(number, ()):
                part = self._store.copy()
                if part is not None:
                    new[number, way] = part
            self._apply_way(self._states[number], simulator, step, int(ways.first[number]), weights[number])
        for (number, way), state in new.items():
            self._apply_way(state, self._store.load(state), step, way, weights[number])
        return self._append(ways, step.ways, new, reset=None)

    def _apply_way(
        self, state: StoredState, simulator: Any, step: OperatorStep, way: int, weights: NDArray[np.float64]
    ) -> None:
        factor = 1 / np.sqrt(weights[way])
        for wires, matrix in step.operators[way]:
            simulator.multiply(wires, matrix if factor == 1 else matrix * factor)
            factor = 1
            state.fingerprint = None

    def _append(
        self, ways: Ways, num_ways: int, new: dict[tuple[int, int], StoredState], reset: int | None
    ) -> NDArray[np.int64]:
        """Append the new states, and return the numbers of all.

        See `States.branch`.
        """
        if not len(ways.states):
            return ways.numbers(num_ways)
        room = np.array([each in new for each in zip(ways.states.tolist(), ways.ways.tolist(), strict=True)], np.bool_)
        for each in sorted(new):
            if reset is not None:
                new[each].aside.values[reset] = 0
            self._states.append(new[each])
        return Ways(ways.first, ways.states[room], ways.ways[room]).numbers(num_ways)

    @property
    def together(self) -> bool:
        """See `States.together`."""
        return bool(self._store.simulator.capacity_bytes <= SMALL_BYTES)

    def room(self) -> int:
        """See `States.room`."""
        return self._store.room()

    def fork(self, which: NDArray[np.int64], paulis: Paulis | None = None) -> OneByOne:
        """See `States.fork`."""
        places: dict[int, list[int]] = {}
        for place, number in enumerate(which.tolist()):
            places.setdefault(number, []).append(place)
        states = [StoredState() for _ in which.tolist()]
        for state in states:
            state.lost = True
        for number, _ in self._turns(places):
            for place in places[number]:
                states[place] = self._store.copy() or states[place]
        copies = type(self)(self._store, states)
        if paulis is not None:
            copies.paulis(np.arange(len(which)), paulis)
        return copies

    def paulis(self, which: NDArray[np.int64], paulis: Paulis) -> None:
        """See `States.paulis`."""
        pairs = zip(paulis.x_masks.tolist(), paulis.z_masks.tolist(), strict=True)
        masks = {number: (x, z) for number, (x, z) in zip(which.tolist(), pairs, strict=True) if x | z}
        for number, simulator in self._turns(masks):
            x, z = masks[number]
            for bit in places_of(x | z):
                simulator.multiply((paulis.wires[bit],), PAULIS[x >> bit & 1, z >> bit & 1])
            self._states[number].fingerprint = None

    def norms(self) -> NDArray[np.float64]:
        """See `States.norms`."""
        norms = np.ones(len(self._states))
        for number, simulator in self._turns():
            norms[number] = simulator.norm_squared()
        return norms

    def scale(self, factors: NDArray[np.float64]) -> None:
        """See `States.scale`."""
        for number, simulator in self._turns():
            simulator.scale(float(factors[number]))
            self._states[number].fingerprint = None

    def select(self, which: NDArray[np.int64]) -> None:
        """See `States.select`."""
        kept = [self._states[number] for number in which.tolist()]
        for state in set(self._states).difference(kept):
            self._store.drop(state)
        self._states = kept

    def take_out(self, which: NDArray[np.bool_]) -> OneByOne:
        """See `States.take_out`."""
        states = list(zip(self._states, which.tolist(), strict=True))
        self._states = [state for state, out in states if not out]
        return type(self)(self._store, [state for state, out in states if out])

    def join(self, others: OneByOne) -> None:
        """See `States.join`."""
        self._states += others._states

    def first_equal(self, kinds: NDArray[np.int64]) -> NDArray[np.int64]:
        """See `States.first_equal`."""
        firsts = np.arange(len(self._states))
        by_kind: dict[int, list[int]] = {}
        for number, kind in enumerate(kinds.tolist()):
            by_kind.setdefault(kind, []).append(number)
        for group in by_kind.values():
            if len(group) > 1:
                self._compare(group, firsts)
        return firsts

    def _compare(self, group: list[int], firsts: NDArray[np.int64]) -> None:
        """Write the first equal state of each state into `firsts`.

        The states are a group of one kind.
        """
        comparable = {}
        for number in group:
            state = self._states[number]
            shown = self._store.simulator.comparable(state.aside)
            if shown is None:
                return
            comparable[number] = shown
            if state.fingerprint is None:
                state.fingerprint = shown.fingerprint()
        # Sorted by a number that equal states share, equal states are neighbours.
        distinct: list[tuple[float, int]] = []
        for value, number in sorted((self._states[number].fingerprint or 0.0, number) for number in group):
            shown = comparable[number]
            near = 8 * shown.tolerance * len(shown.amplitudes)
            for other_value, other in reversed(distinct):
                if value - other_value > near:
                    break
                if shown.equals(comparable[other]):
                    firsts[number] = other
                    break
            else:
                distinct.append((value, number))

    def sample(
        self, plan: Any, shots: NDArray[np.int64], states: NDArray[np.int64], uniforms: Uniforms, counted: bool
    ) -> Iterator[Samples | ClbitRows]:
        """See `States.sample`."""
        for number, simulator in self._turns():
            own = shots if len(self._states) == 1 else shots[states == number]
            self._store.settle(plan)
            sampler = simulator.sampler()
            simulator.check(sampler.total)
            bits = {wire: bit for bit, wire in enumerate(reversed(simulator.order))}
            if not any(wire in bits for wire in plan.measured):
                yield Samples(own, np.zeros(0, np.int64), {}, simulator.values)
                continue
            at_once = sampler.counted_at_once if counted else 0
            for begin in range(0, len(own), at_once or SHOTS):
                part = own[begin : begin + (at_once or SHOTS)]
                if at_once:
                    for found, counts in sampler.count(uniforms.of(FINAL_EVENT, part)):
                        yield Samples(part, found, bits, simulator.values, counts)
                    continue
                yield Samples(part, sampler.find(uniforms.of(FINAL_EVENT, part)), bits, simulator.values)

    def statevector(self, state: int, plan: Any, values: dict[int, int], phase: complex) -> ComplexArray:
        """See `States.statevector`."""
        simulator = self._store.load(self._states[state])
        for wire, value in values.items():
            simulator.project(wire, value, simulator.weights(wire)[value])
        return self._store.statevector(plan, phase)
