# SPDX-License-Identifier: Apache-2.0
"""Matrices of operations, as Qiskit defines them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from qiskit.circuit import Gate, library

from qfleet.wire.program.operations import Op
from qfleet.wire.program.program import Operation

GATES: dict[Op, type[Gate]] = {
    Op.X: library.XGate,
    Op.Y: library.YGate,
    Op.Z: library.ZGate,
    Op.H: library.HGate,
    Op.S: library.SGate,
    Op.SDG: library.SdgGate,
    Op.T: library.TGate,
    Op.TDG: library.TdgGate,
    Op.SX: library.SXGate,
    Op.SXDG: library.SXdgGate,
    Op.P: library.PhaseGate,
    Op.RX: library.RXGate,
    Op.RY: library.RYGate,
    Op.RZ: library.RZGate,
    Op.R: library.RGate,
    Op.U: library.UGate,
    Op.SWAP: library.SwapGate,
    Op.ISWAP: library.iSwapGate,
    Op.DCX: library.DCXGate,
    Op.ECR: library.ECRGate,
    Op.RXX: library.RXXGate,
    Op.RYY: library.RYYGate,
    Op.RZZ: library.RZZGate,
    Op.RZX: library.RZXGate,
    Op.XX_MINUS_YY: library.XXMinusYYGate,
    Op.XX_PLUS_YY: library.XXPlusYYGate,
    Op.RCCX: library.RCCXGate,
    Op.RC3X: library.RC3XGate,
    Op.GLOBAL_PHASE: library.GlobalPhaseGate,
}


def matrix(operation: Operation) -> NDArray[np.complex128]:
    """Return the matrix of a unitary operation, without its controls."""
    if operation.code in GATES:
        return np.asarray(GATES[operation.code](*operation.params).to_matrix(), np.complex128)
    assert operation.table is not None
    if operation.code is Op.DIAGONAL:
        return np.diag(operation.table)
    assert operation.code is Op.UNITARY
    size = 1 << len(operation.targets)
    return operation.table.reshape(size, size)
