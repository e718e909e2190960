# SPDX-License-Identifier: Apache-2.0
"""What does each operation of a circuit come to, once everything composite is inlined?"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from qiskit import QuantumCircuit
from qiskit.circuit import (
    AnnotatedOperation,
    CircuitInstruction,
    Clbit,
    ControlledGate,
    Delay,
    Operation,
    Parameter,
    Qubit,
    Reset,
)
from qiskit.circuit.library import DiagonalGate, Initialize, PermutationGate, UnitaryGate

from qfleet.lowering.controlled import controlled_rows, modified_rows
from qfleet.lowering.expressions import Variables
from qfleet.lowering.gates import packed, shape
from qfleet.lowering.native import (
    diagonal_rows,
    initialize_rows,
    permutation_rows,
    unitary_rows,
)
from qfleet.lowering.parameters import angle
from qfleet.lowering.reading import Reader
from qfleet.lowering.refusal import RefusalError
from qfleet.lowering.rows import Rows, Tables
from qfleet.lowering.saves import is_save, is_state, lowered_save
from qfleet.wire.program import Op

_NO_PARAMETERS: Mapping[Parameter, Parameter] = MappingProxyType({})
_NOTHING = Rows()
_RESET = Rows([shape(Op.RESET)], [0])


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
        #: whether the unitary of the circuit is wanted
        self.unitary = unitary
        # The operation is kept beside its rows, so that its id isn't given to another one.
        self._known: dict[int, tuple[Operation, Rows]] = {}

    def circuit(self, circuit: QuantumCircuit, *, outermost: bool = False, start: Rows | None = None) -> Rows:
        """The rows of a circuit or definition, after those of `start` if it is given. Raises `RefusalError`."""
        # The data come first: a blueprint circuit builds itself, its qubits and its phase when they are asked for.
        data = circuit.data
        rows = Rows() if start is None else start
        rows.turn(angle(circuit.global_phase, self.free))
        Reader(self, circuit.qubits, circuit.clbits, rows, outermost=outermost).read(data)
        if rows.saves:
            rows.append_phase()
        return rows

    def operation(self, operation: Operation) -> Rows:
        """The rows of an operation on its own. Raises `RefusalError`."""
        qubits = [Qubit() for _ in range(operation.num_qubits)]
        clbits = [Clbit() for _ in range(operation.num_clbits)]
        rows = Rows()
        Reader(self, qubits, clbits, rows).read([CircuitInstruction(operation, qubits, clbits)])
        return rows

    def rows(self, operation: Operation) -> Rows:
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
        return Rows([packed(Op.SAVE, 0, width)], list(range(width)), saves=[save])

    def refuse_in_unitary(self) -> None:
        """Raise `RefusalError` if the unitary of the circuit is wanted."""
        if self.unitary:
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
