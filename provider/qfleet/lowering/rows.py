# SPDX-License-Identifier: Apache-2.0
"""Collect the rows of a program, place them on other qubits, control and invert them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain

import msgspec
import numpy as np
from numpy.typing import NDArray
from qiskit.circuit import Parameter
from qiskit.circuit.library import RC3XGate, iSwapGate

from qfleet.lowering.expressions import moved
from qfleet.lowering.formulas import Slots, slots
from qfleet.lowering.gates import GLOBAL_PHASE_SHAPE, Shape, columns, packed, shape, unpacked
from qfleet.lowering.parameters import Angle
from qfleet.lowering.refusal import RefusalError, too_long, too_many_jumps
from qfleet.wire.limits import MAX_FLOW_OPERATIONS, MAX_NAME, MAX_OPERATIONS
from qfleet.wire.program.expressions import Expression
from qfleet.wire.program.program import FLOW_OPS, NON_UNITARY_OPS, NOTHING, PARAMS, TABLE_OPS, Op, Program
from qfleet.wire.program.saves import Save

#: Where a break and a continue jump to as long as their loop isn't complete.
BREAK = -1
CONTINUE = -2

_JUMP = shape(Op.JUMP)
_JUMP_UNLESS = shape(Op.JUMP_UNLESS)
_STORE = shape(Op.STORE)

_COMPLEX = np.dtype(np.complex128)


class Tables:
    """The tables of one program; equal ones are kept once. A table is known by its number."""

    def __init__(self) -> None:
        self._numbers: dict[bytes, int] = {}
        self._tables: list[bytes] = []

    def __getitem__(self, number: int) -> NDArray[np.complex128]:
        return np.frombuffer(self._tables[number], _COMPLEX)

    def add(self, values: NDArray[np.complex128]) -> int:
        """The number of the table with these values, in row-major order."""
        raw = values.tobytes()
        number = self._numbers.setdefault(raw, len(self._tables))
        if number == len(self._tables):
            self._tables.append(raw)
        return number

    def flat(self, numbers: Iterable[int]) -> NDArray[np.complex128]:
        """These tables, one after the other."""
        return np.frombuffer(b"".join([self._tables[number] for number in numbers]), _COMPLEX)

    def each(self, numbers: Iterable[int]) -> tuple[NDArray[np.complex128], ...]:
        """These tables, each as an array."""
        return tuple([np.frombuffer(self._tables[number], _COMPLEX) for number in numbers])


@dataclass(slots=True)
class Rows:
    """Rows in the making: a circuit, a definition or one operation, on qubits and clbits numbered from 0."""

    shapes: list[Shape] = field(default_factory=list)
    #: qubits, ``~qubit`` for an open control
    operands: list[int] = field(default_factory=list)
    clbits: list[int] = field(default_factory=list)
    params: list[Angle] = field(default_factory=list)
    #: numbers in the walk's `Tables`
    tables: list[int] = field(default_factory=list)
    #: rows that are jumped to, or `BREAK` or `CONTINUE`
    jumps: list[int] = field(default_factory=list)
    expressions: list[Expression] = field(default_factory=list)
    #: the first row of each loop, and what to call the loop
    loops: list[tuple[int, str]] = field(default_factory=list)
    saves: list[Save] = field(default_factory=list)
    #: radians; in no row as long as nothing controls it, or saves the state. One with parameters is a row from the
    #: beginning.
    phase: float = 0.0

    def splice(
        self, other: Rows, qubits: Sequence[int], clbits: Sequence[int] | None, place: tuple[str, int] = ("", 0)
    ) -> None:
        """Append other rows.

        Args:
            other: the rows.
            qubits: their qubit i is here ``qubits[i]``.
            clbits: the same for clbits; ``None`` where they have the numbers that they have here.
            place: the name and the position of the operation that the rows come from.
        """
        if len(self.shapes) + len(other.shapes) > MAX_OPERATIONS:
            raise too_long(MAX_OPERATIONS)
        placed = _placement(qubits)
        if other.jumps or other.expressions:
            # A store has two expressions.
            if max(len(self.jumps) + len(other.jumps), (len(self.expressions) + len(other.expressions)) // 2) > (
                MAX_FLOW_OPERATIONS
            ):
                raise too_many_jumps(MAX_FLOW_OPERATIONS)
            start = len(self.shapes)
            self.jumps += [start + row if row >= 0 else row for row in other.jumps]
            self.expressions += (
                other.expressions if clbits is None else [moved(expression, clbits) for expression in other.expressions]
            )
            self.loops += [(start + row, "{} in {} at position {}".format(name, *place)) for row, name in other.loops]
        self.shapes += other.shapes
        self.operands += [placed[operand] for operand in other.operands]
        self.clbits += other.clbits if clbits is None else [clbits[clbit] for clbit in other.clbits]
        self.params += other.params
        self.tables += other.tables
        self.saves += other.saves
        self.phase += other.phase

    def turn(self, angle: Angle) -> None:
        """Turn the global phase by an angle."""
        if isinstance(angle, float):
            self.phase += angle
        else:
            self.shapes.append(GLOBAL_PHASE_SHAPE)
            self.params.append(angle)

    def jump(self, row: int = 0, *, unless: Expression | None = None) -> int:
        """Append a jump to a row, with `unless` only if that is false. Returns the jump's number, for `land`."""
        self.jumps.append(row)
        self.shapes.append(_JUMP if unless is None else _JUMP_UNLESS)
        if unless is not None:
            self.expressions.append(unless)
        return len(self.jumps) - 1

    def land(self, jump: int) -> None:
        """Let a jump lead to the row that comes next."""
        self.jumps[jump] = len(self.shapes)

    def resolve(self, first: int, kind: int, row: int) -> None:
        """Let jumps of a kind, from the one numbered `first` on, lead to a row."""
        self.jumps[first:] = [row if jump == kind else jump for jump in self.jumps[first:]]

    def store(self, place: Expression, value: Expression) -> None:
        """Append a store of a value to a place."""
        self.shapes.append(_STORE)
        self.expressions += [place, value]

    def settle_phase(self) -> None:
        """Make a row of the phase, for rows that aren't always run."""
        phase = math.remainder(self.phase, math.tau)
        if phase:
            # At the front, where no jump passes it.
            self.shapes.insert(0, GLOBAL_PHASE_SHAPE)
            self.params.insert(0, phase)
            self.jumps = [row + 1 if row >= 0 else row for row in self.jumps]
            self.loops = [(row + 1, name) for row, name in self.loops]
        self.phase = 0.0

    def append_phase(self) -> None:
        """Make a row of the phase at this place, for what comes next to see it."""
        phase = math.remainder(self.phase, math.tau)
        if phase:
            self.shapes.append(GLOBAL_PHASE_SHAPE)
            self.params.append(phase)
        self.phase = 0.0

    def controlled(self, num_controls: int, state: int, num_qubits: int) -> Rows:
        """These rows under controls, which are qubits 0 to ``num_controls - 1``; the rows' ``num_qubits`` move up.

        Bit i of ``state`` is the value of control i that activates the rows.
        """
        if not num_controls:
            return self
        controls = [qubit if state >> qubit & 1 else ~qubit for qubit in range(num_controls)]
        placed = _placement(range(num_controls, num_controls + num_qubits))
        phase = math.remainder(self.phase, math.tau)
        result = Rows(params=[*([phase] if phase else []), *self.params], tables=self.tables)
        if phase:
            result.shapes.append(shape(Op.GLOBAL_PHASE, num_controls))
            result.operands += controls
        at = 0
        for code, inner_controls, targets in map(unpacked, self.shapes):
            if code in NON_UNITARY_OPS:
                raise _not_unitary(code, "controlled")
            end = at + inner_controls + targets
            result.shapes.append(packed(code, num_controls + inner_controls, targets))
            result.operands += controls
            result.operands += [placed[operand] for operand in self.operands[at:end]]
            at = end
        return result

    def inverse(self, tables: Tables) -> Rows:
        """The rows that undo these."""
        result = Rows(phase=-self.phase)
        for (code, controls, targets), operands, params, number in reversed(list(self._unpacked())):
            if code in NON_UNITARY_OPS:
                raise _not_unitary(code, "inverted")
            code, params, table = _inverted(code, params, None if number is None else tables[number])
            result.shapes.append(packed(code, controls, targets))
            if code is Op.DCX:
                operands = [*operands[:controls], operands[-1], operands[-2]]
            result.operands += operands
            result.params += params
            if table is not None:
                result.tables.append(tables.add(table))
        return result

    def program(
        self,
        tables: Tables,
        num_qubits: int,
        num_clbits: int,
        variables: Sequence[int] = (),
        parameters: Sequence[Parameter] = (),
    ) -> Program:
        """The finished program: the global phase as its first row if there is one, and only the tables in use.

        Raises `RefusalError` if the formula of an angle can't be told.
        """
        phase = math.remainder(self.phase, math.tau)
        shapes = [GLOBAL_PHASE_SHAPE, *self.shapes] if phase else self.shapes
        params = [phase, *self.params] if phase else self.params
        filled = slots(params, parameters) if parameters else Slots(params)
        codes, controls, targets = columns(shapes)
        used = {number: place for place, number in enumerate(dict.fromkeys(self.tables))} if self.tables else {}
        program = Program(
            num_qubits,
            num_clbits,
            codes=codes,
            num_controls=controls,
            num_targets=targets,
            operands=np.array(self.operands, np.int32),
            clbits=np.array(self.clbits, np.int32) if self.clbits else NOTHING,
            params=np.array(filled.params, np.float64),
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
            slots=np.array(filled.slots, np.int32),
            slot_refs=np.array(filled.slot_refs, np.int32),
            formulas=filled.formulas,
            save_refs=np.arange(len(self.saves), dtype=np.int32),
            saves=tuple(self.saves),
        )

    def _unpacked(self) -> Iterator[tuple[tuple[Op, int, int], list[int], list[Angle], int | None]]:
        at = angle = 0
        numbers = iter(self.tables)
        for code, controls, targets in map(unpacked, self.shapes):
            end, last = at + controls + targets, angle + PARAMS.get(code, 0)
            number = next(numbers) if code in TABLE_OPS else None
            yield (code, controls, targets), self.operands[at:end], self.params[angle:last], number
            at, angle = end, last


