# SPDX-License-Identifier: Apache-2.0
"""Read the instructions of one circuit.

To ask Qiskit for an instruction's name, qubits and parameters takes longer than all that is done with them. So standard
gates are read together, one attribute of all of them after the other, and only what stands between them by itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cached_property
from itertools import chain
from operator import attrgetter
from typing import TYPE_CHECKING, cast

from qiskit.circuit import Barrier, CircuitInstruction, Measure, Operation, Qubit
from qiskit.circuit.library import StatePreparation
from qiskit.exceptions import QiskitError

from qfleet.lowering import gates
from qfleet.lowering.clbits import Clbits
from qfleet.lowering.control_flow import Flow
from qfleet.lowering.gates import Shape
from qfleet.lowering.meanings import FLOW, Native, differs, native
from qfleet.lowering.parameters import Angle, angle
from qfleet.lowering.refusal import RefusalError
from qfleet.lowering.rows import Rows
from qfleet.lowering.tables import UnitaryGates, amplitude_rows, has_amplitudes
from qfleet.wire.program.program import Op

if TYPE_CHECKING:
    from qfleet.lowering.operations import Walk

#: Instructions that are looked at together; more would only take memory.
_BLOCK = 1024

_MEASURE = gates.shape(Op.MEASURE)
_FLOATS = {float}


class Reader:
    """Appends the rows of a circuit's instructions to rows."""

    def __init__(
        self, walk: Walk, qubits: Sequence[Qubit], clbits: Clbits, rows: Rows, *, outermost: bool = False
    ) -> None:
        """`outermost`: whether it is the circuit itself, and not a block or a definition inside it."""
        self._walk = walk
        self._rows = rows
        self._qubit_of = _places(qubits)
        self._clbits = clbits
        self._unitary_gates = UnitaryGates(rows, walk.tables, self._qubit_of, walk.any_differs)
        self._outermost = outermost
        #: of the instruction that is being read
        self._position = 0

    def read(self, data: Sequence[CircuitInstruction]) -> None:
        """Read all instructions. Raises `RefusalError`, or RecursionError inside of a definition without end."""
        try:
            for begin in range(0, len(data), _BLOCK):
                block = data[begin : begin + _BLOCK]
                shapes = self._shapes(block)
                at = 0
                while at < len(block):
                    if shapes[at] is not None:
                        end = shapes.index(None, at)
                        self._gates(block[at:end], cast("list[Shape]", shapes[at:end]), begin + at)
                        at = end
                        continue
                    end = self._unitary_gates.extend(block, at, begin)
                    if at == end:
                        self._position = begin + at
                        self._other(block[at])
                        end = at + 1
                    at = end
        except RefusalError as refusal:
            # One of those that came before may be no unitary gate.
            self._unitary_gates.check()
            self._found(refusal, data)
            raise
        except RecursionError:
            if not self._outermost:
                raise
            endless = RefusalError("its definition is nested too deeply, or without end; decompose the circuit first")
            self._found(endless, data)
            raise endless from None
        except (LookupError, AttributeError, TypeError, ValueError, ArithmeticError, QiskitError) as exc:
            # Operations may be of any class, and fail at anything that they are asked for.
            failed = RefusalError(f"reading it raises {exc!r}")
            self._found(failed, data)
            raise failed from exc
        self._unitary_gates.check()

    def _found(self, refusal: RefusalError, data: Sequence[CircuitInstruction]) -> None:
        """Note in a refusal which instruction was being read."""
        instruction = data[self._position]
        refusal.found_at(instruction.name, self._position, list(map(self._qubit_of, instruction.qubits)))

    def _shapes(self, instructions: Sequence[CircuitInstruction]) -> list[Shape | None]:
        """Return the shape of each standard gate of one row, ``None`` for all others, and another ``None``."""
        names = [each.name for each in instructions]
        shapes = list(map(gates.STANDARD_SHAPES.get, names))
        # Only the names of standard gates say what they are.
        if not all([each.is_standard_gate() for each in instructions]):
            shapes = [
                shape if each.is_standard_gate() else None for each, shape in zip(instructions, shapes, strict=True)
            ]
        if self._walk.any_differs(names):
            shapes = [
                None if shape is not None and differs(each.operation, each.name) else shape
                for each, shape in zip(instructions, shapes, strict=True)
            ]
        shapes.append(None)
        return shapes

    def _gates(self, instructions: Sequence[CircuitInstruction], shapes: Sequence[Shape], begin: int) -> None:
        """Append standard gates that are one row each."""
        rows = self._rows
        angles: list[Angle] = []
        if not gates.WITH_PARAMS.isdisjoint(shapes):
            params = [each.params for each in instructions]
            angles = list(chain.from_iterable(params))
            if not (set(map(type, angles)) == _FLOATS and math.isfinite(sum(angles))):
                angles = []
                for self._position, values in enumerate(params, begin):
                    angles += [angle(value, self._walk.free) for value in values]
        rows.shapes += shapes
        rows.operands += map(self._qubit_of, chain.from_iterable([each.qubits for each in instructions]))
        rows.params += angles

    def _other(self, instruction: CircuitInstruction) -> None:
        """Append what is no such gate."""
        walk, rows = self._walk, self._rows
        operands = list(map(self._qubit_of, instruction.qubits))
        operation: Operation | None = None
        own: Native | None = None
        if instruction.is_standard_gate():
            if self._walk.any_differs((instruction.name,)):
                operation = instruction.operation
                own = differs(operation, instruction.name)
            if own is None and self._other_standard(instruction, operands):
                return
        operation = operation or instruction.operation
        kind = own or native(operation)
        # The most frequent come first.
        if kind is Measure:
            walk.refuse_in_unitary()
            rows.shapes.append(_MEASURE)
            rows.operands += operands
            rows.clbits += map(self._clbits.number, instruction.clbits)
            return
        if kind is Barrier:
            return
        place = instruction.name, self._position
        clbits = list(map(self._clbits.number, instruction.clbits))
        if kind in FLOW:
            rows.append_phase()
            Flow(walk, rows, place, operands, clbits, self._clbits).append(operation)
            return
        # In the circuit itself, a preparation of qubits that nothing has touched is an initialization.
        starts = self._outermost and not walk.unitary and _is_preparation(operation, kind)
        if starts and self._untouched.all_of(operands):
            inner = amplitude_rows(operation.params, walk.tables, operation.num_qubits)
        else:
            inner = walk.rows(operation, kind)
        if inner.saves:
            rows.append_phase()
        rows.splice(inner, operands, clbits, place)

    @cached_property
    def _untouched(self) -> _Untouched:
        return _Untouched(self._rows)

    def _other_standard(self, instruction: CircuitInstruction, operands: list[int]) -> bool:
        """Append a standard gate that is no plain row; ``False`` for one that isn't known here."""
        rows = self._rows
        params = [angle(value, self._walk.free) for value in instruction.params]
        match instruction.name:
            case gates.IDENTITY:
                pass
            case gates.GLOBAL_PHASE:
                rows.turn(params[0])
            case gates.U2:
                rows.shapes.append(gates.U_SHAPE)
                rows.operands += operands
                rows.params += [math.pi / 2, *params]
            case gates.CU:
                rows.shapes += [gates.CONTROLLED_PHASE_SHAPE, gates.CU_SHAPE]
                rows.operands += [operands[0], *operands]
                rows.params += [params[3], *params[:3]]
            case _:
                return False
        return True


def _places(qubits: Sequence[Qubit]) -> Callable[[Qubit], int]:
    """Tells the place of a qubit among all of a circuit's."""
    # In most circuits it is that in the qubit's register, which isn't public, but takes half as long as a hash.
    if [getattr(qubit, "_index", None) for qubit in qubits] == list(range(len(qubits))):
        return attrgetter("_index")
    return {qubit: place for place, qubit in enumerate(qubits)}.__getitem__


class _Untouched:
    """Which qubits are still in |0>, where only rows that were added since the last question are looked at."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._seen = 0
        self._touched: set[int] = set()

    def all_of(self, qubits: Sequence[int]) -> bool:
        new = self._rows.operands[self._seen :]
        self._seen += len(new)
        self._touched.update(max(operand, ~operand) for operand in new)
        return self._touched.isdisjoint(qubits)


def _is_preparation(operation: Operation, kind: Native) -> bool:
    """Tell whether an operation takes |0> to amplitudes that it lists, as the inverse of one doesn't."""
    return kind is StatePreparation and operation.name == "state_preparation" and has_amplitudes(operation)
