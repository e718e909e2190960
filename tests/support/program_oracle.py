# SPDX-License-Identifier: Apache-2.0
"""What does a program mean? An independent, slow answer: as a dense unitary, or as a Qiskit circuit."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from qiskit import QuantumCircuit
from qiskit.circuit import Gate
from qiskit.circuit import library as lib

from qfleet.wire.program import Op, Operation, Program

_GATES: dict[Op, type[Gate]] = {
    Op.X: lib.XGate,
    Op.Y: lib.YGate,
    Op.Z: lib.ZGate,
    Op.H: lib.HGate,
    Op.S: lib.SGate,
    Op.SDG: lib.SdgGate,
    Op.T: lib.TGate,
    Op.TDG: lib.TdgGate,
    Op.SX: lib.SXGate,
    Op.SXDG: lib.SXdgGate,
    Op.P: lib.PhaseGate,
    Op.RX: lib.RXGate,
    Op.RY: lib.RYGate,
    Op.RZ: lib.RZGate,
    Op.R: lib.RGate,
    Op.U: lib.UGate,
    Op.SWAP: lib.SwapGate,
    Op.ISWAP: lib.iSwapGate,
    Op.DCX: lib.DCXGate,
    Op.ECR: lib.ECRGate,
    Op.RXX: lib.RXXGate,
    Op.RYY: lib.RYYGate,
    Op.RZZ: lib.RZZGate,
    Op.RZX: lib.RZXGate,
    Op.XX_MINUS_YY: lib.XXMinusYYGate,
    Op.XX_PLUS_YY: lib.XXPlusYYGate,
    Op.RCCX: lib.RCCXGate,
    Op.RC3X: lib.RC3XGate,
    Op.GLOBAL_PHASE: lib.GlobalPhaseGate,
}


def target_matrix(operation: Operation) -> NDArray[np.complex128]:
    """The matrix of a unitary operation on its targets, its controls aside."""
    if operation.code in _GATES:
        return np.asarray(_GATES[operation.code](*operation.params).to_matrix(), np.complex128)
    assert operation.table is not None
    if operation.code is Op.DIAGONAL:
        return np.diag(operation.table)
    assert operation.code is Op.UNITARY
    size = 1 << len(operation.targets)
    return operation.table.reshape(size, size)


def unitary(program: Program) -> NDArray[np.complex128]:
    """The program's unitary, shape (2**num_qubits, 2**num_qubits)."""
    result = np.eye(1 << program.num_qubits, dtype=np.complex128)
    for operation in program:
        result = apply(operation, result)
    return result


def apply(operation: Operation, columns: NDArray[np.complex128]) -> NDArray[np.complex128]:
    """The columns, shape (2**num_qubits, any), after a unitary operation; one amplitude at a time."""
    matrix = target_matrix(operation)
    result = np.zeros_like(columns)
    mask = sum(1 << target for target in operation.targets)
    for index in range(len(columns)):
        if not _is_active(operation, index):
            result[index] += columns[index]
            continue
        column = sum((index >> target & 1) << place for place, target in enumerate(operation.targets))
        for row in range(len(matrix)):
            moved = sum((row >> place & 1) << target for place, target in enumerate(operation.targets))
            result[(index & ~mask) | moved] += matrix[row, column] * columns[index]
    return result


def circuit(program: Program) -> QuantumCircuit:
    """The program as a circuit of library gates, for simulation by Qiskit."""
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
