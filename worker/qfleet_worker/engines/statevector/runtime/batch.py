# SPDX-License-Identifier: Apache-2.0
"""Many small states that go through the same steps together.

Each state is a row of one array, with every wire known: what is done to all of them takes one call of machine code, and
Python's part doesn't grow with their number.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from qfleet.wire.program.events import FINAL_EVENT
from qfleet.wire.program.matrices import ComplexArray
from qfleet_worker.engines.machine_code.registry import flat
from qfleet_worker.engines.randomness.uniforms import Uniforms
from qfleet_worker.engines.states.comparison import TOLERANCE
from qfleet_worker.engines.states.contract import SHOTS, Answers, Samples
from qfleet_worker.engines.states.dense import DenseAnswers
from qfleet_worker.engines.states.operators import OperatorStep, Paulis
from qfleet_worker.engines.states.paulis import spread
from qfleet_worker.engines.states.ways import Ways
from qfleet_worker.engines.statevector.compiler.binding import with_precision
from qfleet_worker.engines.statevector.compiler.plan import Plan, Segment, Step
from qfleet_worker.engines.statevector.kernels import small_states as rows
from qfleet_worker.engines.statevector.kernels.bits import popcount
from qfleet_worker.engines.statevector.kernels.stage import NO_SUMS, ONE_STATE, run_stage
from qfleet_worker.engines.statevector.runtime.norms import check_norm
from qfleet_worker.engines.statevector.runtime.parameter_sets import is_one_stage, run_each
from qfleet_worker.engines.statevector.runtime.state import State
from qfleet_worker.engines.steps import MeasureStep, ResetStep
from qfleet_worker.engines.threads import ThreadTeam
from qfleet_worker.machine.arrays import empty

#: Wires at most.
MAX_WIRES = 10
#: The same for noisy programs, whose shots have many states.
MAX_NOISY_WIRES = 14
#: Bytes of states, once for each operation on them, from which on threads share the work.
SHARED_BYTES = 1 << 24

_run_stage = flat(run_stage)


class BatchSource:
    """A maker of rows, and the number of rows with room.

    Args:
        state: one of the same size, for steps that rarely come.
        budget: bytes for rows.
        team: the threads that share the work.
        pooled: whether copies of rows lie in memory that is used as a stack.
    """

    def __init__(self, state: State, budget: int, team: ThreadTeam, pooled: bool = False) -> None:
        self.state = state
        self.team = team
        self.dtype = state.dtype
        self.num_wires = state.num_wires
        self.size = state.capacity_bytes // state.dtype.itemsize
        #: the wires of a row, among them those that only fill a vector
        self.width = self.size.bit_length() - 1
        # Rows are copied when their number grows.
        self.free = self._all = max(1, budget // (2 * state.capacity_bytes))
        #: memory that is used as a stack, and how many of its rows are in use
        self.pool = empty((self._all if pooled else 0, self.size), self.dtype)
        self.top = 0
        directions = np.exp(2j * np.pi * (np.arange(self.size) * 0.7548776662466927 % 1)) / np.sqrt(self.size)
        self.directions = directions.astype(self.dtype)

    def begin(self) -> Batch:
        """Return one state in |0...0>."""
        first = np.zeros((1, self.size), self.dtype)
        first[0, 0] = 1
        self.free, self.top = self._all - 1, 0
        return self.copies(first, np.zeros(1, np.int64))

    def copies(self, states: ComplexArray, which: NDArray[np.int64], paulis: Paulis | None = None) -> Batch:
        """Return copies of rows, behind all earlier copies; see `States.fork`."""
        begin, end = self.top, self.top + len(which)
        pooled = end <= len(self.pool)
        copies = self.pool[begin:end] if pooled else empty((len(which), self.size), self.dtype)
        real = states.real.dtype
        none = np.zeros(len(which), np.int64)
        x, z = (none, none) if paulis is None else _masks(paulis)
        rows.fork(states.view(real), np.ascontiguousarray(which), x, z, copies.view(real))
        if not pooled:
            return Batch(self, copies)
        self.top = end
        return Batch(self, copies, begin, end)


class Batch:
    """States that are rows of one array; see `qfleet_worker.engines.states.contract.States`.

    Args:
        source: has the memory.
        states: shape (states, amplitudes).
        begin: the first row of the source's pool that is theirs; -1 for states elsewhere.
        end: the end of these rows.
    """

    together: Final = True

    def __init__(self, source: BatchSource, states: ComplexArray, begin: int = -1, end: int = -1) -> None:
        self._source = source
        self._states = states
        self._begin, self._end = begin, end

    def _move(self, states: ComplexArray) -> None:
        """Go on with states that lie elsewhere."""
        if self._end == self._source.top and self._begin >= 0:
            self._source.top = self._begin
        self._states, self._begin, self._end = states, -1, -1

    def _append(self, which: NDArray[np.int64]) -> None:
        """Append copies of some states."""
        source, middle = self._source, self._begin + len(self)
        end = middle + len(which)
        if self._begin < 0 or self._end != source.top or end > len(source.pool):
            self._move(np.concatenate([self._states, self._states[which]]))
            return
        source.pool[middle:end] = self._states[which]
        self._states, self._end = source.pool[self._begin : end], max(end, self._end)
        source.top = self._end

    def __len__(self) -> int:
        return len(self._states)

    def apply(self, steps: Sequence[Step], begin: int, end: int) -> None:
        """See `States.apply`."""
        for step in steps[begin:end]:
            if isinstance(step, Segment):
                self._run(step)
            else:
                for row in self._states:
                    self._source.state.apply_to(row, step)

    def apply_each(self, steps: Sequence[Step], angles: NDArray[np.float64]) -> bool:
        """See `States.apply_each`."""
        segments = [step for step in steps if isinstance(step, Segment)]
        width = self._source.width
        if len(segments) < len(steps) or not all(is_one_stage(segment, width) for segment in segments):
            return False
        floats = self._states.reshape(-1).view(self._states.real.dtype)

        def run(begin: int, end: int) -> None:
            run_each(segments, floats[begin * 2 << width : end * 2 << width], width, angles[begin:end])

        self._source.team.share(len(self), run)
        return True

    def _run(self, segment: Segment) -> None:
        source = self._source
        floats = self._states.reshape(-1).view(self._states.real.dtype)
        tables = with_precision(segment.tables, floats.dtype)
        # The number of a row is the upper part of an index.
        width = source.width + len(self).bit_length()
        known = (1 << width) - 1
        for local, first, last in tables.stages.tolist():
            bits = popcount(local)
            stage = local, known, first, last, width

            def run(begin: int, end: int, stage: tuple[int, ...] = stage, size: int = 2 << bits) -> None:
                room = source.team.room(size, floats.dtype)
                _run_stage(floats, *stage, *tables.operations, *tables.values, room, ONE_STATE, NO_SUMS, begin, end)

            chunks = len(self) << (source.width - bits)
            if self._states.nbytes * (last - first) < SHARED_BYTES:
                run(0, chunks)
            else:
                source.team.share(chunks, run)

    def lost(self) -> NDArray[np.bool_] | None:
        """See `States.lost`."""
        return None

    def answers(self) -> Iterator[tuple[int, Answers]]:
        """See `States.answers`."""
        wires, of_paulis = self._source.num_wires, self._source.state.expectation_values
        for number, row in enumerate(self._states):
            yield number, DenseAnswers(row[: 1 << wires], range(wires - 1, -1, -1), {}, of_paulis)

    def weights(self, step: MeasureStep | ResetStep) -> NDArray[np.float64]:
        """See `States.weights`."""
        sums = np.empty((2, len(self)))
        rows.weights(self._states, 1 << step.wire, sums)
        total = sums.sum(axis=0)
        self._check(total)
        weights = np.empty((len(self), 2))
        np.divide(sums[1], total, out=weights[:, 1])
        np.subtract(1, weights[:, 1], out=weights[:, 0])
        return weights

    def _check(self, norms_squared: NDArray[np.float64]) -> None:
        worst = norms_squared[np.argmax(np.abs(norms_squared - 1))]
        check_norm(float(worst), self._source.dtype == np.complex128)

    def densities(self, which: NDArray[np.int64], wires: Sequence[int]) -> NDArray[np.complex128]:
        """See `States.densities`."""
        found = np.zeros((len(which), 1 << len(wires), 1 << len(wires)), np.complex128)
        rows.densities(self._states, which, np.array(wires), found)
        return found

    def populations(self, wires: Sequence[int]) -> NDArray[np.float64]:
        """See `States.populations`."""
        sums = np.empty((len(self), 1 << len(wires)))
        rows.populations(self._states, np.array(wires), sums)
        return sums

    def _multiply(self, step: OperatorStep, ways: Ways, weights: NDArray[np.float64]) -> NDArray[np.int64]:
        """Multiply each state by the operators of its ways; see `States.branch`."""
        chosen = np.concatenate([ways.first, ways.ways])
        sources = np.concatenate([np.arange(len(self)), ways.states])
        if len(ways.states):
            self._append(ways.states)
        for way in np.unique(chosen).tolist():
            own = np.flatnonzero(chosen == way)
            factors = 1 / np.sqrt(weights[sources[own], way])
            for wires, matrix in step.operators[way]:
                rows.multiply(self._states, own, factors, np.array(wires), matrix)
                factors = np.ones(len(own))
        return ways.numbers(step.ways)

    def branch(
        self, step: MeasureStep | ResetStep | OperatorStep, taken: NDArray[np.bool_], weights: NDArray[np.float64]
    ) -> NDArray[np.int64]:
        """See `States.branch`."""
        ways = Ways.of(taken).limited(self._source.free)
        self._source.free -= len(ways.states)
        if isinstance(step, OperatorStep):
            return self._multiply(step, ways, weights)
        sources = np.concatenate([np.arange(len(self)), ways.states])
        values = np.concatenate([ways.first, ways.ways])
        factors = 1 / np.sqrt(weights[sources, values])
        out = empty((len(sources), self._source.size), self._source.dtype)
        rows.collapse(
            self._states, sources, values.astype(np.bool_), factors, 1 << step.wire, isinstance(step, ResetStep), out
        )
        self._move(out)
        return ways.numbers(step.ways)

    def room(self) -> int:
        """See `States.room`."""
        return self._source.free

    def fork(self, which: NDArray[np.int64], paulis: Paulis | None = None) -> Batch:
        """See `States.fork`."""
        self._source.free -= len(which)
        return self._source.copies(self._states, which, paulis)

    def paulis(self, which: NDArray[np.int64], paulis: Paulis) -> None:
        """See `States.paulis`."""
        rows.paulis(self._states, np.ascontiguousarray(which), *_masks(paulis))

    def norms(self) -> NDArray[np.float64]:
        """See `States.norms`."""
        norms = np.empty(len(self))
        rows.norms(self._states, norms)
        return norms

    def scale(self, factors: NDArray[np.float64]) -> None:
        """See `States.scale`."""
        self._states *= factors.astype(self._states.real.dtype)[:, None]

    def select(self, which: NDArray[np.int64]) -> None:
        """See `States.select`."""
        self._source.free += len(self) - len(which)
        if self._begin < 0 or not len(which):
            self._move(self._states[which])
            return
        moved = np.flatnonzero(which != np.arange(len(which)))
        self._states[moved] = self._states[which[moved]]
        self._states = self._states[: len(which)]

    def take_out(self, which: NDArray[np.bool_]) -> Batch:
        """See `States.take_out`."""
        other = Batch(self._source, self._states[which])
        self._move(self._states[~which])
        return other

    def join(self, others: Batch) -> None:
        """See `States.join`."""
        source, end = self._source, self._begin + len(self) + len(others)
        if self._begin < 0 or others._begin != self._end:
            self._move(np.concatenate([self._states, others._states]))
            others._move(others._states)
            return
        # Behind these rows there may be some that were given up.
        first = self._begin + len(self)
        if first != others._begin:
            for place, row in enumerate(others._states):
                source.pool[first + place] = row
        self._states, self._end = source.pool[self._begin : end], others._end
        if self._end == source.top:
            self._end = source.top = end

    def first_equal(self, kinds: NDArray[np.int64]) -> NDArray[np.int64]:
        """See `States.first_equal`."""
        fingerprints = np.abs(self._states @ self._source.directions).astype(np.float64)
        order = np.lexsort((fingerprints, kinds))
        tolerance = TOLERANCE[self._source.dtype.itemsize]
        firsts = np.empty(len(self), np.int64)
        rows.lead(self._states, kinds, fingerprints, order, tolerance, firsts)
        return firsts

    def sample(
        self, plan: Plan, shots: NDArray[np.int64], states: NDArray[np.int64], uniforms: Uniforms, _counted: bool
    ) -> Iterator[Samples]:
        """See `States.sample`."""
        size = 1 << self._source.num_wires
        sums = np.empty((len(self), size))
        rows.accumulate(self._states, sums)
        self._check(sums[:, -1])
        bits = {wire: wire for wire in range(self._source.num_wires)}
        if not plan.measured:
            yield Samples(shots, np.zeros(0, np.int64), bits, {})
            return
        # One kind of array for machine code: it may be read-only or not.
        states = np.ascontiguousarray(states).view()
        states.flags.writeable = False
        for begin in range(0, len(shots), SHOTS):
            part = shots[begin : begin + SHOTS]
            drawn = np.empty(len(part), np.int64)
            rows.find(sums, states[begin : begin + SHOTS], uniforms.of(FINAL_EVENT, part), drawn)
            yield Samples(part, drawn, bits, {})

    def statevector(self, state: int, plan: Plan, values: dict[int, int], phase: complex) -> ComplexArray:
        """See `States.statevector`."""
        simulator = self._source.state
        simulator.take_over(self._states[state].copy())
        for wire, value in values.items():
            simulator.project(wire, value, simulator.weights(wire)[value])
        return simulator.statevector(plan, phase)


def _masks(paulis: Paulis) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the masks of Paulis over all wires."""
    wires, x, z = paulis
    if list(wires) == list(range(len(wires))):
        return np.ascontiguousarray(x), np.ascontiguousarray(z)
    return spread(x, wires), spread(z, wires)
