# SPDX-License-Identifier: Apache-2.0
"""Collect the rows of a program."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import msgspec
import numpy as np
from numpy.typing import NDArray
from qiskit.circuit import Parameter

from qfleet.lowering.expressions import renumber_clbits
from qfleet.lowering.formulas import Slots, find_slots
from qfleet.lowering.gates import GLOBAL_PHASE_SHAPE, Shape, pack_shape, shape_columns, shape_of, unpack_shape
from qfleet.lowering.parameters import Angle
from qfleet.lowering.refusal import too_long, too_many_jumps
from qfleet.lowering.sites import Site
from qfleet.noise.readout import Flips
from qfleet.wire.limits import MAX_FLOW_OPERATIONS, MAX_NAME, MAX_OPERATIONS
from qfleet.wire.program.expressions import Expression
from qfleet.wire.program.operations import SPEC, Op, Table
from qfleet.wire.program.program import NOTHING, Program
from qfleet.wire.program.saves import Save

#: Targets of the jumps of a break and a continue until their loop is complete.
BREAK = -1
CONTINUE = -2

_JUMP = shape_of(Op.JUMP)
_JUMP_UNLESS = shape_of(Op.JUMP_UNLESS)
_STORE = shape_of(Op.STORE)

_COMPLEX = np.dtype(np.complex128)


class Tables:
    """The numbered tables of one program.

    Equal tables are kept once.
    """

    def __init__(self) -> None:
        self._numbers: dict[bytes, int] = {}
        self._tables: list[bytes] = []

    def __getitem__(self, number: int) -> NDArray[np.complex128]:
        return np.frombuffer(self._tables[number], _COMPLEX)

    def add(self, values: NDArray[np.complex128]) -> int:
        """Return the number of the table with these values, in row-major order."""
        raw = values.tobytes()
        number = self._numbers.setdefault(raw, len(self._tables))
        if number == len(self._tables):
            self._tables.append(raw)
        return number

    def flat(self, numbers: Iterable[int]) -> NDArray[np.complex128]:
        """Return tables one after the other, flat."""
        return np.frombuffer(b"".join([self._tables[number] for number in numbers]), _COMPLEX)

    def each(self, numbers: Iterable[int]) -> tuple[NDArray[np.complex128], ...]:
        """Return tables, each as a flat array."""
        return tuple([np.frombuffer(self._tables[number], _COMPLEX) for number in numbers])


@dataclass(slots=True)
class Rows:
    """Rows of a circuit, a definition or one operation.

    Their qubits and clbits are numbered from 0.
    """

    shapes: list[Shape] = field(default_factory=list)
    #: Qubits; ``~qubit`` for an open control.
    operands: list[int] = field(default_factory=list)
    clbits: list[int] = field(default_factory=list)
    params: list[Angle] = field(default_factory=list)
    #: Numbers in the context's `Tables`.
    tables: list[int] = field(default_factory=list)
    #: The row that each jump leads to, or `BREAK` or `CONTINUE`.
    jumps: list[int] = field(default_factory=list)
    expressions: list[Expression] = field(default_factory=list)
    #: The first row of each loop, and the name of the loop in errors.
    loops: list[tuple[int, str]] = field(default_factory=list)
    saves: list[Save] = field(default_factory=list)
    #: The source of each row of noise.
    sites: list[Site] = field(default_factory=list)
    #: Readout errors of the circuit's own, each with the number of its measurement.
    readouts: list[tuple[int, Flips]] = field(default_factory=list)
    #: Radians. It becomes a row when something controls it or saves the state. A phase with parameters is always a row.
    phase: float = 0.0

    def splice(
        self, other: Rows, qubits: Sequence[int], clbits: Sequence[int] | None, place: tuple[str, int] = ("", 0)
    ) -> None:
        """Append other rows.

        Args:
            other: the rows to append.
            qubits: qubit i of `other` becomes ``qubits[i]``.
            clbits: clbit i of `other` becomes ``clbits[i]``; ``None`` leaves the numbers as they are.
            place: name and position of the operation that the rows come from.

        Raises:
            RefusalError: there would be too many rows.
        """
        if len(self.shapes) + len(other.shapes) > MAX_OPERATIONS:
            raise too_long(MAX_OPERATIONS)
        placed = placement(qubits)
        if other.jumps or other.expressions:
            # A store has two expressions.
            if max(len(self.jumps) + len(other.jumps), (len(self.expressions) + len(other.expressions)) // 2) > (
                MAX_FLOW_OPERATIONS
            ):
                raise too_many_jumps(MAX_FLOW_OPERATIONS)
            start = len(self.shapes)
            self.jumps += [start + row if row >= 0 else row for row in other.jumps]
            self.expressions += (
                other.expressions
                if clbits is None
                else [renumber_clbits(expression, clbits) for expression in other.expressions]
            )
            self.loops += [(start + row, "{} in {} at position {}".format(name, *place)) for row, name in other.loops]
        if other.readouts:
            self.readouts += [(len(self.clbits) + place, flips) for place, flips in other.readouts]
        self.shapes += other.shapes
        self.operands += [placed[operand] for operand in other.operands]
        self.clbits += other.clbits if clbits is None else [clbits[clbit] for clbit in other.clbits]
        self.params += other.params
        self.tables += other.tables
        self.saves += other.saves
        self.sites += other.sites
        self.phase += other.phase

    def add_global_phase(self, angle: Angle) -> None:
        """Add an angle in radians to the global phase."""
        if isinstance(angle, float):
            self.phase += angle
        else:
            self.shapes.append(GLOBAL_PHASE_SHAPE)
            self.params.append(angle)

    def add_noise(self, site: Site, qubits: Sequence[int]) -> None:
        """Append noise on qubits, in their order."""
        self.shapes.append(pack_shape(Op.NOISE, 0, len(qubits)))
        self.operands += qubits
        self.sites.append(site)

    def jump(self, row: int = 0, *, unless: Expression | None = None) -> int:
        """Append a jump, and return its number for `patch_jump`.

        Args:
            row: the row to go on with.
            unless: the condition that prevents the jump; ``None`` for none.
        """
        self.jumps.append(row)
        self.shapes.append(_JUMP if unless is None else _JUMP_UNLESS)
        if unless is not None:
            self.expressions.append(unless)
        return len(self.jumps) - 1

    def patch_jump(self, jump: int) -> None:
        """Let a jump lead to the next row."""
        self.jumps[jump] = len(self.shapes)

    def patch_jumps(self, first: int, kind: int, row: int) -> None:
        """Let breaks or continues lead to a row.

        Args:
            first: number of the first jump to look at.
            kind: `BREAK` or `CONTINUE`.
            row: the row to go on with.
        """
        self.jumps[first:] = [row if jump == kind else jump for jump in self.jumps[first:]]

    def store(self, place: Expression, value: Expression) -> None:
        """Append a store of a value to a place."""
        self.shapes.append(_STORE)
        self.expressions += [place, value]

    def append_phase(self) -> None:
        """Make the phase the next row, for the rows after it."""
        phase = math.remainder(self.phase, math.tau)
        if phase:
            self.shapes.append(GLOBAL_PHASE_SHAPE)
            self.params.append(phase)
        self.phase = 0.0

    def program(
        self,
        tables: Tables,
        num_qubits: int,
        num_clbits: int,
        variables: Sequence[int] = (),
        parameters: Sequence[Parameter] = (),
    ) -> Program:
        """Return the program of these rows.

        The global phase becomes its first row. It has only the tables in use.

        Args:
            tables: the tables that the rows refer to.
            num_qubits: number of qubits of the program.
            num_clbits: number of clbits of the program.
            variables: type of each variable, as on the wire.
            parameters: free parameters, in the order of their values.

        Raises:
            RefusalError: Qiskit doesn't tell the formula of an angle.
        """
        phase = math.remainder(self.phase, math.tau)
        shapes = [GLOBAL_PHASE_SHAPE, *self.shapes] if phase else self.shapes
        params = [phase, *self.params] if phase else self.params
        angles = find_slots(params, parameters) if parameters else Slots(params)
        codes, controls, targets = shape_columns(shapes)
        used = {number: place for place, number in enumerate(dict.fromkeys(self.tables))} if self.tables else {}
        program = Program(
            num_qubits,
            num_clbits,
            codes=codes,
            num_controls=controls,
            num_targets=targets,
            operands=np.array(self.operands, np.int32),
            clbits=np.array(self.clbits, np.int32) if self.clbits else NOTHING,
            params=np.array(angles.params, np.float64),
            table_refs=np.array(list(map(used.__getitem__, self.tables)), np.int32) if used else NOTHING,
            tables=tables.each(used),
        )
        if not (self.jumps or self.expressions or variables or self.loops or parameters or self.saves):
            return program
        shift = len(shapes) - len(self.shapes)
        expressions = {expression: number for number, expression in enumerate(dict.fromkeys(self.expressions))}
        return msgspec.structs.replace(
            program,
            jumps=np.array(self.jumps, np.int32) + np.int32(shift),
            expression_refs=np.array([expressions[expression] for expression in self.expressions], np.int32),
            expressions=tuple(expressions),
            variables=tuple(variables),
            loops=tuple((row + shift, name[:MAX_NAME]) for row, name in self.loops),
            num_parameters=len(parameters),
            slots=np.array(angles.slots, np.int32),
            slot_refs=np.array(angles.slot_refs, np.int32),
            formulas=angles.formulas,
            save_refs=np.arange(len(self.saves), dtype=np.int32),
            saves=tuple(self.saves),
        )

    def each(self) -> Iterator[tuple[tuple[Op, int, int], list[int], list[Angle], int | None]]:
        """Yield the parts of each row.

        Yields:
            The code and the numbers of controls and targets; operands; angles; number of the row's table.
        """
        at = angle = 0
        numbers = iter(self.tables)
        for code, controls, targets in map(unpack_shape, self.shapes):
            spec = SPEC[code]
            end, last = at + controls + targets, angle + spec.angles
            number = None if spec.table is Table.NONE else next(numbers)
            yield (code, controls, targets), self.operands[at:end], self.params[angle:last], number
            at, angle = end, last


def placement(qubits: Sequence[int]) -> list[int]:
    """Return a list that maps operand q to ``qubits[q]``.

    It maps ``~q`` to ``~qubits[q]``.
    """
    return [*qubits, *(~qubit for qubit in reversed(qubits))]
