# SPDX-License-Identifier: Apache-2.0
"""Lower each operation of a circuit to rows, and inline composite operations."""

from __future__ import annotations

from collections.abc import Hashable
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
    Qubit,
    Reset,
)
from qiskit.circuit.library import DiagonalGate, Initialize, PermutationGate, UnitaryGate

from qfleet.lowering import stabilizers, tensors
from qfleet.lowering.clbits import Clbits
from qfleet.lowering.context import LoweringContext
from qfleet.lowering.errors_in_circuits import error_rows, is_error
from qfleet.lowering.gates import pack_shape, shape_of
from qfleet.lowering.meanings import Meaning, identity
from qfleet.lowering.modifiers import lower_annotated, lower_controlled
from qfleet.lowering.parameters import angle
from qfleet.lowering.reader import Reader
from qfleet.lowering.refusal import RefusalError
from qfleet.lowering.rows import Rows
from qfleet.lowering.saves import is_save, lower_save, saves_state
from qfleet.lowering.tables import (
    density_rows,
    diagonal_rows,
    initialize_rows,
    permutation_rows,
    superop_rows,
    unitary_rows,
)
from qfleet.wire.program.operations import Op

_NOTHING = Rows()
#: Aer's instructions, known by their names.
_SETS = {"set_density_matrix": density_rows, "set_superop": superop_rows}
_SET_STABILIZER = "set_stabilizer"
_SET_TENSORS = "set_matrix_product_state"
_RESET = Rows([shape_of(Op.RESET)], [0])


