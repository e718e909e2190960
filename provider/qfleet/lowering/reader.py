# SPDX-License-Identifier: Apache-2.0
"""Read the instructions of one circuit.

Asking Qiskit for an instruction's name, qubits and parameters takes longer than all other work on the instruction. So
standard gates are read together, one attribute of all of them at a time; only other instructions are read one by one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cached_property
from itertools import chain
from operator import attrgetter
from typing import cast

from qiskit.circuit import Barrier, CircuitInstruction, Measure, Operation, Qubit
from qiskit.circuit.library import StatePreparation
from qiskit.exceptions import QiskitError

from qfleet.lowering import gates
from qfleet.lowering.clbits import Clbits
from qfleet.lowering.context import Recursion
from qfleet.lowering.control_flow import Blocks, ControlFlowLowering
from qfleet.lowering.errors_in_circuits import READOUT_ERROR, add_readout_error, is_readout_error
from qfleet.lowering.gates import Shape
from qfleet.lowering.meanings import FLOW, Meaning, meaning_of, own_meaning
from qfleet.lowering.noise_of_instructions import NoiseOfInstructions
from qfleet.lowering.parameters import Angle, angle
from qfleet.lowering.refusal import RefusalError
from qfleet.lowering.rows import Rows
from qfleet.lowering.tables import UnitaryGates, amplitude_rows, has_amplitudes
from qfleet.wire.program.operations import Op

#: Number of instructions that are read together. More would take more memory and save no time.
_BLOCK = 1024

_MEASURE = gates.shape_of(Op.MEASURE)
_MEASURE_NAME = "measure"
_FLOATS = {float}


class Reader:
    """Reads instructions and appends their rows.

    They are those of a circuit, a definition or a block.
    """

    def __init__(
        self, recursion: Recursion, qubits: Sequence[Qubit], clbits: Clbits, rows: Rows, *, outermost: bool = False
    ) -> None:
        """Prepare to read instructions.

        Args:
            recursion: lowers the inside of an instruction.
            qubits: the circuit's qubits.
            clbits: the clbits that the instructions may name.
            rows: the rows to extend.
            outermost: True for the circuit itself, False for a block or a definition.
        """
        self._recursion = recursion
        self._context = recursion.context
        self._rows = rows
        self._qubit_of = _place_lookup(qubits)
        self._clbits = clbits
        self._unitary_gates = UnitaryGates(rows, self._context.tables, self._qubit_of, self._context.any_may_differ)
        self._outermost = outermost
        #: ``None`` without a noise model
        self._noise = None if self._context.noise is None else NoiseOfInstructions(recursion, rows)
        self._blocks: Blocks = {}
        #: Position of the current instruction.
        self._position = 0

    def read(self, data: Sequence[CircuitInstruction]) -> None:
        """Read all instructions. Raises `RefusalError`, or RecursionError inside an endless definition."""
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
                    end = self._matrices(block, at, begin)
                    self._position = begin + at
                    if at == end and block[at].name == _MEASURE_NAME:
                        end = self._measurements(block, at)
                    if at == end:
                        self._other(block[at])
                        end = at + 1
                    at = end
        except RefusalError as refusal:
            # An earlier gate may not be unitary.
            self._unitary_gates.check()
            self._add_place(refusal, data)
            raise
        except RecursionError:
            if not self._outermost:
                raise
            endless = RefusalError("its definition is nested too deeply or endlessly; decompose the circuit first")
            self._add_place(endless, data)
            raise endless from None
        except (LookupError, AttributeError, TypeError, ValueError, ArithmeticError, QiskitError) as exc:
            # Operations may be of any class, and any attribute may fail.
            failed = RefusalError(f"reading it raises {exc!r}")
            self._add_place(failed, data)
            raise failed from exc
        self._unitary_gates.check()

    def _add_place(self, refusal: RefusalError, data: Sequence[CircuitInstruction]) -> None:
        """Add the current instruction to a refusal."""
        instruction = data[self._position]
        refusal.add_place(instruction.name, self._position, list(map(self._qubit_of, instruction.qubits)))

    def _shapes(self, instructions: Sequence[CircuitInstruction]) -> list[Shape | None]:
        """Return the shape of each standard gate that is one row.

        It is ``None`` for other instructions. One ``None`` more stands at the end.
        """
        names = [each.name for each in instructions]
        shapes = list(map(gates.STANDARD_SHAPES.get, names))
        # Only standard gates can be recognised by their names.
        if not all([each.is_standard_gate() for each in instructions]):
            shapes = [
                shape if each.is_standard_gate() else None for each, shape in zip(instructions, shapes, strict=True)
            ]
        if self._context.any_may_differ(names):
            shapes = [
                None if shape is not None and own_meaning(each.operation, each.name) else shape
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
                    angles += [angle(value, self._context.free) for value in values]
        rows.params += angles
        if self._noise is None:
            rows.shapes += shapes
            rows.operands += map(self._qubit_of, chain.from_iterable([each.qubits for each in instructions]))
            return
        for instruction, shape in zip(instructions, shapes, strict=True):
            qubits = list(map(self._qubit_of, instruction.qubits))
            rows.shapes.append(shape)
            rows.operands += qubits
            self._noise.after_gate(instruction, qubits)

    def _matrices(self, block: Sequence[CircuitInstruction], at: int, begin: int) -> int:
        """Append gates that are given by plain matrices.

        Returns:
            The index of the first other instruction.
        """
        if self._noise is None:
            return self._unitary_gates.extend(block, at, begin)
        end = at
        while end < len(block) and self._unitary_gates.extend(block[end : end + 1], 0, begin + end):
            self._noise.after_gate(block[end], list(map(self._qubit_of, block[end].qubits)))
            end += 1
        return end

    def _measurements(self, block: Sequence[CircuitInstruction], at: int) -> int:
        """Append measurements that Qiskit has one object for.

        Returns:
            The index of the first other instruction.
        """
        plain = block[at].operation
        if self._noise is not None or meaning_of(plain) is not Measure:
            return at
        self._context.refuse_in_unitary()
        end = at + 1
        while end < len(block) and block[end].name == _MEASURE_NAME and block[end].operation is plain:
            end += 1
        rows, run = self._rows, block[at:end]
        rows.shapes += [_MEASURE] * len(run)
        rows.operands += map(self._qubit_of, chain.from_iterable([each.qubits for each in run]))
        rows.clbits += map(self._clbits.number, chain.from_iterable([each.clbits for each in run]))
        return end

    def _other(self, instruction: CircuitInstruction) -> None:
        """Append any other instruction."""
        context, rows = self._context, self._rows
        operands = list(map(self._qubit_of, instruction.qubits))
        operation: Operation | None = None
        own: Meaning | None = None
        if instruction.is_standard_gate():
            if self._context.any_may_differ((instruction.name,)):
                operation = instruction.operation
                own = own_meaning(operation, instruction.name)
            if own is None and self._other_standard(instruction, operands):
                return
        operation = operation or instruction.operation
        meaning = own or meaning_of(operation)
        # The most frequent kinds come first.
        if meaning is Measure:
            self._measure(instruction, operands)
            return
        if meaning is Barrier:
            return
        place = instruction.name, self._position
        clbits = list(map(self._clbits.number, instruction.clbits))
        if meaning in FLOW:
            rows.append_phase()
            flow = ControlFlowLowering(self._recursion, rows, place, operands, clbits, self._clbits, self._blocks)
            flow.append(operation)
            return
        if place[0] == READOUT_ERROR and is_readout_error(operation):
            add_readout_error(rows, operation, clbits)
            return
        # As few calls as possible lie between this one and the next one inside the operation.
        if self._noise is not None:
            inner = self._noise.inner(operation, meaning)
        elif self._starts(operation, meaning, operands):
            inner = amplitude_rows(operation.params, context.tables, operation.num_qubits)
        else:
            inner = self._recursion.lower_meaning(operation, meaning)
        if inner.saves:
            rows.append_phase()
        rows.splice(inner, operands, clbits, place)
        if self._noise is not None:
            self._noise.after_other(operation, meaning, operands)

    def _measure(self, instruction: CircuitInstruction, operands: list[int]) -> None:
        self._context.refuse_in_unitary()
        if self._noise is not None:
            self._noise.before_measurement(operands)
        self._rows.shapes.append(_MEASURE)
        self._rows.operands += operands
        self._rows.clbits += map(self._clbits.number, instruction.clbits)

    def _starts(self, operation: Operation, meaning: Meaning, operands: Sequence[int]) -> bool:
        """Tell whether an operation prepares untouched qubits of the circuit itself.

        It is an initialization then.
        """
        starts = self._outermost and not self._context.unitary and _is_preparation(operation, meaning)
        return starts and self._untouched.all_of(operands)

    @cached_property
    def _untouched(self) -> _Untouched:
        return _Untouched(self._rows)

    def _other_standard(self, instruction: CircuitInstruction, operands: list[int]) -> bool:
        """Append a standard gate that isn't exactly one row.

        Returns:
            False if the gate is unknown.
        """
        rows = self._rows
        params = [angle(value, self._context.free) for value in instruction.params]
        match instruction.name:
            case gates.IDENTITY:
                pass
            case gates.GLOBAL_PHASE:
                rows.add_global_phase(params[0])
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
        if self._noise is not None:
            self._noise.after_gate(instruction, operands)
        return True


def _place_lookup(qubits: Sequence[Qubit]) -> Callable[[Qubit], int]:
    """Return a function from a qubit to its place in a circuit."""
    # In most circuits that is its place in its register. The attribute isn't public, but twice as fast as hashing.
    if [getattr(qubit, "_index", None) for qubit in qubits] == list(range(len(qubits))):
        return attrgetter("_index")
    return {qubit: place for place, qubit in enumerate(qubits)}.__getitem__


class _Untouched:
    """The qubits that are still in |0>.

    Each call looks at the rows since the last one.
    """

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._seen = 0
        self._touched: set[int] = set()

    def all_of(self, qubits: Sequence[int]) -> bool:
        """Tell whether all these qubits are untouched."""
        new = self._rows.operands[self._seen :]
        self._seen += len(new)
        self._touched.update(max(operand, ~operand) for operand in new)
        return self._touched.isdisjoint(qubits)


def _is_preparation(operation: Operation, meaning: Meaning) -> bool:
    """Tell whether an operation prepares the amplitudes in its parameters.

    It takes |0> to them. Its inverse doesn't.
    """
    return meaning is StatePreparation and operation.name == "state_preparation" and has_amplitudes(operation)
