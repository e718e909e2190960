# SPDX-License-Identifier: Apache-2.0
"""Compiler of circuits into a few transfer matrices.

Noise and resets are matrices like gates. A matrix on one wire waits for the next one on several wires, and a matrix on
several wires joins the one before that has them all. A density matrix costs a pass for each matrix, however full.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from qfleet.wire.program.events import event_numbers
from qfleet.wire.program.matrices import table
from qfleet.wire.program.operations import Op
from qfleet.wire.program.program import Operation
from qfleet_worker.engines.density.fusion import Fused, fuse
from qfleet_worker.engines.density.plan import Apply, Plan, Prepare, SetMap, Step, Wide
from qfleet_worker.engines.density.transfer import (
    MOST_QUBITS,
    Gate,
    Transfer,
    of_density_matrix,
    of_operation,
)
from qfleet_worker.engines.driver.measurements import Measurements
from qfleet_worker.engines.driver.stretches import Stretch
from qfleet_worker.engines.steps import SaveStep


def compile_stretch(stretch: Stretch, *, outcomes: bool = True) -> Plan:
    """Return the plan of a stretch.

    Args:
        stretch: the stretch.
        outcomes: whether outcomes of measurements matter; if not, a measurement is a channel.
    """
    compiler = _Compiler(stretch, outcomes)
    for row, item in fuse(stretch.program, outcomes=outcomes):
        if isinstance(item, Fused):
            compiler.multiply(item)
        else:
            compiler.add(item, row)
    return compiler.finish()


class _Block:
    """Matrices on the same wires that become one step."""

    __slots__ = ("matrix", "wires")

    def __init__(self, wires: tuple[int, ...], matrix: Transfer) -> None:
        self.wires = wires
        self.matrix = matrix

    def multiply(self, wires: tuple[int, ...], matrix: Transfer) -> None:
        """Multiply by a matrix on some of the wires, from the left."""
        self.matrix = _placed(matrix, wires, self.wires) @ self.matrix


class _Compiler:
    """The steps so far, and the matrices that aren't steps yet."""

    def __init__(self, stretch: Stretch, outcomes: bool) -> None:
        program = stretch.program
        self._outcomes = outcomes
        self._items: list[_Block | Step] = []
        #: the wire of each qubit
        self._wires = list(range(program.num_qubits))
        #: the last item that touches a wire
        self._last: dict[int, int] = {}
        #: matrices on one wire that no block has yet
        self._pending: dict[int, Transfer] = {}
        self._measurements = Measurements(program, last=stretch.last)
        #: the number of each row's first random event
        self._events = (event_numbers(program) + stretch.events_before).tolist()

    def multiply(self, item: Fused) -> None:
        """Add a product of rows of the program."""
        self._matrix(self._of(item.qubits), item.matrix)

    def add(self, operation: Operation, row: int) -> None:
        """Add an operation of the program; `row` is its own."""
        code = operation.code
        targets = self._of(operation.targets)
        if code in (Op.NOISE, Op.RESET) or (code is Op.MEASURE and not self._outcomes):
            self._matrix(targets, of_operation(operation)[1])
        elif code is Op.MEASURE:
            self._measure(operation, row, targets[0])
        elif code in (Op.INITIALIZE, Op.SET_DENSITY_MATRIX):
            entries = table(operation)
            matrix = entries @ entries.conj().T if code is Op.INITIALIZE else entries
            self._prepare(targets, of_density_matrix(matrix, len(targets)))
        elif code is Op.SET_SUPEROP:
            self._pending.clear()
            entries = table(operation)
            self._append(SetMap(targets, entries.reshape(4 ** len(targets), -1)), targets)
        elif code is Op.SAVE:
            for wire in tuple(self._pending):
                self._flush(wire)
            self._append(SaveStep(operation.save, targets, tuple(self._wires), 1 + 0j), self._wires)
        elif code is Op.SWAP and not operation.controls:
            a, b = operation.targets
            self._wires[a], self._wires[b] = self._wires[b], self._wires[a]
        elif len(targets) + len(operation.controls) > MOST_QUBITS:
            self._wide(operation, targets)
        elif targets or operation.controls:
            qubits, gate = of_operation(operation)
            self._matrix(self._of(qubits), gate)

    def finish(self) -> Plan:
        """Return the plan of everything that was added."""
        for wire in tuple(self._pending):
            self._flush(wire)
        return Plan(
            steps=tuple([Apply(item.wires, item.matrix) if isinstance(item, _Block) else item for item in self._items]),
            wires=tuple(self._wires),
            measured=self._measurements.measured(),
            readout=self._measurements.readout(),
        )

    def _of(self, qubits: Sequence[int]) -> tuple[int, ...]:
        return tuple([self._wires[qubit] for qubit in qubits])

    def _measure(self, operation: Operation, row: int, wire: int) -> None:
        step = self._measurements.add(operation, row, self._events[row], wire)
        if step is not None:
            self._flush(wire)
            self._append(step, (wire,))

    def _prepare(self, wires: tuple[int, ...], paulis: NDArray[np.float64]) -> None:
        for wire in wires:
            self._pending.pop(wire, None)
        if len(wires) == 1:
            self._matrix(wires, np.outer(paulis, [1, 0, 0, 0]))
        else:
            self._append(Prepare(wires, paulis), wires)

    def _wide(self, operation: Operation, targets: tuple[int, ...]) -> None:
        controls = tuple(
            [(self._wires[qubit], 1) if qubit >= 0 else (self._wires[~qubit], 0) for qubit in operation.controls]
        )
        wires = (*targets, *[wire for wire, _ in controls])
        for wire in wires:
            self._flush(wire)
        self._append(Wide(Gate(controls, targets, table(operation))), wires)

    def _matrix(self, wires: tuple[int, ...], matrix: Transfer) -> None:
        if len(wires) == 1:
            before = self._pending.get(wires[0])
            self._pending[wires[0]] = matrix if before is None else matrix @ before
            return
        for place, wire in enumerate(wires):
            before = self._pending.pop(wire, None)
            if before is not None:
                # Of the matrix's columns, those of this wire are multiplied.
                split = matrix.reshape(len(matrix), -1, 4, 4**place)
                matrix = np.einsum("rasb,st->ratb", split, before).reshape(matrix.shape)
        self._place(wires, matrix)

    def _flush(self, wire: int) -> None:
        matrix = self._pending.pop(wire, None)
        if matrix is not None:
            self._place((wire,), matrix)

    def _place(self, wires: tuple[int, ...], matrix: Transfer) -> None:
        """Add a matrix to the last block on its wires.

        If no block has them all, the matrix begins a new one.
        """
        places = {self._last.get(wire, -1) for wire in wires}
        block = self._items[places.pop()] if len(places) == 1 and -1 not in places else None
        if isinstance(block, _Block) and set(wires) <= set(block.wires):
            block.multiply(wires, matrix)
        else:
            self._append(_Block(wires, matrix), wires)

    def _append(self, item: _Block | Step, wires: Sequence[int]) -> None:
        for wire in wires:
            self._last[wire] = len(self._items)
        self._items.append(item)


def _placed(matrix: Transfer, wires: tuple[int, ...], on: tuple[int, ...]) -> Transfer:
    """Return a matrix as one on other wires, its own among them."""
    if wires == on:
        return matrix
    others = tuple([wire for wire in on if wire not in wires])
    whole = np.kron(np.eye(4 ** len(others)), matrix)
    now = [*wires, *others]
    axes = [len(on) - 1 - now.index(wire) for wire in reversed(on)]
    tensor = whole.reshape((4,) * 2 * len(on)).transpose([*axes, *[len(on) + axis for axis in axes]])
    return np.ascontiguousarray(tensor.reshape(whole.shape))
