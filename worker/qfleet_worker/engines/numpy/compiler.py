# SPDX-License-Identifier: Apache-2.0
"""Compiler of circuits into a few large steps.

One-qubit gates are multiplied first, in plain Python; SWAPs exchange names; then each gate joins the earliest of a few
blocks that it may commute into while the block stays narrow. A block that starts on wires still in |0> needs one column
only, so it may grow wider. Measurements of wires that nothing uses afterwards are *terminal*: they are sampled together
from the final state.
"""

from __future__ import annotations

import numpy as np

from qfleet.wire.program import matrices as gates
from qfleet.wire.program.events import event_numbers
from qfleet.wire.program.matrices import Matrix2
from qfleet.wire.program.operations import Op
from qfleet.wire.program.program import Operation, Program
from qfleet_worker.engines.driver.measurements import Measurements
from qfleet_worker.engines.numpy.plan import Controlled, Dense, Diagonal, Plan, Step
from qfleet_worker.engines.numpy.products import Gate, diagonal_product, product
from qfleet_worker.engines.steps import MeasureStep, NoiseStep, ResetStep, SaveStep

#: Widest product of gates as a matrix: at 5 wires the arithmetic per gate begins to grow faster than the gates fused.
DENSE_WIRES = 4
#: Widest product on wires that all begin in |0>.
FRESH_WIRES = 10
#: Widest product of diagonals.
DIAGONAL_WIRES = 10
#: How many of the last blocks a gate may join without sharing a wire with them.
LOOK_BACK = 6


def compile_program(program: Program, from_zero: bool = True, last: bool = True, events_before: int = 0) -> Plan:
    """Return the plan of a program.

    Args:
        program: has no jumps and stores.
        from_zero: whether the state begins in |0...0>.
        last: whether nothing comes after the program; otherwise no measurement is terminal.
        events_before: the number of random events before the program.
    """
    compiler = _Compiler(program, from_zero, last, events_before)
    for operation in program:
        compiler.add(operation)
    return compiler.finish()


class _Block:
    """Gates that become one step."""

    __slots__ = ("diagonal", "gates", "inputs", "wires")

    def __init__(self, diagonal: bool) -> None:
        self.gates: list[Gate] = []
        self.wires: list[int] = []
        #: the wires that weren't known to be in |0> when they joined
        self.inputs: list[int] = []
        self.diagonal = diagonal

    def step(self) -> Step:
        wires = tuple(self.wires)
        if len(self.gates) == 1:
            controls, targets, table = self.gates[0]
            if controls and len(wires) > DENSE_WIRES:
                return Controlled(controls, targets, table)
            if not controls and table.ndim == 1:
                return Diagonal(targets, table)
            if not controls and table.shape[1] == 1 << len(self.inputs):
                return Dense(targets, targets if self.inputs else (), table)
        if self.diagonal:
            return Diagonal(wires, diagonal_product(self.gates, self.wires))
        return Dense(wires, tuple(self.inputs), product(self.gates, self.wires, self.inputs))


