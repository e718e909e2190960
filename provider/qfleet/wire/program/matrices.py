# SPDX-License-Identifier: Apache-2.0
"""Matrices of the operations of a program.

They are the matrices of `qiskit.circuit.library`: the first target is the lowest bit of an index. A new gate needs no
function here: `qfleet.wire.program.expansions` has its matrix.
"""

from __future__ import annotations

import cmath
import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from qfleet.wire.program.expansions import EXPANSIONS
from qfleet.wire.program.operations import SPEC, Op
from qfleet.wire.program.program import Operation

ComplexArray = NDArray[np.complexfloating]
#: A one-qubit matrix ((a, b), (c, d)) as plain numbers: their products are cheaper in Python than in numpy.
Matrix2 = tuple[complex, complex, complex, complex]

_R = math.sqrt(0.5)
_FIXED: dict[Op, Matrix2] = {
    Op.X: (0j, 1 + 0j, 1 + 0j, 0j),
    Op.Y: (0j, -1j, 1j, 0j),
    Op.Z: (1 + 0j, 0j, 0j, -1 + 0j),
    Op.H: (_R + 0j, _R + 0j, _R + 0j, -_R + 0j),
    Op.S: (1 + 0j, 0j, 0j, 1j),
    Op.SDG: (1 + 0j, 0j, 0j, -1j),
    Op.T: (1 + 0j, 0j, 0j, complex(_R, _R)),
    Op.TDG: (1 + 0j, 0j, 0j, complex(_R, -_R)),
    Op.SX: (0.5 + 0.5j, 0.5 - 0.5j, 0.5 - 0.5j, 0.5 + 0.5j),
    Op.SXDG: (0.5 - 0.5j, 0.5 + 0.5j, 0.5 + 0.5j, 0.5 - 0.5j),
}


def _p(angle: float) -> Matrix2:
    return 1 + 0j, 0j, 0j, cmath.rect(1, angle)


def _rx(theta: float) -> Matrix2:
    cos, sin = math.cos(theta / 2), math.sin(theta / 2)
    return complex(cos), complex(0, -sin), complex(0, -sin), complex(cos)


def _ry(theta: float) -> Matrix2:
    cos, sin = math.cos(theta / 2), math.sin(theta / 2)
    return complex(cos), complex(-sin), complex(sin), complex(cos)


def _rz(phi: float) -> Matrix2:
    return cmath.rect(1, -phi / 2), 0j, 0j, cmath.rect(1, phi / 2)


def _r(theta: float, phi: float) -> Matrix2:
    cos, sin = math.cos(theta / 2), math.sin(theta / 2)
    return complex(cos), -1j * cmath.rect(sin, -phi), -1j * cmath.rect(sin, phi), complex(cos)


def _u(theta: float, phi: float, lam: float) -> Matrix2:
    cos, sin = math.cos(theta / 2), math.sin(theta / 2)
    return complex(cos), -cmath.rect(sin, lam), cmath.rect(sin, phi), cmath.rect(cos, phi + lam)


_TURNED: dict[Op, Callable[..., Matrix2]] = {
    Op.P: _p,
    Op.RX: _rx,
    Op.RY: _ry,
    Op.RZ: _rz,
    Op.R: _r,
    Op.U: _u,
}


def one_qubit(operation: Operation) -> Matrix2:
    """Return the matrix of an operation with one target, without its controls."""
    code = operation.code
    fixed = _FIXED.get(code)
    if fixed is not None:
        return fixed
    if operation.table is not None:
        entries = operation.table.tolist()
        return (entries[0], 0j, 0j, entries[1]) if code is Op.DIAGONAL else tuple(entries)
    if code in EXPANSIONS:
        a, b, c, d = EXPANSIONS[code].matrix(*operation.params).ravel().tolist()
        return a, b, c, d
    return _TURNED[code](*operation.params)


