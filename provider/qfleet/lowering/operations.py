# SPDX-License-Identifier: Apache-2.0
"""Turn each operation of a circuit into rows, and inline everything composite."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
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
    Operation,
    Parameter,
    Qubit,
    Reset,
)
from qiskit.circuit.library import DiagonalGate, Initialize, PermutationGate, UnitaryGate

from qfleet.lowering.clbits import Clbits
from qfleet.lowering.expressions import Variables
from qfleet.lowering.gates import packed, shape
from qfleet.lowering.meanings import Native, identity, may_differ
from qfleet.lowering.modifiers import controlled_rows, modified_rows
from qfleet.lowering.parameters import angle
from qfleet.lowering.reader import Reader
from qfleet.lowering.refusal import RefusalError
from qfleet.lowering.rows import Rows, Tables
from qfleet.lowering.saves import is_save, is_state, lowered_save
from qfleet.lowering.size import ROWS_OF_A_DEFINITION, UNCOUNTED_ROWS, check_work
from qfleet.lowering.tables import diagonal_rows, initialize_rows, permutation_rows, unitary_rows
from qfleet.wire.program.program import Op

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
        #: names of which no gate has another meaning than the name's, as far as was asked
        self.plain_names: set[str] = set()
        # The operation is kept beside its rows, so that its id isn't given to another one.
        self._known: dict[int, tuple[Operation, Rows]] = {}
        self._definitions: dict[int, tuple[QuantumCircuit, Rows]] = {}
        #: rows by what operations of Qiskit's classes have in common
        self._equal: dict[Hashable, Rows] = {}
        self._outermost: QuantumCircuit | None = None
        #: rows that definitions and blocks came to, and something for each of them
        self._written = 0

    def circuit(
        self,
        circuit: QuantumCircuit,
        *,
        outermost: bool = False,
        start: Rows | None = None,
        clbits: Clbits | None = None,
    ) -> Rows:
        """Return the rows of a circuit, a definition or a block. Raises `RefusalError`.

        Args:
            circuit: what is lowered.
            outermost: whether it is the circuit itself, and not a definition or a block.
            start: rows to begin with.
            clbits: the clbits of a block. Those of a circuit or a definition are numbered as they come.
        """
        # The data come first: a blueprint circuit builds itself, its qubits and its phase when they are asked for.
        data = circuit.data
        if outermost:
            self._outermost = circuit
        rows = Rows() if start is None else start
        rows.turn(angle(circuit.global_phase, self.free))
        if clbits is None:
            clbits = Clbits(circuit.clbits, range(circuit.num_clbits))
        Reader(self, circuit.qubits, clbits, rows, outermost=outermost).read(data)
        if rows.saves:
            rows.append_phase()
        if not outermost:
            self._look_ahead(len(rows.shapes))
        return rows

    def _look_ahead(self, number: int) -> None:
        """Look what the whole circuit comes to, once its definitions and blocks have come to many rows."""
        before = self._written
        self._written += number + ROWS_OF_A_DEFINITION
        if before <= UNCOUNTED_ROWS < self._written and self._outermost is not None:
            check_work(self._outermost)

    def any_differs(self, names: Iterable[str]) -> bool:
        """Tell whether a gate of any of these names may have another meaning than the name's."""
        if self.plain_names.issuperset(names):
            return False
        differing = [name for name in set(names) if may_differ(name)]
        if not differing:
            self.plain_names.update(names)
        return bool(differing)

    def operation(self, operation: Operation) -> Rows:
        """The rows of an operation on its own. Raises `RefusalError`."""
        qubits = [Qubit() for _ in range(operation.num_qubits)]
        clbits = [Clbit() for _ in range(operation.num_clbits)]
        rows = Rows()
        numbered = Clbits(clbits, range(len(clbits)))
        Reader(self, qubits, numbered, rows).read([CircuitInstruction(operation, qubits, clbits)])
        return rows

    def rows(self, operation: Operation, kind: Native) -> Rows:
        """Return the rows of an operation that is neither a standard gate nor control flow.

        `kind`: see `qfleet.lowering.meanings.native`.
        """
        if kind is Delay or kind is Barrier:
            return _NOTHING
        known = self._known.get(id(operation))
        if known is not None:
            return known[1]
        match operation:
            case _ if kind == "matrix":
                rows = self._matrix(operation)
            case _ if kind == "definition":
                rows = self._save(operation) if is_save(operation) else self.definition(operation)
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
                rows = self.definition(operation)
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
        """Return the rows of an operation's definition, or of its matrix if it has none. Raises `RefusalError`."""
        # No function more than needed calls itself in here: Python limits how deep definitions may be nested.
        key = identity(operation) if (type(operation).__module__ or "").startswith("qiskit.") else None
        rows = None if key is None else self._equal.get(key)
        if rows is not None:
            return rows
        definition = _definition(operation)
        known = self._definitions.get(id(definition))
        if definition is None:
            rows = self._matrix(operation)
        elif known is not None:
            rows = known[1]
        else:
            # A loop around the operation is none that its definition could leave.
            depth, self.loop_depth = self.loop_depth, 0
            try:
                rows = self.circuit(definition)
            finally:
                self.loop_depth = depth
            self._definitions[id(definition)] = definition, rows
        if definition is not None:
            _check_width(operation, definition)
        if key is not None:
            self._equal[key] = rows
        return rows

    def _matrix(self, operation: Any) -> Rows:
        try:
            matrix = operation.to_matrix() if hasattr(operation, "to_matrix") else operation.__array__()
        except (MemoryError, RecursionError):
            raise
        except Exception as exc:
            raise RefusalError(
                "it has neither a definition nor a unitary matrix; "
                "transpile it, write it as gates, or take it out of the circuit"
            ) from exc
        return unitary_rows(matrix, self.tables, operation.num_qubits)


def _definition(operation: Any) -> QuantumCircuit | None:
    """Return the definition of an operation, if it has one. Raises `RefusalError`."""
    try:
        definition = getattr(operation, "definition", None)
        if definition is None and hasattr(operation, "to_instruction"):
            definition = operation.to_instruction().definition
    except (MemoryError, RecursionError):
        raise
    except Exception as exc:
        raise RefusalError(f"making its definition raises {exc!r}") from exc
    if not isinstance(definition, QuantumCircuit | None):
        raise RefusalError(f"its definition is a {type(definition).__name__} and no QuantumCircuit")
    return definition


def _check_width(operation: Any, definition: QuantumCircuit) -> None:
    if (definition.num_qubits, definition.num_clbits) != (operation.num_qubits, operation.num_clbits):
        raise RefusalError(
            f"it has {operation.num_qubits} qubits and {operation.num_clbits} clbits, and its definition has "
            f"{definition.num_qubits} and {definition.num_clbits}"
        )
