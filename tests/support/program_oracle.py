# SPDX-License-Identifier: Apache-2.0
"""The meaning of a program, computed independently of the engines.

A program becomes a dense unitary, slowly, or a Qiskit circuit.
"""

from __future__ import annotations

import numpy as np
from gate_library import matrix
from numpy.typing import NDArray
from qiskit import QuantumCircuit

from qfleet.wire.program.operations import Op
from qfleet.wire.program.program import Operation, Program


def unitary(program: Program) -> NDArray[np.complex128]:
    """Return the program's unitary, shape (2**num_qubits, 2**num_qubits)."""
    result = np.eye(1 << program.num_qubits, dtype=np.complex128)
    for operation in program:
        result = apply(operation, result)
    return result


def apply(operation: Operation, columns: NDArray[np.complex128]) -> NDArray[np.complex128]:
    """Apply a unitary operation to columns, one amplitude at a time.

    Args:
        operation: the operation.
        columns: the states, shape (2**num_qubits, any).
    """
    table = matrix(operation)
    result = np.zeros_like(columns)
    mask = sum(1 << target for target in operation.targets)
    for index in range(len(columns)):
        if not _is_active(operation, index):
            result[index] += columns[index]
            continue
        column = sum((index >> target & 1) << place for place, target in enumerate(operation.targets))
        for row in range(len(table)):
            moved = sum((row >> place & 1) << target for place, target in enumerate(operation.targets))
            result[(index & ~mask) | moved] += table[row, column] * columns[index]
    return result


def circuit(program: Program) -> QuantumCircuit:
    """Return the program as a circuit that Qiskit can simulate."""
    result = QuantumCircuit(program.num_qubits, program.num_clbits)
    for operation in program:
        targets = list(operation.targets)
        match operation.code:
            case Op.MEASURE:
                result.measure(targets[0], operation.clbit)
            case Op.RESET:
                result.reset(targets[0])
            case Op.INITIALIZE:
                assert operation.table is not None
                result.initialize(operation.table, targets)
            case _:
                _append_unitary(result, operation)
    return result


def _append_unitary(result: QuantumCircuit, operation: Operation) -> None:
    alone = Operation(operation.code, *_renumbered(operation), operation.params, operation.table, -1)
    width = len(operation.controls) + len(operation.targets)
    matrix = apply(alone, np.eye(1 << width, dtype=np.complex128))
    qubits = [max(control, ~control) for control in operation.controls] + list(operation.targets)
    if width:
        result.unitary(matrix, qubits)
    else:
        result.global_phase += float(np.angle(matrix[0, 0]))


def _renumbered(operation: Operation) -> tuple[tuple[int, ...], tuple[int, ...]]:
    controls = tuple(place if control >= 0 else ~place for place, control in enumerate(operation.controls))
    first = len(controls)
    return controls, tuple(range(first, first + len(operation.targets)))


def _is_active(operation: Operation, index: int) -> bool:
    return all(index >> control & 1 if control >= 0 else not index >> ~control & 1 for control in operation.controls)
