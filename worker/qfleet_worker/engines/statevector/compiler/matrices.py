# SPDX-License-Identifier: Apache-2.0
"""What is the matrix of each operation of a program? In machine code.

The matrices are those of `qfleet_worker.engines.gates.matrices`; a test compares the two.
"""

from __future__ import annotations

import math
from typing import Any

from numpy.typing import NDArray

from qfleet.wire.program.operations import ANGLES, Op
from qfleet_worker.engines.statevector.machine_code.registry import machine_code

# numba reads these as constants.
X, Y, Z, H, S, SDG, T, TDG = (int(op) for op in (Op.X, Op.Y, Op.Z, Op.H, Op.S, Op.SDG, Op.T, Op.TDG))
SX, SXDG, P, RX, RY, RZ, R, U = (int(op) for op in (Op.SX, Op.SXDG, Op.P, Op.RX, Op.RY, Op.RZ, Op.R, Op.U))
SWAP, ISWAP, DCX, ECR = (int(op) for op in (Op.SWAP, Op.ISWAP, Op.DCX, Op.ECR))
RXX, RYY, RZZ, RZX = (int(op) for op in (Op.RXX, Op.RYY, Op.RZZ, Op.RZX))
XX_MINUS_YY, XX_PLUS_YY, RCCX, RC3X = (int(op) for op in (Op.XX_MINUS_YY, Op.XX_PLUS_YY, Op.RCCX, Op.RC3X))
GLOBAL_PHASE, UNITARY, DIAGONAL = (int(op) for op in (Op.GLOBAL_PHASE, Op.UNITARY, Op.DIAGONAL))

NUM_PARAMS = ANGLES

_ROOT = math.sqrt(0.5)


@machine_code
def fill_one(code: int, turns: NDArray[Any], at: int, out: NDArray[Any]) -> None:
    """Write the four entries of a one-qubit gate that has no table; its first angle's half turn is ``turns[at]``."""
    out[0] = 1
    out[1] = 0
    out[2] = 0
    out[3] = 1
    if code == X or code == Y:
        out[0] = 0
        out[1] = 1 if code == X else -1j
        out[2] = 1 if code == X else 1j
        out[3] = 0
    elif code == H:
        out[0] = _ROOT
        out[1] = _ROOT
        out[2] = _ROOT
        out[3] = -_ROOT
    elif code == SX or code == SXDG:
        sign = 0.5 if code == SX else -0.5
        out[0] = complex(0.5, sign)
        out[1] = complex(0.5, -sign)
        out[2] = complex(0.5, -sign)
        out[3] = complex(0.5, sign)
    elif code == Z:
        out[3] = -1
    elif code == S:
        out[3] = 1j
    elif code == SDG:
        out[3] = -1j
    elif code == T:
        out[3] = complex(_ROOT, _ROOT)
    elif code == TDG:
        out[3] = complex(_ROOT, -_ROOT)
    elif code == P:
        out[3] = turns[at] * turns[at]
    elif code == RZ:
        out[0] = turns[at].conjugate()
        out[3] = turns[at]
    elif code == RX or code == RY or code == R or code == U:
        cos, sin = turns[at].real, turns[at].imag
        out[0] = cos
        out[3] = cos
        if code == RX:
            out[1] = complex(0, -sin)
            out[2] = complex(0, -sin)
        elif code == RY:
            out[1] = -sin
            out[2] = sin
        elif code == R:
            phi = turns[at + 1] * turns[at + 1]
            out[1] = complex(0, -sin) * phi.conjugate()
            out[2] = complex(0, -sin) * phi
        else:
            phi, lam = turns[at + 1] * turns[at + 1], turns[at + 2] * turns[at + 2]
            out[1] = -sin * lam
            out[2] = sin * phi
            out[3] = cos * (phi * lam)


@machine_code
def fill_turned(code: int, half: complex, half_z: complex, out: NDArray[Any]) -> None:
    """Write the four entries of RX or RY, then RZ; `half` and `half_z` are their angles' half turns."""
    cos, sin, low = half.real, half.imag, half_z.conjugate()
    out[0] = cos * low
    out[3] = cos * half_z
    if code == RY:
        out[1] = -sin * low
        out[2] = sin * half_z
    else:
        out[1] = complex(sin * low.imag, -sin * low.real)
        out[2] = complex(sin * half_z.imag, -sin * half_z.real)


