# SPDX-License-Identifier: Apache-2.0
"""Count what a circuit comes to before it is written out, where its definitions nest.

A definition of ten that hold ten each is soon more than any memory holds. Lowering stops there, but definitions that
are made anew each time, as a class makes them, would take it hours.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from qiskit import QuantumCircuit
from qiskit.circuit import AnnotatedOperation, ControlFlowOp, ControlledGate, ForLoopOp, Operation

from qfleet.lowering.meanings import identity, native_class
from qfleet.lowering.refusal import too_long
from qfleet.wire.limits import MAX_OPERATIONS

#: Rows that definitions and blocks may come to without a look ahead.
UNCOUNTED_ROWS = 1 << 20
#: Rows that could be written in the time that a definition takes.
ROWS_OF_A_DEFINITION = 200
#: Instructions that are looked at: operations which don't tell what they have in common aren't counted for ever.
_MAX_STEPS = 500_000


def check_work(circuit: QuantumCircuit) -> None:
    """Raise `RefusalError` if a circuit comes to too many operations when its definitions are inlined.

    Counted are instructions of any kind, also barriers and empty definitions. What can't be told counts as nothing.
    """
    try:
        number = _Counter().circuit(circuit)
    except (_TooManyStepsError, RecursionError):
        return
    if number > MAX_OPERATIONS:
        raise too_long(MAX_OPERATIONS)


class _TooManyStepsError(Exception):
    pass


class _Counter:
    def __init__(self) -> None:
        self._steps = 0
        self._circuits: dict[int, tuple[QuantumCircuit, int]] = {}
        self._operations: dict[Hashable, int] = {}

    def circuit(self, circuit: QuantumCircuit) -> int:
        known = self._circuits.get(id(circuit))
        if known is None:
            number = 0
            for instruction in circuit.data:
                self._steps += 1
                if self._steps > _MAX_STEPS:
                    raise _TooManyStepsError
                number += 1
                if not instruction.is_standard_gate():
                    number += self._operation(instruction.operation)
            # The circuit is kept, so that its id isn't given to another one.
            known = self._circuits[id(circuit)] = circuit, number
        return known[1]

    def _operation(self, operation: Operation) -> int:
        of_operation: Any = type(operation)
        kind = native_class(of_operation)
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
        except Exception:  # noqa: BLE001 - lowering asks again, and tells the user
            return 0
        return self.circuit(definition) if isinstance(definition, QuantumCircuit) else 0
