# SPDX-License-Identifier: Apache-2.0
"""Compiler of circuits for matrix product states.

Matrices on one wire wait for the next one on several, and matrices on the same two neighbours become one, since each of
these costs a decomposition. Then the matrices are put into an order in which the chain's centre moves little.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from qfleet.wire.program.events import event_numbers
from qfleet.wire.program.matrices import ComplexArray, table
from qfleet.wire.program.operations import Op
from qfleet.wire.program.program import Operation
from qfleet_worker.engines.driver.measurements import Measurements
from qfleet_worker.engines.driver.stretches import Stretch
from qfleet_worker.engines.mps.operators import factors_of, factors_of_state, on_wires, rank_of, reordered
from qfleet_worker.engines.mps.order import in_order
from qfleet_worker.engines.mps.plan import Far, One, Plan, Spread, Step, Two
from qfleet_worker.engines.steps import NoiseStep, ResetStep, SaveStep

#: The largest rank between two wires of a gate that is spread out as an operator; of others, swaps take less time.
_MOST_SPREAD = 2
#: Rounding of a unitary matrix's columns.
_UNITARY = 1e-12


def compile_stretch(stretch: Stretch) -> Plan:
    """Return the plan of a stretch."""
    compiler = _Compiler(stretch)
    for row, operation in enumerate(stretch.program):
        compiler.add(operation, row)
    return compiler.finish()


class _Pair:
    """Matrices on two neighbours that become one step."""

    __slots__ = ("matrix", "wire")

    def __init__(self, wire: int, matrix: ComplexArray) -> None:
        self.wire = wire
        self.matrix = matrix

    def step(self) -> Two:
        factors = factors_of(self.matrix)
        return Two(self.wire, self.matrix, tuple(factors) if rank_of(factors) <= _MOST_SPREAD else ())


class _Compiler:
    """The steps so far, and the matrices that aren't steps yet."""

    def __init__(self, stretch: Stretch) -> None:
        program = stretch.program
        self._items: list[_Pair | Step] = []
        #: the wire of each qubit
        self._wires = list(range(program.num_qubits))
        #: the last item that touches a wire
        self._last: dict[int, int] = {}
        #: matrices on one wire that no pair has yet
        self._pending: dict[int, ComplexArray] = {}
        self._measurements = Measurements(program, last=stretch.last)
        #: the number of each row's first random event
        self._events = (event_numbers(program) + stretch.events_before).tolist()
        #: the channel of each row of noise that is still to come
        self._channels = iter(program.channel_refs.tolist())
        self._phase = 1 + 0j

    def add(self, operation: Operation, row: int) -> None:
        """Add an operation of the program; `row` is its own."""
        code = operation.code
        wires = tuple([self._wires[qubit] for qubit in operation.targets])
        if code is Op.MEASURE:
            self._measure(operation, row, wires[0])
        elif code in (Op.RESET, Op.INITIALIZE):
            for event, wire in enumerate(wires, self._events[row]):
                self._flush(wire)
                self._append(ResetStep(wire=wire, event=event), (wire,))
            if code is Op.INITIALIZE:
                self._append_spread(factors_of_state(table(operation)[:, 0], wires), wires)
        elif code is Op.NOISE:
            for wire in wires:
                self._flush(wire)
            self._append(NoiseStep(event=self._events[row], wires=wires, channel=next(self._channels)), wires)
        elif code is Op.SAVE:
            for wire in tuple(self._pending):
                self._flush(wire)
            self._append(SaveStep(operation.save, wires, tuple(self._wires), self._phase), self._wires)
        elif code is Op.SWAP and not operation.controls:
            a, b = operation.targets
            self._wires[a], self._wires[b] = self._wires[b], self._wires[a]
        elif not wires and not operation.controls:
            self._phase *= complex(table(operation)[0])
        else:
            self._gate(operation, wires)

    def finish(self) -> Plan:
        """Return the plan of everything that was added."""
        for wire in tuple(self._pending):
            self._flush(wire)
        steps = [item.step() if isinstance(item, _Pair) else item for item in self._items]
        return Plan(
            steps=tuple(in_order(steps)),
            wires=tuple(self._wires),
            measured=self._measurements.measured(),
            readout=self._measurements.readout(),
            phase=self._phase,
        )

    def _measure(self, operation: Operation, row: int, wire: int) -> None:
        step = self._measurements.add(operation, row, self._events[row], wire)
        if step is not None:
            self._flush(wire)
            self._append(step, (wire,))

    def _gate(self, operation: Operation, targets: tuple[int, ...]) -> None:
        controls = {self._wires[qubit if qubit >= 0 else ~qubit]: int(qubit >= 0) for qubit in operation.controls}
        matrix = table(operation)
        matrix = np.diag(matrix) if matrix.ndim == 1 else matrix
        if not targets:
            # A phase where all controls hold: the last of them is the target.
            wire, value = controls.popitem()
            targets, matrix = (wire,), np.diag([1, matrix[0, 0]] if value else [matrix[0, 0], 1])
        every = sorted([*controls, *targets])
        if len(every) == 1:
            before = self._pending.get(every[0])
            self._pending[every[0]] = matrix if before is None else matrix @ before
            return
        if len(every) == 2 and every[1] == every[0] + 1:
            self._pair(every[0], _full(controls, targets, matrix))
            return
        for wire in every:
            self._flush(wire)
        factors = on_wires(controls, targets, matrix)
        if len(every) == 2 and rank_of(factors) > _MOST_SPREAD:
            self._append(Far(every[0], every[1], _full(controls, targets, matrix)), range(every[0], every[1] + 1))
        else:
            self._append_spread(factors, every)

    def _pair(self, wire: int, matrix: ComplexArray) -> None:
        """Add a matrix on a wire and its right neighbour."""
        places = {self._last.get(wire, -1), self._last.get(wire + 1, -1)}
        item = self._items[places.pop()] if len(places) == 1 and -1 not in places else None
        high, low = [self._pending.pop(each, None) for each in (wire, wire + 1)]
        if high is not None or low is not None:
            identity = np.eye(2)
            matrix = matrix @ np.kron(identity if high is None else high, identity if low is None else low)
        if isinstance(item, _Pair) and item.wire == wire:
            item.matrix = matrix @ item.matrix
        else:
            self._append(_Pair(wire, matrix), (wire, wire + 1))

    def _flush(self, wire: int) -> None:
        matrix = self._pending.pop(wire, None)
        if matrix is None:
            return
        item = self._items[self._last[wire]] if wire in self._last else None
        if isinstance(item, _Pair):
            pair = (matrix, np.eye(2)) if wire == item.wire else (np.eye(2), matrix)
            item.matrix = np.kron(*pair) @ item.matrix
        else:
            unitary = np.allclose(matrix.conj().T @ matrix, np.eye(2), rtol=0, atol=_UNITARY)
            self._append(One(wire, matrix, unitary), (wire,))

    def _append_spread(self, factors: Sequence[ComplexArray], wires: Sequence[int]) -> None:
        first = min(wires)
        self._append(Spread(first, tuple(factors)), range(first, max(wires) + 1))

    def _append(self, item: _Pair | Step, wires: Sequence[int]) -> None:
        for wire in wires:
            self._last[wire] = len(self._items)
        self._items.append(item)


def _full(controls: dict[int, int], targets: tuple[int, ...], matrix: ComplexArray) -> ComplexArray:
    """Return the matrix on two wires.

    The left one is the high bit of its index.
    """
    if controls:
        ((wire, value),) = controls.items()
        whole = np.eye(4, dtype=np.complex128)
        whole[2 * value : 2 * value + 2, 2 * value : 2 * value + 2] = matrix
        targets, matrix = (*targets, wire), whole
    return reordered(matrix, targets, sorted(targets, reverse=True))
