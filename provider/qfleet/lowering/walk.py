# SPDX-License-Identifier: Apache-2.0
"""What does each operation of a circuit come to, once everything composite is inlined?"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from qiskit import QuantumCircuit
from qiskit.circuit import (
    AnnotatedOperation,
    Barrier,
    CircuitInstruction,
    Clbit,
    ControlledGate,
    Delay,
    Measure,
    Operation,
    Parameter,
    Qubit,
    Reset,
)
from qiskit.circuit.library import DiagonalGate, Initialize, PermutationGate, StatePreparation, UnitaryGate

from qfleet.lowering import gates
from qfleet.lowering.controlled import controlled_rows, modified_rows
from qfleet.lowering.expressions import Variables
from qfleet.lowering.flow import FLOW, Flow
from qfleet.lowering.native import (
    UnitaryGates,
    amplitude_rows,
    diagonal_rows,
    has_amplitudes,
    initialize_rows,
    permutation_rows,
    unitary_rows,
)
from qfleet.lowering.parameters import angle
from qfleet.lowering.refusal import RefusalError
from qfleet.lowering.rows import Rows, Tables
from qfleet.lowering.saves import is_save, is_state, lowered_save
from qfleet.wire.program import Op

_NO_PARAMETERS: Mapping[Parameter, Parameter] = MappingProxyType({})
_NOTHING = Rows()
_MEASURE = gates.shape(Op.MEASURE)
_RESET = Rows([(Op.RESET, 0, 1)], [0])


class Walk:
    """One circuit's way to rows. What has been lowered once is remembered by the identity of the operation."""

    def __init__(self, *, unitary: bool, free: Mapping[Parameter, Parameter] = _NO_PARAMETERS) -> None:
        """`free`: see `qfleet.lowering.parameters.angle`."""
        self.free = free
        self.tables = Tables()
        self.variables = Variables()
        #: how many loops are being lowered that a break could leave
        self.loop_depth = 0
        #: the labels of what saves the state, whatever the method has for one
        self.saved_states: set[str] = set()
        self._unitary = unitary
        # The operation is kept beside its rows, so that its id isn't given to another one.
        self._known: dict[int, tuple[Operation, Rows]] = {}

    def circuit(self, circuit: QuantumCircuit, *, outermost: bool = False, start: Rows | None = None) -> Rows:
        """The rows of a circuit or definition, after those of `start` if it is given. Raises `RefusalError`."""
        # The data come first: a blueprint circuit builds itself, its qubits and its phase when they are asked for.
        data = circuit.data
        rows = Rows() if start is None else start
        rows.turn(angle(circuit.global_phase, self.free))
        self._instructions(data, circuit.qubits, circuit.clbits, rows, outermost=outermost)
        if rows.saves:
            rows.append_phase()
        return rows

    def operation(self, operation: Operation) -> Rows:
        """The rows of an operation on its own. Raises `RefusalError`."""
        qubits = [Qubit() for _ in range(operation.num_qubits)]
        clbits = [Clbit() for _ in range(operation.num_clbits)]
        return self._instructions([CircuitInstruction(operation, qubits, clbits)], qubits, clbits, Rows())

    def _instructions(
        self,
        data: Iterable[CircuitInstruction],
        qubits: Sequence[Qubit],
        clbits: Sequence[Clbit],
        rows: Rows,
        *,
        outermost: bool = False,
    ) -> Rows:
        shapes, flat, params = rows.shapes, rows.operands, rows.params
        qubit_index = {bit: index for index, bit in enumerate(qubits)}
        clbit_index = {bit: index for index, bit in enumerate(clbits)}
        qubit_of, standard_of, free = qubit_index.__getitem__, gates.STANDARD.get, self.free
        untouched = _Untouched(rows) if outermost and not self._unitary else None
        unitary_gates = UnitaryGates(rows, self.tables)
        position = 0
        instruction: CircuitInstruction
        try:
            for position, instruction in enumerate(data):
                # Only the names of standard gates say what they are, and their operation is slow to make.
                is_standard = instruction.is_standard_gate()
                if is_standard:
                    known = standard_of(instruction.name)
                    if known is not None:
                        shape, has_params = known
                        shapes.append(shape)
                        flat.extend(map(qubit_of, instruction.qubits))
                        if has_params:
                            for value in instruction.params:
                                params.append(
                                    value if type(value) is float and math.isfinite(value) else angle(value, free)
                                )
                        continue
                operands = list(map(qubit_of, instruction.qubits))
                if is_standard:
                    if self._other_standard(instruction, operands, rows):
                        continue
                elif instruction.name == gates.UNITARY and unitary_gates.append(instruction, position, operands):
                    continue
                operation = instruction.operation
                # The most frequent come first: testing for a class is slow, Qiskit's operations having an abstract one.
                if isinstance(operation, Measure):
                    self.refuse_in_unitary()
                    shapes.append(_MEASURE)
                    flat += operands
                    rows.clbits += [clbit_index[bit] for bit in instruction.clbits]
                    continue
                if isinstance(operation, Barrier):
                    continue
                place = instruction.name, position
                if isinstance(operation, FLOW):
                    rows.append_phase()
                    own = [clbit_index[bit] for bit in instruction.clbits]
                    Flow(self, rows, place, operands, own, clbit_index).append(operation)
                    continue
                if untouched is not None and _is_preparation(operation) and untouched.all_of(operands):
                    inner = amplitude_rows(operation.params, self.tables, operation.num_qubits)
                else:
                    inner = self._rows(operation)
                if inner.saves:
                    rows.append_phase()
                rows.splice(inner, operands, [clbit_index[bit] for bit in instruction.clbits], place)
        except RefusalError as refusal:
            unitary_gates.check()
            refusal.found_at(instruction.name, position, [qubit_index[bit] for bit in instruction.qubits])
            raise
        except RecursionError:
            if not outermost:
                raise
            endless = RefusalError("its definition is nested too deeply, or without end; decompose the circuit first")
            endless.found_at(instruction.name, position, [qubit_index[bit] for bit in instruction.qubits])
            raise endless from None
        unitary_gates.check()
        return rows

    def _other_standard(self, instruction: CircuitInstruction, operands: list[int], rows: Rows) -> bool:
        """Append a standard gate that is no plain row; ``False`` for one that isn't known here."""
        params = [angle(value, self.free) for value in instruction.params]
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

    def _rows(self, operation: Operation) -> Rows:
        """The rows of an operation that isn't a standard gate."""
        known = self._known.get(id(operation))
        if known is not None:
            return known[1]
        match operation:
            case Delay():
                return _NOTHING
            case Reset() | Initialize():
                rows = self._non_unitary(operation)
            case UnitaryGate():
                return unitary_rows(operation.params[0], self.tables, operation.num_qubits)
            case DiagonalGate():
                return diagonal_rows(operation.params, self.tables, operation.num_qubits)
            case PermutationGate():
                return permutation_rows(operation.pattern.tolist())
            case AnnotatedOperation():
                rows = modified_rows(self, operation)
            case ControlledGate():
                rows = controlled_rows(self, operation)
            case _:
                rows = self._save(operation) if is_save(operation) else self.definition(operation)
        self._known[id(operation)] = operation, rows
        return rows

    def _non_unitary(self, operation: Reset | Initialize) -> Rows:
        self.refuse_in_unitary()
        return _RESET if isinstance(operation, Reset) else initialize_rows(operation, self.tables)

    def _save(self, operation: Any) -> Rows:
        save = lowered_save(operation)
        if is_state(operation):
            self.saved_states.add(save.label)
        width = operation.num_qubits
        return Rows([(Op.SAVE, 0, width)], list(range(width)), saves=[save])

    def refuse_in_unitary(self) -> None:
        """Raise `RefusalError` if the unitary of the circuit is wanted."""
        if self._unitary:
            raise RefusalError("it has no place in a unitary; take it out of the circuit")

    def definition(self, operation: Any) -> Rows:
        """The rows of an operation's definition, or of its matrix if it has no definition. Raises `RefusalError`."""
        try:
            definition = getattr(operation, "definition", None)
            if definition is None and hasattr(operation, "to_instruction"):
                definition = operation.to_instruction().definition
        except RecursionError:
            raise
        except Exception as exc:
            raise RefusalError(f"making its definition raises {exc!r}") from exc
        if definition is None:
            return self._matrix(operation)
        if not isinstance(definition, QuantumCircuit):
            raise RefusalError(f"its definition is a {type(definition).__name__} and no QuantumCircuit")
        # A loop around the operation is none that its definition could leave.
        depth, self.loop_depth = self.loop_depth, 0
        try:
            rows = self.circuit(definition)
        finally:
            self.loop_depth = depth
        if (definition.num_qubits, definition.num_clbits) != (operation.num_qubits, operation.num_clbits):
            raise RefusalError(
                f"it has {operation.num_qubits} qubits and {operation.num_clbits} clbits, and its definition has "
                f"{definition.num_qubits} and {definition.num_clbits}"
            )
        return rows

    def _matrix(self, operation: Any) -> Rows:
        try:
            matrix = operation.to_matrix() if hasattr(operation, "to_matrix") else operation.__array__()
        except RecursionError:
            raise
        except Exception as exc:
            raise RefusalError(
                "it has neither a definition nor a unitary matrix; "
                "transpile it, write it as gates, or take it out of the circuit"
            ) from exc
        return unitary_rows(matrix, self.tables, operation.num_qubits)


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


def _is_preparation(operation: Operation) -> bool:
    """Whether it takes |0> to amplitudes that it lists, as its inverse doesn't."""
    return (
        isinstance(operation, StatePreparation) and operation.name == "state_preparation" and has_amplitudes(operation)
    )
