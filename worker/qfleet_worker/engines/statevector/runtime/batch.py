# SPDX-License-Identifier: Apache-2.0
"""How do many small states go through the same steps together?

Each state is a row of one array, with every wire known: what is done to all of them takes one call of machine code, and
Python's part doesn't grow with their number.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from qfleet_worker.engines.gates.matrices import ComplexArray
from qfleet_worker.engines.randomness.uniforms import FINAL_EVENT, Uniforms
from qfleet_worker.engines.states.comparison import TOLERANCE
from qfleet_worker.engines.states.contract import SHOTS, Samples
from qfleet_worker.engines.states.dense import View
from qfleet_worker.engines.statevector.compiler.binding import precise
from qfleet_worker.engines.statevector.compiler.plan import Plan, Segment, Step
from qfleet_worker.engines.statevector.kernels import small_states as rows
from qfleet_worker.engines.statevector.kernels.bits import popcount
from qfleet_worker.engines.statevector.kernels.stage import ONE_STATE, run_stage
from qfleet_worker.engines.statevector.runtime.state import State, check_norm

#: Wires at most.
MAX_WIRES = 10


class Room:
    """Where the rows of a program come from, and how many more there is room for."""

    def __init__(self, state: State, budget: int) -> None:
        """`state` is one of the same size, for steps that rarely come; `budget`: bytes for rows."""
        self.state = state
        self.dtype = state.dtype
        self.num_wires = state.num_wires
        self.size = state.capacity_bytes // state.dtype.itemsize
        #: the wires of a row, among them those that only fill a vector
        self.width = self.size.bit_length() - 1
        # Rows are copied when there become more of them.
        self.free = self._all = max(1, budget // (2 * state.capacity_bytes))
        directions = np.exp(2j * np.pi * (np.arange(self.size) * 0.7548776662466927 % 1)) / np.sqrt(self.size)
        self.directions = directions.astype(self.dtype)

    def begin(self) -> Batch:
        """A single member in |0...0>."""
        first = np.zeros((1, self.size), self.dtype)
        first[0, 0] = 1
        self.free = self._all - 1
        return Batch(self, first)


class Batch:
    """Members that are rows of one array; see `States`."""

    def __init__(self, room: Room, states: ComplexArray) -> None:
        """`states`: shape (members, amplitudes)."""
        self._room = room
        self._states = states

    def __len__(self) -> int:
        return len(self._states)

    def apply(self, steps: Sequence[Step], begin: int, end: int) -> None:
        for step in steps[begin:end]:
            if isinstance(step, Segment):
                self._run(step)
            else:
                for row in self._states:
                    self._room.state.apply_to(row, step)

    def _run(self, segment: Segment) -> None:
        room = self._room
        floats = self._states.reshape(-1).view(self._states.real.dtype)
        tables = precise(segment.tables, floats.dtype)
        # The number of a row is the upper part of an index.
        width = room.width + len(self).bit_length()
        known = (1 << width) - 1
        for local, first, last in tables.stages.tolist():
            bits = popcount(local)
            run_stage(
                floats, width, local, known, first, last, tables.ops, tables.coefs, tables.ints, tables.diagonals,
                tables.terms, tables.factors, tables.tables, tables.high_tables, np.empty(2 << bits, floats.dtype),
                ONE_STATE, 0, len(self) << (room.width - bits),
            )  # fmt: skip

    def given_up(self) -> NDArray[np.bool_] | None:
        return None

    def views(self) -> Iterator[tuple[int, View]]:
        wires = self._room.num_wires
        for number, row in enumerate(self._states):
            yield number, View(row[: 1 << wires], range(wires - 1, -1, -1), {})

    def weights(self, wire: int) -> NDArray[np.float64]:
        sums = np.empty((2, len(self)))
        rows.weights(self._states, 1 << wire, sums)
        self._check(sums.sum(axis=0))
        weights: NDArray[np.float64] = sums[1] / sums.sum(axis=0)
        return weights

    def _check(self, norms_squared: NDArray[np.float64]) -> None:
        worst = norms_squared[np.argmax(np.abs(norms_squared - 1))]
        check_norm(float(worst), self._room.dtype == np.complex128)

    def collapse(
        self, wire: int, values: NDArray[np.bool_], both: NDArray[np.bool_], weights: NDArray[np.float64], reset: bool
    ) -> NDArray[np.bool_]:
        room = both & (np.cumsum(both) <= self._room.free)
        new = np.flatnonzero(room)
        self._room.free -= len(new)
        sources = np.concatenate([np.arange(len(self)), new])
        ones = np.concatenate([values, np.ones(len(new), np.bool_)])
        chances = np.where(ones, weights[sources], 1 - weights[sources])
        out = np.empty((len(sources), self._room.size), self._room.dtype)
        rows.collapse(self._states, sources, ones, 1 / np.sqrt(chances), 1 << wire, reset, out)
        self._states = out
        return room

    def keep(self, which: NDArray[np.int64]) -> None:
        self._room.free += len(self) - len(which)
        self._states = self._states[which]

    def split_off(self, which: NDArray[np.bool_]) -> Batch:
        other = Batch(self._room, self._states[which])
        self._states = self._states[~which]
        return other

    def join(self, others: Batch) -> None:
        self._states = np.concatenate([self._states, others._states])

    def leaders(self, kinds: NDArray[np.int64]) -> NDArray[np.int64]:
        prints = np.abs(self._states @ self._room.directions).astype(np.float64)
        order = np.lexsort((prints, kinds))
        tolerance = TOLERANCE[self._room.dtype.itemsize]
        leaders = np.empty(len(self), np.int64)
        rows.lead(self._states, kinds, prints, order, tolerance, leaders)
        return leaders

    def find(
        self, plan: Plan, shots: NDArray[np.int64], members: NDArray[np.int64], uniforms: Uniforms
    ) -> Iterator[Samples]:
        size = 1 << self._room.num_wires
        sums = np.empty((len(self), size))
        rows.accumulate(self._states, sums)
        self._check(sums[:, -1])
        bits = {wire: wire for wire in range(self._room.num_wires)}
        if not plan.measured:
            yield Samples(shots, np.zeros(0, np.int64), bits, {})
            return
        # One kind of array for machine code: it may be read-only or not.
        members = np.ascontiguousarray(members).view()
        members.flags.writeable = False
        for begin in range(0, len(shots), SHOTS):
            part = shots[begin : begin + SHOTS]
            found = np.empty(len(part), np.int64)
            rows.find(sums, members[begin : begin + SHOTS], uniforms.of(FINAL_EVENT, part), found)
            yield Samples(part, found, bits, {})

    def statevector(self, member: int, plan: Plan, values: dict[int, int], phase: complex) -> ComplexArray:
        state = self._room.state
        state.take_over(self._states[member].copy())
        for wire, value in values.items():
            state.project(wire, value, state.weights(wire)[value])
        return state.statevector(plan, phase)
