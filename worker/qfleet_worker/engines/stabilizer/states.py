# SPDX-License-Identifier: Apache-2.0
"""States of a Clifford circuit that share tableaus.

A state is a tableau and a frame: see `qfleet_worker.engines.stabilizer.kernels.tableaus`. Shots that part at a
measurement, an error or a Pauli go on with frames of their own and the same tableau. Only a Clifford gate that some of
them meet, or a measurement of two outcomes that others don't, gives them a tableau of their own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from qfleet.wire.program.events import FINAL_EVENT
from qfleet.wire.program.matrices import ComplexArray
from qfleet_worker.engines.contract import EngineError
from qfleet_worker.engines.density.transfer import to_density_matrix
from qfleet_worker.engines.randomness.uniforms import Uniforms
from qfleet_worker.engines.stabilizer.answers import NO_AMPLITUDES, StabilizerAnswers, expectation_values, pauli_masks
from qfleet_worker.engines.stabilizer.equal import Stabilizers
from qfleet_worker.engines.stabilizer.kernels import outcomes, tableaus
from qfleet_worker.engines.stabilizer.outcome_space import OutcomeSpace, outcome_space
from qfleet_worker.engines.stabilizer.plan import Gates, Plan
from qfleet_worker.engines.stabilizer.room import Room
from qfleet_worker.engines.stabilizer.tableau import Tableau, words_for
from qfleet_worker.engines.states.contract import SHOTS, Answers, ClbitRows
from qfleet_worker.engines.states.operators import PAULIS, Factor, OperatorStep, Paulis
from qfleet_worker.engines.states.ways import Ways
from qfleet_worker.engines.steps import MeasureStep, ResetStep

#: Tableaus of a front from which on equal ones are looked for.
COMPARED: Final = 8
#: Tableaus that each other one is compared with, at most.
_MOST_KINDS: Final = 16
#: Bytes of outcomes that are sampled at a time.
_SAMPLED_BYTES: Final = 1 << 23


class StabilizerSource:
    """A maker of states; see `qfleet_worker.engines.states.contract.StateSource`."""

    def __init__(self, room: Room) -> None:
        self._room = room

    def begin(self) -> StabilizerStates:
        """Return one state in |0...0>."""
        self._room.begin()
        frames = np.zeros((1, words_for(self._room.num_qubits)), np.uint64)
        return StabilizerStates(self._room, [Tableau(self._room.num_qubits)], np.zeros(1, np.int64), frames)


class StabilizerStates:
    """States that share tableaus; see `qfleet_worker.engines.states.contract.States`."""

    def __init__(self, room: Room, held: list[Tableau], numbers: NDArray[np.int64], frames: NDArray[np.uint64]) -> None:
        self._room = room
        self._held = held
        #: the place in `_held` of each state's tableau
        self._numbers = numbers
        #: shape (states, words)
        self._frames = frames
        self._lost: NDArray[np.bool_] | None = None

    def __len__(self) -> int:
        return len(self._frames)

    @property
    def num_tableaus(self) -> int:
        """Return the number of tableaus that these states have."""
        return len(self._held)

    def _groups(self, which: NDArray[np.int64] | None = None) -> Iterator[tuple[int, NDArray[np.int64]]]:
        """Give each tableau's number, with its states among some."""
        every = np.arange(len(self._frames)) if which is None else which
        if len(self._held) == 1:
            yield 0, every
            return
        for number, which in _parted(self._numbers[every]):
            yield number, every[which]

    def _own(self, number: int, states: NDArray[np.int64]) -> Tableau | None:
        """Return a tableau that no other front holds.

        Returns:
            The tableau; ``None`` if a copy has no room, which gives up the states.
        """
        tableau = self._held[number]
        if tableau.holders == 1:
            return tableau
        if not self._room.take():
            if self._lost is None:
                self._lost = np.zeros(len(self._frames), np.bool_)
            self._lost[states] = True
            return None
        tableau.holders -= 1
        self._held[number] = tableau.copy()
        return self._held[number]

    def _apart(self, number: int, states: NDArray[np.int64]) -> int:
        """Give some states a tableau of their own, and return its number."""
        if len(states) == np.count_nonzero(self._numbers == number):
            return number
        self._held[number].holders += 1
        self._held.append(self._held[number])
        self._numbers[states] = len(self._held) - 1
        return len(self._held) - 1

    def apply(self, steps: Sequence[Gates], begin: int, end: int) -> None:
        """See `States.apply`."""
        for step in steps[begin:end]:
            for number, states in self._groups():
                tableau = self._own(number, states) if step.name else self._held[number]
                if tableau is not None:
                    tableaus.apply_gates(*tableau.arrays, self._frames, states, step.codes, step.first, step.second)
                    tableau.note(step.name)

    def apply_each(self, steps: Sequence[Any], angles: NDArray[np.float64]) -> bool:  # noqa: ARG002
        """See `States.apply_each`."""
        return False

    def lost(self) -> NDArray[np.bool_] | None:
        """See `States.lost`."""
        return self._lost

    def answers(self) -> Iterator[tuple[int, Answers]]:
        """See `States.answers`."""
        for number in range(len(self._frames)):
            if self._lost is None or not self._lost[number]:
                frame = self._frames[number : number + 1]
                yield number, StabilizerAnswers(self._held[int(self._numbers[number])], frame)

    def weights(self, step: MeasureStep | ResetStep) -> NDArray[np.float64]:
        """See `States.weights`."""
        weights = np.full((len(self._frames), 2), 0.5)
        for number, states in self._groups():
            found = np.empty(len(states), np.uint8)
            if tableaus.values(*self._held[number].arrays, self._frames, states, step.wire, found):
                weights[states] = np.eye(2)[found]
        return weights

    def branch(
        self, step: MeasureStep | ResetStep | OperatorStep, taken: NDArray[np.bool_], weights: NDArray[np.float64]
    ) -> NDArray[np.int64]:
        """See `States.branch`."""
        ways = Ways.of(taken).limited(self._room.states())
        self._append(ways.states)
        values = np.concatenate([ways.first, ways.ways])
        if isinstance(step, OperatorStep):
            for way in np.unique(values).tolist():
                if step.operators[way]:
                    self._operate(step.operators[way], np.flatnonzero(values == way))
        else:
            # Where a measurement has one outcome, this changes nothing.
            sources = np.concatenate([np.arange(len(taken)), ways.states])
            self._project(step.wire, np.flatnonzero(weights.min(axis=1)[sources]), values)
            if isinstance(step, ResetStep):
                self._flip(step.wire, np.flatnonzero(values))
        return ways.numbers(step.ways)

    def _append(self, sources: NDArray[np.int64]) -> None:
        """Append copies of states."""
        if len(sources):
            self._room.count(len(sources))
            self._frames = np.concatenate([self._frames, self._frames[sources]])
            self._numbers = np.concatenate([self._numbers, self._numbers[sources]])
            if self._lost is not None:
                self._lost = np.concatenate([self._lost, self._lost[sources]])

    def _project(self, wire: int, which: NDArray[np.int64], values: NDArray[np.integer]) -> None:
        """Give a wire a value, in all states of some tableaus."""
        for number, states in self._groups(which):
            tableau = self._own(number, states)
            if tableau is not None:
                found = values[states].astype(np.uint8)
                tableaus.project(*tableau.arrays, self._frames, states, wire, found)
                tableau.note(b"measured %d" % wire)

    def _flip(self, wire: int, which: NDArray[np.int64]) -> None:
        ones = np.ones(len(which), np.int64)
        self.paulis(which, Paulis((wire,), ones, ones - 1))

    def _operate(self, factors: Sequence[Factor], which: NDArray[np.int64]) -> None:
        """Apply an operator's factors to some states."""
        for (wire, *_), matrix in factors:
            letter = [masks for masks, pauli in PAULIS.items() if np.array_equal(pauli, matrix)]
            if letter:
                x, z = letter[0]
                ones = np.ones(len(which), np.int64)
                self.paulis(which, Paulis((wire,), x * ones, z * ones))
            elif matrix.shape == (2, 2) and np.count_nonzero(matrix[0]) == np.count_nonzero(matrix) == 1:
                self._take_to_zero(wire, int(np.flatnonzero(matrix[0])[0]), which)
            else:
                raise EngineError("noise that isn't a mixture of Paulis and resets leads to no stabilizer state")

    def _take_to_zero(self, wire: int, value: int, which: NDArray[np.int64]) -> None:
        """Take a value of a wire in some states to 0.

        Other states of their tableaus keep theirs.
        """
        for number, states in [*self._groups(which)]:
            found = np.empty(len(states), np.uint8)
            if not tableaus.values(*self._held[number].arrays, self._frames, states, wire, found):
                self._apart(number, states)
                self._project(wire, states, np.full(len(self._frames), value))
        if value:
            self._flip(wire, which)

    def densities(self, which: NDArray[np.int64], wires: Sequence[int]) -> NDArray[np.complex128]:
        """See `States.densities`."""
        side = 1 << len(wires)
        found = np.zeros((len(which), side, side), np.complex128)
        masks = pauli_masks(np.arange(side * side), len(wires))
        places = np.empty(len(self._frames), np.int64)
        places[which] = np.arange(len(which))
        for number, states in self._groups(which):
            values = expectation_values(self._held[number], self._frames, states, wires, *masks)
            for state, paulis in zip(states.tolist(), values, strict=True):
                found[places[state]] = to_density_matrix(paulis, len(wires)).reshape(side, side)
        return found

    def populations(self, wires: Sequence[int]) -> NDArray[np.float64]:
        """See `States.populations`."""
        densities = self.densities(np.arange(len(self._frames)), wires)
        return np.ascontiguousarray(np.diagonal(densities, axis1=1, axis2=2).real)

    @property
    def together(self) -> bool:
        """See `States.together`."""
        return True

    def room(self) -> int:
        """See `States.room`."""
        return self._room.states()

    def fork(self, which: NDArray[np.int64], paulis: Paulis | None = None) -> StabilizerStates:
        """See `States.fork`."""
        self._room.count(len(which))
        copies = StabilizerStates(self._room, list(self._held), self._numbers[which], self._frames[which])
        for tableau in self._held:
            tableau.holders += 1
        copies._drop_unused()
        if paulis is not None:
            copies.paulis(np.arange(len(which)), paulis)
        return copies

    def paulis(self, which: NDArray[np.int64], paulis: Paulis) -> None:
        """See `States.paulis`."""
        wires = np.array(paulis.wires, np.int64)
        places = np.empty(len(self._frames), np.int64)
        places[which] = np.arange(len(which))
        for number, states in self._groups(which):
            x_masks, z_masks = (masks[places[states], None].astype(np.uint64) for masks in paulis[1:])
            rows, _, at = self._held[number].arrays
            tableaus.apply_paulis(rows, at, self._frames, states, wires, x_masks, z_masks)

    def norms(self) -> NDArray[np.float64]:
        """See `States.norms`."""
        return np.ones(len(self._frames))

    def scale(self, factors: NDArray[np.float64]) -> None:
        """See `States.scale`; the factors of stabilizer states are phases."""

    def select(self, which: NDArray[np.int64]) -> None:
        """See `States.select`."""
        self._room.count(len(which) - len(self._frames))
        self._keep(which)

    def _keep(self, which: NDArray[np.int64] | NDArray[np.bool_]) -> None:
        self._frames, self._numbers = self._frames[which], self._numbers[which]
        if self._lost is not None:
            self._lost = self._lost[which]
            self._lost = self._lost if self._lost.any() else None
        self._drop_unused()

    def _drop_unused(self) -> None:
        """Drop the tableaus that no state has."""
        used = np.unique(self._numbers)
        if len(used) == len(self._held):
            return
        for number in set(range(len(self._held))).difference(used.tolist()):
            self._room.give_back(self._held[number])
        self._held = [self._held[number] for number in used.tolist()]
        self._numbers = np.searchsorted(used, self._numbers)

    def take_out(self, which: NDArray[np.bool_]) -> StabilizerStates:
        """See `States.take_out`."""
        out = StabilizerStates(self._room, list(self._held), self._numbers, self._frames)
        out._lost = self._lost
        for tableau in self._held:
            tableau.holders += 1
        out._keep(which)
        self._keep(~which)
        return out

    def join(self, others: StabilizerStates) -> None:
        """See `States.join`."""
        known = {tableau.history: number for number, tableau in enumerate(self._held)}
        numbers = np.empty(len(others._held), np.int64)
        for number, tableau in enumerate(others._held):
            if tableau.history in known:
                numbers[number] = known[tableau.history]
                self._room.give_back(tableau)
            else:
                numbers[number] = len(self._held)
                self._held.append(tableau)
        flags = [np.zeros(len(each), np.bool_) if each._lost is None else each._lost for each in (self, others)]
        self._numbers = np.concatenate([self._numbers, numbers[others._numbers]])
        self._frames = np.concatenate([self._frames, others._frames])
        lost = np.concatenate(flags)
        self._lost = lost if lost.any() else None

    def first_equal(self, kinds: NDArray[np.int64]) -> NDArray[np.int64]:
        """See `States.first_equal`.

        States of different tableaus are compared as often as the number of tableaus doubles.
        """
        if self._room.compared_from is not None and len(self._held) >= self._room.compared_from:
            self._share_tableaus()
            self._room.compared_from = max(self._room.compared_from, 2 * len(self._held))
        keys = np.column_stack([self._frames, self._numbers.astype(np.uint64), kinds.astype(np.uint64)])
        firsts = np.empty(len(keys), np.int64)
        outcomes.first_equal(keys, firsts)
        return firsts

    def _share_tableaus(self) -> None:
        """Let states share a tableau where their stabilizers differ in signs alone."""
        kinds: list[tuple[int, Stabilizers]] = []
        for number, states in self._groups():
            for kind, stabilizers in kinds:
                frames = stabilizers.frames(self._held[number], self._frames, states)
                if frames is not None:
                    self._frames[states], self._numbers[states] = frames, kind
                    break
            else:
                if len(kinds) < _MOST_KINDS:
                    kinds.append((number, Stabilizers(self._held[number])))
        self._drop_unused()

    def sample(
        self,
        plan: Plan,
        shots: NDArray[np.int64],
        states: NDArray[np.int64],
        uniforms: Uniforms,
        counted: bool,  # noqa: ARG002
    ) -> Iterator[ClbitRows]:
        """See `States.sample`."""
        spaces: list[tuple[NDArray[np.int64], OutcomeSpace]] = []
        held = 0
        for number, members in self._groups():
            space = outcome_space(self._held[number], self._frames[members], plan)
            spaces.append((members, space))
            held += space.num_bytes
            if held > _SAMPLED_BYTES:
                yield from self._drawn(spaces, shots, states, uniforms)
                spaces, held = [], 0
        if spaces:
            yield from self._drawn(spaces, shots, states, uniforms)

    def _drawn(
        self,
        spaces: Sequence[tuple[NDArray[np.int64], OutcomeSpace]],
        shots: NDArray[np.int64],
        states: NDArray[np.int64],
        uniforms: Uniforms,
    ) -> Iterator[ClbitRows]:
        """Give outcomes of the shots whose states are in some spaces.

        A space comes with the numbers of its states.
        """
        numbers, places = np.full((2, len(self._frames)), -1)
        for number, (members, _) in enumerate(spaces):
            numbers[members], places[members] = number, np.arange(len(members))
        here = numbers[states] >= 0
        shots, states = shots[here], states[here]
        columns, words = spaces[0][1].columns, max([space.words for _, space in spaces])
        at_once = max(1, min(SHOTS, _SAMPLED_BYTES // (len(columns) + 8 * words + 1)))
        for begin in range(0, len(shots), at_once):
            some, own = shots[begin : begin + at_once], states[begin : begin + at_once]
            bits = uniforms.words(FINAL_EVENT, some, words)
            rows = np.empty((len(some), len(columns)), np.uint8)
            for number, which in _parted(numbers[own]):
                rows[which] = spaces[number][1].draw(places[own[which]], bits[which])
            yield ClbitRows(some, columns, rows)

    def statevector(self, state: int, plan: Any, values: dict[int, int], phase: complex) -> ComplexArray:  # noqa: ARG002
        """See `States.statevector`."""
        raise EngineError(NO_AMPLITUDES)


def _parted(numbers: NDArray[np.int64]) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """Give each distinct number with its places, which ascend."""
    order = np.argsort(numbers, kind="stable")
    firsts = np.flatnonzero(np.diff(numbers[order], prepend=-1)).tolist()
    for first, end in pairwise([*firsts, len(numbers)]):
        yield int(numbers[order[first]]), order[first:end]