class Operations:
    """Lower the operations of one circuit to rows.

    Their rows are remembered by the operations' identities.
    """

    def __init__(self, context: LoweringContext) -> None:
        self.context = context
        # Each operation is kept beside its rows, so that its id isn't reused.
        self._known: dict[int, tuple[Operation, Rows]] = {}
        self._definitions: dict[int, tuple[QuantumCircuit, Rows]] = {}
        #: Rows by the key that equal operations of Qiskit's classes share: see `qfleet.lowering.meanings.identity`.
        self._equal: dict[Hashable, Rows] = {}

    def lower_circuit(
        self,
        circuit: QuantumCircuit,
        *,
        outermost: bool = False,
        start: Rows | None = None,
        clbits: Clbits | None = None,
    ) -> Rows:
        """Return the rows of a circuit, a definition or a block.

        Args:
            circuit: the circuit to lower.
            outermost: True for the circuit itself, False for a definition or a block.
            start: rows to begin with.
            clbits: the clbits of a block. The clbits of a circuit or a definition are numbered by position.

        Raises:
            RefusalError: an operation can't be run.
        """
        # The data come first: a blueprint circuit builds itself when its qubits or its phase are read.
        data = circuit.data
        rows = Rows() if start is None else start
        rows.add_global_phase(angle(circuit.global_phase, self.context.free))
        if clbits is None:
            clbits = Clbits(circuit.clbits, range(circuit.num_clbits))
        Reader(self, circuit.qubits, clbits, rows, outermost=outermost).read(data)
        if rows.saves:
            rows.append_phase()
        if not outermost:
            self.context.count(len(rows.shapes))
        return rows

    def lower_alone(self, operation: Operation) -> Rows:
        """Return an operation's rows on qubits and clbits of its own."""
        qubits = [Qubit() for _ in range(operation.num_qubits)]
        clbits = [Clbit() for _ in range(operation.num_clbits)]
        rows = Rows()
        numbered = Clbits(clbits, range(len(clbits)))
        Reader(self, qubits, numbered, rows).read([CircuitInstruction(operation, qubits, clbits)])
        return rows

    def lower_meaning(self, operation: Operation, meaning: Meaning) -> Rows:
        """Return the rows of an operation by its meaning.

        Args:
            operation: an operation that is neither a standard gate nor control flow.
            meaning: the result of `qfleet.lowering.meanings.meaning_of`.

        Raises:
            RefusalError: the operation can't be run.
        """
        if meaning is Delay or meaning is Barrier:
            return _NOTHING
        known = self._known.get(id(operation))
        if known is not None:
            return known[1]
        match operation:
            case _ if meaning == "matrix":
                rows = self._matrix(operation)
            case _ if meaning == "definition" and (special := self._special(operation)):
                rows = special
            case _ if meaning == "definition":
                rows = self.lower_definition(operation)
            case Reset() | Initialize():
                rows = self._non_unitary(operation)
            case UnitaryGate():
                return unitary_rows(operation.params[0], self.context.tables, operation.num_qubits)
            case DiagonalGate():
                return diagonal_rows(operation.params, self.context.tables, operation.num_qubits)
            case PermutationGate():
                return permutation_rows(operation.pattern.tolist())
            case AnnotatedOperation():
                rows = lower_annotated(self, operation)
            case ControlledGate():
                rows = lower_controlled(self, operation)
            case _:
                rows = self.lower_definition(operation)
        self._known[id(operation)] = operation, rows
        return rows

    def _special(self, operation: Any) -> Rows | None:
        """Return the rows of an instruction of Aer's, else ``None``."""
        if is_save(operation):
            return self._save(operation)
        if operation.name in _SETS and len(operation.params) == 1:
            self.context.refuse_in_unitary()
            return _SETS[operation.name](operation.params[0], self.context.tables, operation.num_qubits)
        if operation.name == _SET_STABILIZER and len(operation.params) == 1:
            return self._stabilizer(operation)
        if operation.name == _SET_TENSORS and len(operation.params) == 1:
            return self._tensors(operation)
        if is_error(operation):
            self.context.refuse_in_unitary()
            return error_rows(operation)
        return None

    def _stabilizer(self, operation: Any) -> Rows:
        """Return rows that reset all qubits, and prepare a stabilizer state."""
        rows = self._resets(operation.num_qubits)
        circuit = stabilizers.preparation(operation.params[0], operation.num_qubits)
        rows.splice(self.lower_circuit(circuit), [*range(operation.num_qubits)], [])
        return rows

    def _tensors(self, operation: Any) -> Rows:
        """Return rows that reset all qubits, and prepare a matrix product state."""
        rows = self._resets(operation.num_qubits)
        for gate in tensors.preparation(operation.params[0], operation.num_qubits):
            width = len(gate.matrix).bit_length() - 1
            rows.splice(
                unitary_rows(gate.matrix, self.context.tables, width), [*range(gate.first, gate.first + width)], []
            )
        return rows

    def _resets(self, num_qubits: int) -> Rows:
        """Return rows that reset qubits."""
        self.context.refuse_in_unitary()
        rows = Rows()
        for qubit in range(num_qubits):
            rows.splice(_RESET, [qubit], [])
        return rows

    def _non_unitary(self, operation: Reset | Initialize) -> Rows:
        self.context.refuse_in_unitary()
        return _RESET if isinstance(operation, Reset) else initialize_rows(operation, self.context.tables)

    def _save(self, operation: Any) -> Rows:
        save = lower_save(operation)
        if saves_state(operation):
            self.context.save_state_labels.add(save.label)
        width = operation.num_qubits
        return Rows([pack_shape(Op.SAVE, 0, width)], list(range(width)), saves=[save])

    def lower_definition(self, operation: Any) -> Rows:
        """Return the rows of an operation's definition or, without one, matrix.

        Raises:
            RefusalError: the operation can't be run.
        """
        # As few calls as possible lie between this one and the next one inside it: Python limits their number, and so
        # the depth of nested definitions.
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
            with self.context.outside_loops():
                rows = self.lower_circuit(definition)
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
                "transpile it, write it as gates, or remove it from the circuit"
            ) from exc
        return unitary_rows(matrix, self.context.tables, operation.num_qubits)


def _definition(operation: Any) -> QuantumCircuit | None:
    """Return the definition of an operation, if it has one. Raises `RefusalError`."""
    try:
        definition = getattr(operation, "definition", None)
        if definition is None and hasattr(operation, "to_instruction"):
            definition = operation.to_instruction().definition
    except (MemoryError, RecursionError):
        raise
    except Exception as exc:
        raise RefusalError(f"creating its definition raises {exc!r}") from exc
    if not isinstance(definition, QuantumCircuit | None):
        raise RefusalError(f"its definition is a {type(definition).__name__}, not a QuantumCircuit")
    return definition


def _check_width(operation: Any, definition: QuantumCircuit) -> None:
    if (definition.num_qubits, definition.num_clbits) != (operation.num_qubits, operation.num_clbits):
        raise RefusalError(
            f"it has {operation.num_qubits} qubits and {operation.num_clbits} clbits, and its definition has "
            f"{definition.num_qubits} and {definition.num_clbits}"
        )