def repeated(rows: Rows, times: int) -> Rows:
    """The rows, so many times over."""
    for code, _, _ in map(unpacked, set(rows.shapes)):
        if code in FLOW_OPS or code is Op.SAVE:
            raise _not_unitary(code, "repeated")
    if len(rows.shapes) * times > MAX_OPERATIONS:
        raise too_long(MAX_OPERATIONS)
    return Rows(
        rows.shapes * times,
        rows.operands * times,
        params=rows.params * times,
        tables=rows.tables * times,
        phase=rows.phase * times,
    )


def _placement(qubits: Sequence[int]) -> list[int]:
    """A list in which ``placed[q]`` is qubit q's new index and ``placed[~q]`` is its complement."""
    return [*qubits, *(~qubit for qubit in reversed(qubits))]


def _not_unitary(code: Op, done: str) -> RefusalError:
    what = "control flow" if code in FLOW_OPS else f"a {code.name.lower()}"
    return RefusalError(f"it has {what} inside, which can't be {done}")


_SELF_INVERSE = frozenset({Op.X, Op.Y, Op.Z, Op.H, Op.SWAP, Op.DCX, Op.ECR, Op.RCCX})
_INVERSE_CODES = dict(
    chain.from_iterable(((a, b), (b, a)) for a, b in ((Op.S, Op.SDG), (Op.T, Op.TDG), (Op.SX, Op.SXDG)))
)
_INVERSE_MATRICES: dict[Op, NDArray[np.complex128]] = {
    Op.ISWAP: iSwapGate().to_matrix().conj().T,
    Op.RC3X: RC3XGate().to_matrix().conj().T,
}


def _inverted(
    code: Op, params: list[Angle], table: NDArray[np.complex128] | None
) -> tuple[Op, list[Angle], NDArray[np.complex128] | None]:
    """The inverse of a unitary operation but for the order of its targets."""
    if code in _SELF_INVERSE:
        return code, params, None
    if code in _INVERSE_CODES:
        return _INVERSE_CODES[code], params, None
    if code in _INVERSE_MATRICES:
        return Op.UNITARY, params, _INVERSE_MATRICES[code]
    if code is Op.U:
        theta, phi, lam = params
        return code, [-theta, -lam, -phi], None
    if code is Op.DIAGONAL and table is not None:
        return code, params, table.conj()
    if code is Op.UNITARY and table is not None:
        size = math.isqrt(table.size)
        return code, params, table.reshape(size, size).conj().T
    # What is left are rotations: the first parameter is their angle, a second one gives the axis.
    return code, [-params[0], *params[1:]], None