def table(operation: Operation) -> ComplexArray:
    """Return an operation's diagonal, matrix or column, without its controls.

    The operation is unitary, or an initialization.

    Returns:
        complex128. For a diagonal operation the diagonal, shape (2**targets,). For INITIALIZE the column that |0...0>
        becomes, shape (2**targets, 1). For any other operation the matrix, shape (2**targets, 2**targets).
    """
    code = operation.code
    if code is Op.GLOBAL_PHASE:
        return np.array([cmath.rect(1, operation.params[0])])
    if code is Op.RZZ:
        low, high = cmath.rect(1, -operation.params[0] / 2), cmath.rect(1, operation.params[0] / 2)
        return np.array([low, high, high, low])
    if operation.table is not None:
        return operation.table if code is Op.DIAGONAL else operation.table.reshape(1 << len(operation.targets), -1)
    if code in _TABLES:
        return _TABLES[code]
    if code in _TURNED:
        a, b, c, d = _TURNED[code](*operation.params)
        return np.array([a, d]) if SPEC[code].diagonal else np.array([[a, b], [c, d]])
    if code in EXPANSIONS:
        return EXPANSIONS[code].matrix(*operation.params)
    return _ROTATIONS[code](*operation.params)


def _rxx(theta: float) -> ComplexArray:
    c, s = math.cos(theta / 2), -1j * math.sin(theta / 2)
    return np.array([[c, 0, 0, s], [0, c, s, 0], [0, s, c, 0], [s, 0, 0, c]])


def _ryy(theta: float) -> ComplexArray:
    c, s = math.cos(theta / 2), -1j * math.sin(theta / 2)
    return np.array([[c, 0, 0, -s], [0, c, s, 0], [0, s, c, 0], [-s, 0, 0, c]])


def _xx_minus_yy(theta: float, beta: float) -> ComplexArray:
    c, s, turn = math.cos(theta / 2), -1j * math.sin(theta / 2), cmath.rect(1, beta)
    return np.array([[c, 0, 0, s / turn], [0, 1, 0, 0], [0, 0, 1, 0], [s * turn, 0, 0, c]])


def _xx_plus_yy(theta: float, beta: float) -> ComplexArray:
    c, s, turn = math.cos(theta / 2), -1j * math.sin(theta / 2), cmath.rect(1, beta)
    return np.array([[1, 0, 0, 0], [0, c, s / turn, 0], [0, s * turn, c, 0], [0, 0, 0, 1]])


_ROTATIONS: dict[Op, Callable[..., ComplexArray]] = {
    Op.RXX: _rxx,
    Op.RYY: _ryy,
    Op.XX_MINUS_YY: _xx_minus_yy,
    Op.XX_PLUS_YY: _xx_plus_yy,
}


def _sparse(size: int, entries: dict[tuple[int, int], complex]) -> ComplexArray:
    """Return the identity, with some rows replaced by the entries."""
    matrix = np.eye(size, dtype=np.complex128)
    for row, _ in entries:
        matrix[row, row] = 0
    for at, value in entries.items():
        matrix[at] = value
    return matrix


_TABLES: dict[Op, ComplexArray] = {
    **{code: np.array([a, d] if SPEC[code].diagonal else [[a, b], [c, d]]) for code, (a, b, c, d) in _FIXED.items()},
    Op.SWAP: _sparse(4, {(1, 2): 1, (2, 1): 1}),
    Op.ISWAP: _sparse(4, {(1, 2): 1j, (2, 1): 1j}),
    Op.DCX: _sparse(4, {(1, 3): 1, (2, 1): 1, (3, 2): 1}),
    Op.ECR: np.array([[0, _R, 0, _R * 1j], [_R, 0, _R * -1j, 0], [0, _R * 1j, 0, _R], [_R * -1j, 0, _R, 0]]),
    Op.RCCX: _sparse(8, {(3, 7): -1j, (5, 5): -1, (7, 3): 1j}),
    Op.RC3X: _sparse(16, {(3, 3): 1j, (7, 15): 1, (11, 11): -1j, (15, 7): -1}),
}


def controlled(own: ComplexArray, controls: int, opposed: int) -> ComplexArray:
    """Return the matrix of a gate with its controls.

    The controls are the lowest bits of an index.

    Args:
        own: the gate's `table`, without its controls.
        controls: the number of its controls.
        opposed: the mask of the open ones.
    """
    own = np.diag(own) if own.ndim == 1 else own
    matrix = np.eye(len(own) << controls, dtype=np.complex128)
    rows = np.arange(len(own)) << controls | (1 << controls) - 1 ^ opposed
    matrix[np.ix_(rows, rows)] = own
    return matrix