class _Compiler:
    """The steps so far, and the gates that aren't steps yet."""

    def __init__(self, program: Program, from_zero: bool, last: bool, events_before: int) -> None:
        self.num_clbits = program.num_clbits
        self.items: list[_Block | MeasureStep | ResetStep | NoiseStep | SaveStep] = []
        #: the wire of each qubit
        self.wires = list(range(program.num_qubits))
        #: the wires in |0>
        self.fresh = set(self.wires) if from_zero else set()
        #: the last item that touches a wire
        self.last: dict[int, int] = {}
        #: one-qubit gates that no block has yet
        self.pending: dict[int, Matrix2] = {}
        self.measurements = Measurements(program, last=last)
        self.row = -1
        #: the number of each row's first random event
        self.events = (event_numbers(program) + events_before).tolist()
        #: the channel of each row of noise that is still to come
        self.channels = iter(program.channel_refs.tolist())
        self.phase = 1 + 0j

    def add(self, operation: Operation) -> None:
        """Add the next operation of the program."""
        self.row += 1
        code = operation.code
        targets = tuple([self.wires[qubit] for qubit in operation.targets])
        if code is Op.MEASURE:
            self._measure(operation, targets[0])
        elif code is Op.RESET:
            self._reset(targets[0], self.events[self.row])
        elif code is Op.INITIALIZE:
            self._initialize(targets, operation)
        elif code is Op.NOISE:
            self._noise(targets)
        elif code is Op.SAVE:
            for wire in tuple(self.pending):
                self._flush(wire)
            self._append(SaveStep(operation.save, targets, tuple(self.wires), self.phase), tuple(self.wires))
        elif operation.controls:
            controls = tuple(
                [(self.wires[qubit], 1) if qubit >= 0 else (self.wires[~qubit], 0) for qubit in operation.controls]
            )
            self._gate(Gate(controls, targets, gates.table(operation)))
        elif code is Op.SWAP:
            a, b = operation.targets
            self.wires[a], self.wires[b] = self.wires[b], self.wires[a]
        elif len(targets) == 1:
            self._one_qubit(targets[0], gates.one_qubit(operation))
        elif targets:
            self._gate(Gate((), targets, gates.table(operation)))
        else:
            self.phase *= complex(gates.table(operation)[0])

    def finish(self) -> Plan:
        """Return the plan of everything that was added."""
        for wire in tuple(self.pending):
            self._flush(wire)
        return Plan(
            num_clbits=self.num_clbits,
            steps=tuple([item.step() if isinstance(item, _Block) else item for item in self.items]),
            wires=tuple(self.wires),
            measured=self.measurements.measured(),
            readout=self.measurements.readout(),
            phase=self.phase,
        )

    def _measure(self, operation: Operation, wire: int) -> None:
        self._flush(wire)
        step = self.measurements.add(operation, self.row, self.events[self.row], wire)
        if step is not None:
            # In the order of the program, not at the last moment: the outcomes of shots depend on the order.
            self._append(step, (wire,))

    def _reset(self, wire: int, event: int) -> None:
        self._flush(wire)
        if wire in self.fresh:
            return
        self._append(ResetStep(wire=wire, event=event), (wire,))
        self.fresh.add(wire)

    def _noise(self, targets: tuple[int, ...]) -> None:
        for wire in targets:
            self._flush(wire)
        self._append(NoiseStep(event=self.events[self.row], wires=targets, channel=next(self.channels)), targets)
        self.fresh.difference_update(targets)

    def _initialize(self, targets: tuple[int, ...], operation: Operation) -> None:
        for event, wire in enumerate(targets, self.events[self.row]):
            self._reset(wire, event)
        self._gate(Gate((), targets, gates.table(operation)))

    def _one_qubit(self, wire: int, matrix: Matrix2) -> None:
        before = self.pending.get(wire)
        if before is not None:
            a, b, c, d = matrix
            e, f, g, h = before
            matrix = (a * e + b * g, a * f + b * h, c * e + d * g, c * f + d * h)
        self.pending[wire] = matrix

    def _gate(self, gate: Gate) -> None:
        wires = gate.targets + tuple([wire for wire, _ in gate.controls])
        diagonal = gate.table.ndim == 1
        for wire in wires:
            before = self.pending.get(wire)
            # Diagonals commute.
            if before is not None and not (diagonal and before[1] == before[2] == 0):
                self._flush(wire, alone=not diagonal)
        self._place(gate, wires, diagonal, alone=not diagonal)

    def _flush(self, wire: int, alone: bool = False) -> None:
        matrix = self.pending.pop(wire, None)
        if matrix is not None:
            a, b, c, d = matrix
            diagonal = b == c == 0
            table = np.array([a, d] if diagonal else [[a, b], [c, d]])
            self._place(Gate((), (wire,), table), (wire,), diagonal, alone)

    def _append(self, item: _Block | MeasureStep | ResetStep | NoiseStep | SaveStep, wires: tuple[int, ...]) -> None:
        for wire in wires:
            self.last[wire] = len(self.items)
        self.items.append(item)

    def _place(self, gate: Gate, wires: tuple[int, ...], diagonal: bool, alone: bool) -> None:
        """Add a gate to an earlier block, or to a new one.

        The gate commutes with the blocks in between. With `alone`, it joins only the last block on one of its wires,
        unless all its wires are in |0>. So the blocks of a circuit of matrices follow its light cones, several layers
        deep. Matrices on separate wires gain nothing together.
        """
        last = max([self.last.get(wire, -1) for wire in wires])
        alone = alone and not self.fresh.issuperset(wires)
        first = len(self.items) if alone else max(last + 1, len(self.items) - LOOK_BACK)
        for at in (last, *range(first, len(self.items))):
            block = self.items[at] if at >= 0 else None
            if isinstance(block, _Block) and self._fits(block, wires, diagonal):
                break
        else:
            at, block = len(self.items), _Block(diagonal)
            self.items.append(block)
        block.gates.append(gate)
        block.diagonal &= diagonal
        for wire in wires:
            self.last[wire] = at
            if wire not in block.wires:
                block.wires.append(wire)
                if wire not in self.fresh:
                    block.inputs.append(wire)
        self.fresh.difference_update(wires)

    def _fits(self, block: _Block, wires: tuple[int, ...], diagonal: bool) -> bool:
        new = [wire for wire in wires if wire not in block.wires]
        if block.diagonal and diagonal:
            limit = DIAGONAL_WIRES
        elif block.inputs or not self.fresh.issuperset(new):
            limit = DENSE_WIRES
        else:
            limit = FRESH_WIRES
        return len(block.wires) + len(new) <= limit
