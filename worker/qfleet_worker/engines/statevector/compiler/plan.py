# SPDX-License-Identifier: Apache-2.0
"""The steps of a program, and the place of each qubit.

Stretches of unitary operations become `Segment`s, compiled by `compile.compile_rows`. What isn't unitary, or has more
targets than a kernel, is a step of its own. Only qubits that an operation names have a *wire*, a bit of the state's
index; the others are in |0> and get numbers beyond. SWAPs exchange wires while the circuit is compiled, and wires are
numbered so that each qubit ends on the wire of its own rank: the state needs no reordering at the end.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from qfleet.wire.program.events import event_numbers
from qfleet.wire.program.operations import ANGLES, EXCHANGES, HAS_TABLE, IS_UNITARY, Op
from qfleet.wire.program.program import Program
from qfleet_worker.engines.statevector.compiler.binding import bind, size_of
from qfleet_worker.engines.statevector.compiler.fixed_angles import fixed_angles
from qfleet_worker.engines.statevector.compiler.gate_table import GATES
from qfleet_worker.engines.statevector.compiler.rows import MAX_DIAGONAL, MAX_TABLE, Rows, count_entries
from qfleet_worker.engines.statevector.compiler.tables import Limits, compile_rows
from qfleet_worker.engines.statevector.kernels.kinds import MAX_TARGETS
from qfleet_worker.engines.statevector.kernels.layout import Tables
from qfleet_worker.engines.steps import MeasureStep, NoiseStep, ResetStep, SaveStep

#: Wires of an index of 64 bits, with room to compute; beyond all machines in any case.
MAX_WIRES = 50
#: Wires from which on a state is so large that fewer, larger chunks are faster.
LARGE = 22

_NO_TABLE = np.zeros(1, np.complex128)


class ChunkSizes(NamedTuple):
    """Sizes of the chunks in which a state is worked on."""

    #: the wires of a chunk by lane bits: half of a megabyte, half of what a core's second cache has. All targets of a
    #: gate must fit beside the lowest wires.
    local_bits: Mapping[int, int] = {2: 15, 3: 16}
    #: the lowest wires, which are always local: chunks are copied in runs of half a kilobyte or more
    run_bits: int = 5


CHUNKS: Final = ChunkSizes()


@dataclass(frozen=True, slots=True, eq=False)
class Segment:
    """A compiled stretch of unitary operations."""

    tables: Tables
    #: the number of its first angle in the program
    first_param: int


@dataclass(frozen=True, slots=True, eq=False)
class Wide:
    """A gate with more targets than a kernel has."""

    targets: tuple[int, ...]
    #: the controls, and the values that they must have, as masks of wires
    controls: int
    values: int
    #: complex128: shape (2**targets,) for a diagonal, (2**targets, 2**targets) for a matrix
    table: NDArray[np.complex128]


@dataclass(frozen=True, slots=True, eq=False)
class Prepare:
    """Give wires that were reset the state of a table."""

    targets: tuple[int, ...]
    #: complex128, shape (2**targets,)
    table: NDArray[np.complex128]


Step: TypeAlias = Segment | Wide | Prepare | MeasureStep | ResetStep | NoiseStep | SaveStep


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """A compiled program.

    The members that `readout` and `trajectories` read are those of the numpy engine's plan.
    """

    num_clbits: int
    steps: tuple[Step, ...]
    #: the wire of each qubit at the start, and at the end
    first_wires: tuple[int, ...]
    wires: tuple[int, ...]
    #: the wires measured at the end
    measured: tuple[int, ...]
    #: pairs of a wire measured at the end and a clbit whose last writer that measurement is
    readout: tuple[tuple[int, int], ...]
    #: factor of the whole state
    phase: complex
    #: wires with a bit of the state's index
    num_wires: int

    def bind(self, params: NDArray[np.float64]) -> Plan:
        """Return the same plan at other angles, shape (angles,).

        This plan stays as it is.
        """
        steps = []
        phase = 1 + 0j
        for step in self.steps:
            if isinstance(step, Segment):
                step = Segment(bind(step.tables, params, step.first_param), step.first_param)
                phase *= complex(step.tables.values.phases[0])
            elif isinstance(step, SaveStep):
                step = replace(step, phase=phase)
            steps.append(step)
        return replace(self, steps=tuple(steps), phase=phase)

    @property
    def nbytes(self) -> int:
        """Return the bytes of its arrays."""
        return sum(
            size_of(step.tables) if isinstance(step, Segment) else step.table.nbytes
            for step in self.steps
            if isinstance(step, Segment | Wide | Prepare)
        )


def compile_program(
    program: Program,
    lane_bits: int,
    threads: int = 1,
    columns: bool = False,
    named: NDArray[np.bool_] | None = None,
    last: bool = True,
    events_before: int = 0,
    chunks: ChunkSizes = CHUNKS,
    from_zero: bool = True,
) -> Plan:
    """Return the plan of a program for vectors of ``2**lane_bits`` amplitudes.

    Args:
        program: the program, or a part of one.
        lane_bits: index bits that lie inside of a vector.
        threads: threads that may share the work.
        columns: whether the state is a matrix: the wires of qubits are the upper half of its wires.
        named: the qubits that have a wire, shape (qubits,); by default those that an operation names.
        last: whether the program is the end of a circuit.
        events_before: random events before the program.
        chunks: sizes of the chunks in which the state is worked on.
        from_zero: whether the state is |0...0> before.
    """
    if named is None:
        named = named_qubits(program)
    if columns:
        named = np.ones_like(named)
    return _Compiler(program, lane_bits, threads, columns, named, chunks, from_zero and not columns).plan(
        last, events_before
    )


def named_qubits(program: Program) -> NDArray[np.bool_]:
    """Tell of each qubit whether any operation names it, shape (qubits,)."""
    named = np.zeros(program.num_qubits, np.bool_)
    named[np.maximum(program.operands, ~program.operands)] = True
    return named


class _Compiler:
    """A program on its way to a plan."""

    def __init__(
        self,
        program: Program,
        lane_bits: int,
        threads: int,
        columns: bool,
        named: NDArray[np.bool_],
        chunks: ChunkSizes,
        from_zero: bool,
    ) -> None:
        self.program = program
        self.run_bits = chunks.run_bits
        self.codes = program.codes.astype(np.int64)
        self.num_controls = program.num_controls.astype(np.int64)
        self.num_targets = program.num_targets.astype(np.int64)
        self.operands = program.operands.astype(np.int64)
        self.params = program.params.astype(np.float64)
        self.fixed = fixed_angles(program)
        self.from_zero = from_zero
        self.lane_bits = lane_bits
        self.table_at = self.codes
        self.table = _NO_TABLE
        if program.tables:
            # Larger tables are of steps of their own, and aren't copied.
            small = [table if len(table) <= MAX_TABLE else table[:0] for table in program.tables]
            starts = np.cumsum([0, *[len(table) for table in small[:-1]]])
            takers = HAS_TABLE[self.codes]
            self.table_at = np.full(len(self.codes), -1, np.int64)
            self.table_at[takers] = starts[program.table_refs]
            self.table_refs = np.cumsum(takers) - 1
            self.table = np.concatenate([*small, _NO_TABLE])
        self.phase = 1 + 0j
        self.steps: list[Step] = []
        #: the last measurement that writes each clbit
        self.writer = {clbit: at for at, clbit in enumerate(program.clbits.tolist())}
        self.clbits_read = any(save.conditional for save in program.saves)
        self._place(columns, named)
        self.room = max(lane_bits, 2 * self.num_wires if columns else self.num_wires)
        self.local_bits = chunks.local_bits[lane_bits] + (self.room >= LARGE)
        if threads > 1 and max(self.local_bits - 2, self.run_bits + MAX_TARGETS + 1) <= self.room <= self.local_bits:
            # Two chunks, that two threads may work.
            self.local_bits = self.room - 1

    def _place(self, columns: bool, named: NDArray[np.bool_]) -> None:
        """Give each qubit its first wire."""
        self.num_wires = int(named.sum())
        if self.num_wires * (1 + columns) > MAX_WIRES:
            raise MemoryError(f"no machine holds the state of {self.num_wires} qubits")
        wires = np.empty(self.program.num_qubits, np.int64)
        wires[named] = np.arange(self.num_wires) + (self.num_wires if columns else 0)
        wires[~named] = np.arange(self.num_wires, self.program.num_qubits)
        self.wires = wires
        swaps = np.flatnonzero(EXCHANGES[self.codes] & (self.num_controls == 0))
        if len(swaps):
            starts = np.cumsum(self.num_controls + self.num_targets)[swaps] - 2
            ends = list(range(len(wires)))
            for a, b in zip(self.operands[starts].tolist(), self.operands[starts + 1].tolist(), strict=True):
                ends[a], ends[b] = ends[b], ends[a]
            # What begins as qubit ends[q] ends as qubit q, and is to end on the wire of q.
            self.wires = np.empty_like(wires)
            self.wires[ends] = wires

    def plan(self, last: bool, events_before: int) -> Plan:
        """Compile all of the program; see `compile_program`."""
        first_wires = tuple(self.wires.tolist())
        breaks = np.flatnonzero(~IS_UNITARY[self.codes] | self._wide())
        measured: list[int] = []
        readout: list[tuple[int, int]] = []
        if len(breaks):
            for qubit, clbits in self._with_breaks(breaks.tolist(), last, events_before).items():
                wire = int(self.wires[qubit])
                measured.append(wire)
                readout.extend((wire, clbit) for clbit in clbits)
        else:
            self._add_segment(slice(0, len(self.codes)), slice(0, None), slice(0, len(self.params)))
        return Plan(
            num_clbits=self.program.num_clbits,
            steps=tuple(self.steps),
            first_wires=first_wires,
            wires=tuple(self.wires.tolist()),
            measured=tuple(measured),
            readout=tuple(readout),
            phase=self.phase,
            num_wires=self.num_wires,
        )

    def _wide(self) -> NDArray[np.bool_]:
        """Tell of each row whether it has more targets than a kernel."""
        limit = np.where(self.codes == Op.DIAGONAL, MAX_DIAGONAL, MAX_TARGETS)
        return self.num_targets > limit

    def _with_breaks(self, breaks: list[int], last: bool, events_before: int) -> dict[int, list[int]]:
        """Add the steps of a program with rows that aren't compiled.

        Args:
            breaks: these rows.
            last: whether the program is the end of a circuit.
            events_before: random events before the program.

        Returns:
            The qubits measured at the end, each with the clbits that this measurement writes last.
        """
        events = event_numbers(self.program) + events_before
        widths = self.num_controls + self.num_targets
        operand_ends = np.cumsum(widths)
        param_ends = np.cumsum(ANGLES[self.codes])
        last_use = self._last_uses(widths)
        final: dict[int, list[int]] = {}
        measurements, saves = iter(range(len(self.program.clbits))), iter(self.program.save_refs.tolist())
        channels = iter(self.program.channel_refs.tolist())
        begin = 0
        for row in [*breaks, len(self.codes)]:
            if row > begin:
                first = int(operand_ends[begin - 1]) if begin else 0
                first_param = int(param_ends[begin - 1]) if begin else 0
                operands = slice(first, int(operand_ends[row - 1]))
                self._add_segment(slice(begin, row), operands, slice(first_param, int(param_ends[row - 1])))
            begin = row + 1
            if row == len(self.codes):
                break
            code = int(self.codes[row])
            middle = int(operand_ends[row] - self.num_targets[row])
            targets = self.operands[middle : operand_ends[row]].tolist()
            wires = tuple(int(self.wires[qubit]) for qubit in targets)
            if code == Op.MEASURE:
                measurement = next(measurements)
                clbit, is_last = self._written(measurement)
                if last and row > last_use[targets[0]]:
                    final.setdefault(targets[0], []).extend([clbit] if is_last else [])
                else:
                    written = (clbit,) if is_last or self.clbits_read else ()
                    flips = self._flips(measurement)
                    step = MeasureStep(wire=wires[0], event=int(events[row]), clbits=written, flips=flips)
                    self.steps.append(step)
            elif code in (Op.RESET, Op.INITIALIZE):
                self.steps += [ResetStep(wire=wire, event=at) for at, wire in enumerate(wires, int(events[row]))]
                if code == Op.INITIALIZE:
                    self.steps.append(Prepare(wires, self._table(row)))
            elif code == Op.NOISE:
                self.steps.append(NoiseStep(event=int(events[row]), wires=wires, channel=next(channels)))
            elif code == Op.SAVE:
                self.steps.append(SaveStep(next(saves), wires, tuple(self.wires.tolist()), self.phase))
            else:
                self._add_wide(row, self.operands[middle - self.num_controls[row] : middle].tolist(), wires)
        return final

    def _last_uses(self, widths: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return each qubit's last row that doesn't measure it, shape (qubits,).

        It is -1 for none. `widths` are the operands of each row. A save of the whole state names all qubits.
        """
        rows = np.repeat(np.arange(len(self.codes)), widths)
        used = self.codes[rows] != Op.MEASURE
        last_use = np.full(self.program.num_qubits, -1, np.int64)
        qubits = np.maximum(self.operands, ~self.operands)
        last_use[qubits[used]] = rows[used]
        return np.maximum(last_use, self.program.last_save())

    def _written(self, measurement: int) -> tuple[int, bool]:
        """Return a measurement's clbit, and whether no later one writes it.

        If nothing reads a clbit before the end, only its last writer counts.
        """
        clbit = int(self.program.clbits[measurement])
        return clbit, self.writer[clbit] == measurement

    def _flips(self, measurement: int) -> tuple[float, float] | None:
        """Return a measurement's readout error; ``None`` without one."""
        flips = self.program.flips[2 * measurement : 2 * measurement + 2].tolist()
        return (flips[0], flips[1]) if any(flips) else None

    def _add_wide(self, row: int, named: list[int], wires: tuple[int, ...]) -> None:
        """Add a row with more targets than a kernel has.

        `named` are its controls.
        """
        controls = values = 0
        for qubit in named:
            wire = int(self.wires[qubit if qubit >= 0 else ~qubit])
            controls |= 1 << wire
            values |= (qubit >= 0) << wire
        size = 1 << len(wires)
        table = self._table(row)
        matrix = table if self.codes[row] == Op.DIAGONAL else table.reshape(size, size)
        self.steps.append(Wide(wires, controls, values, matrix))

    def _table(self, row: int) -> NDArray[np.complex128]:
        """Return the table of a row as one kind of array.

        Machine code is compiled for each kind.
        """
        table = self.program.tables[self.program.table_refs[self.table_refs[row]]]
        alike = np.require(table, np.complex128, ["C", "A"]).view()
        alike.flags.writeable = False
        return alike

    def _add_segment(self, rows: slice, operands: slice, params: slice) -> None:
        """Compile some rows, and add them as a step.

        `operands` and `params` are those of the rows.
        """
        if rows.stop == rows.start:
            return
        chosen = Rows(
            self.codes[rows], self.num_controls[rows], self.num_targets[rows], self.operands[operands],
            self.params[params], self.fixed[params], self.table_at[rows], self.table,
        )  # fmt: skip
        entries, from_zero = count_entries(chosen, GATES), int(self.from_zero and not self.steps)
        limits = Limits(self.room, self.lane_bits, self.local_bits, self.run_bits, *entries, from_zero)
        tables = compile_rows(chosen, GATES, self.wires, limits)
        self.phase *= complex(tables.values.phases[0])
        self.steps.append(Segment(tables, params.start))
