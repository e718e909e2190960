# SPDX-License-Identifier: Apache-2.0
"""Count a circuit's operations before its definitions are inlined.

Ten definitions that hold ten definitions each soon exceed any memory. Lowering stops at a limit, but with definitions
that a class makes anew each time, it would take hours to get there.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, Final, NamedTuple

from qiskit import QuantumCircuit
from qiskit.circuit import AnnotatedOperation, ControlFlowOp, ControlledGate, ForLoopOp, Operation

from qfleet.lowering.meanings import class_meaning, identity
from qfleet.lowering.refusal import too_long
from qfleet.wire.limits import MAX_CLBITS, MAX_FLOW_OPERATIONS, MAX_OPERATIONS, MAX_PARAMETERS, MAX_QUBITS

#: Rows of definitions and blocks that are lowered without counting ahead.
UNCOUNTED_ROWS = 1 << 20
#: The cost of a definition besides its rows, in rows.
ROWS_OF_A_DEFINITION = 200


class ProgramLimits(NamedTuple):
    """The largest sizes of a program."""

    parameters: int = MAX_PARAMETERS
    qubits: int = MAX_QUBITS
    clbits: int = MAX_CLBITS
    operations: int = MAX_OPERATIONS
    #: jumps and stores
    flow_operations: int = MAX_FLOW_OPERATIONS


LIMITS: Final = ProgramLimits()


def check_inlined_size(circuit: QuantumCircuit, *, max_steps: int = 500_000) -> None:
    """Refuse a circuit with too many operations with its definitions inlined.

    Instructions of any kind count, including barriers and empty definitions. Unknown sizes count as 0.

    Args:
        circuit: the circuit.
        max_steps: most instructions that are looked at: some operations can't be recognised as equal.

    Raises:
        RefusalError: there are too many.
    """
    try:
        number = _Counter(max_steps).circuit(circuit)
    except (_TooManyStepsError, RecursionError):
        return
    if number > MAX_OPERATIONS:
        raise too_long(MAX_OPERATIONS)


class _TooManyStepsError(Exception):
    pass


class _Counter:
    def __init__(self, max_steps: int) -> None:
        self._max_steps = max_steps
        self._steps = 0
        self._circuits: dict[int, tuple[QuantumCircuit, int]] = {}
        self._operations: dict[Hashable, int] = {}

    def circuit(self, circuit: QuantumCircuit) -> int:
        known = self._circuits.get(id(circuit))
        if known is None:
            number = 0
            for instruction in circuit.data:
                self._steps += 1
                if self._steps > self._max_steps:
                    raise _TooManyStepsError
                number += 1
                if not instruction.is_standard_gate():
                    number += self._operation(instruction.operation)
            # The circuit is kept, so that its id isn't reused.
            known = self._circuits[id(circuit)] = circuit, number
        return known[1]

    def _operation(self, operation: Operation) -> int:
        of_operation: Any = type(operation)
        kind = class_meaning(of_operation)
        if kind is AnnotatedOperation:
            return self._operation(operation.base_op)
        if kind is ControlledGate and operation.base_gate is not None:
            return self._operation(operation.base_gate)
        if isinstance(kind, type) and issubclass(kind, ControlFlowOp):
            turns = len(operation.params[0]) if kind is ForLoopOp else 1
            return turns * sum(self.circuit(block) for block in operation.blocks if block is not None)
        if kind != "definition":
            return 0
        key = identity(operation)
        if key is None:
            return self._definition(operation)
        if key not in self._operations:
            self._operations[key] = self._definition(operation)
        return self._operations[key]

    def _definition(self, operation: Any) -> int:
        try:
            definition = getattr(operation, "definition", None)
        except RecursionError:
            raise
        except Exception:  # noqa: BLE001 - lowering tries again, and tells the user
            return 0
        return self.circuit(definition) if isinstance(definition, QuantumCircuit) else 0