@machine_code
def fill_many(code: int, turns: NDArray[Any], at: int, out: NDArray[Any]) -> None:
    """Write the matrix, row-major, of a gate that has two to four targets and no table; as `fill_one`."""
    if code == RCCX or code == RC3X:
        size = 8 if code == RCCX else 16
        out[: size * size] = 0
        for row in range(size):
            out[row * size + row] = 1
        if code == RCCX:
            out[3 * 8 + 3] = 0
            out[3 * 8 + 7] = -1j
            out[5 * 8 + 5] = -1
            out[7 * 8 + 7] = 0
            out[7 * 8 + 3] = 1j
        else:
            out[3 * 16 + 3] = 1j
            out[7 * 16 + 7] = 0
            out[7 * 16 + 15] = 1
            out[11 * 16 + 11] = -1j
            out[15 * 16 + 15] = 0
            out[15 * 16 + 7] = -1
        return
    out[:16] = 0
    if code == SWAP or code == ISWAP:
        out[0] = 1
        out[6] = 1 if code == SWAP else 1j
        out[9] = out[6]
        out[15] = 1
    elif code == DCX:
        out[0] = 1
        out[7] = 1
        out[9] = 1
        out[14] = 1
    elif code == ECR:
        out[1] = _ROOT
        out[3] = _ROOT * 1j
        out[4] = _ROOT
        out[6] = _ROOT * -1j
        out[9] = _ROOT * 1j
        out[11] = _ROOT
        out[12] = _ROOT * -1j
        out[14] = _ROOT
    elif code == RZZ:
        out[0] = turns[at].conjugate()
        out[5] = turns[at]
        out[10] = out[5]
        out[15] = out[0]
    else:
        cos, off = turns[at].real, complex(0, -turns[at].imag)
        for row in range(4):
            out[5 * row] = cos
        if code == RXX or code == RYY:
            out[3] = off if code == RXX else -off
            out[12] = out[3]
            out[6] = off
            out[9] = off
        elif code == RZX:
            out[2] = off
            out[8] = off
            out[7] = -off
            out[13] = -off
        elif code == XX_MINUS_YY:
            out[5] = 1
            out[10] = 1
            beta = turns[at + 1] * turns[at + 1]
            out[3] = off * beta.conjugate()
            out[12] = off * beta
        else:
            out[0] = 1
            out[15] = 1
            beta = turns[at + 1] * turns[at + 1]
            out[6] = off * beta.conjugate()
            out[9] = off * beta


@machine_code
def times_one(pool: NDArray[Any], at: int, k: int, bit: int, one: NDArray[Any]) -> None:
    """Multiply a matrix by a one-qubit gate on `bit` that comes before it."""
    size = 1 << k
    for row in range(size):
        for column in range(size):
            if column >> bit & 1:
                continue
            low, high = at + row * size + column, at + row * size + (column | 1 << bit)
            a, b = pool[low], pool[high]
            pool[low] = a * one[0] + b * one[2]
            pool[high] = a * one[1] + b * one[3]


@machine_code
def one_times(pool: NDArray[Any], at: int, k: int, bit: int, one: NDArray[Any]) -> None:
    """Multiply a one-qubit gate on `bit` that comes after a matrix by that matrix."""
    size = 1 << k
    for row in range(size):
        if row >> bit & 1:
            continue
        for column in range(size):
            low, high = at + row * size + column, at + (row | 1 << bit) * size + column
            a, b = pool[low], pool[high]
            pool[low] = one[0] * a + one[1] * b
            pool[high] = one[2] * a + one[3] * b


@machine_code
def product4(pool: NDArray[Any], to: int, left: int, right: int) -> None:
    """The product of the two-qubit matrices at `left` and `right`, written to `to`, which overlaps neither."""
    for row in range(4):
        for column in range(4):
            total = 0j
            for k in range(4):
                total += pool[left + 4 * row + k] * pool[right + 4 * k + column]
            pool[to + 4 * row + column] = total
