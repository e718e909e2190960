# SPDX-License-Identifier: Apache-2.0
"""Angle-dependent matrices and products of matrices, in machine code.

The matrices are those of `qfleet.wire.program.matrices`; a test compares the two. `gate_table` has the constant
ones and those that are sums of terms.
"""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from qfleet_worker.engines.gates import codes
from qfleet_worker.engines.machine_code.registry import inner_code


@inner_code
def fill_one(code: int, half_phases: NDArray[Any], at: int, out: NDArray[Any]) -> None:
    """Write the four entries of a one-qubit gate.

    The half-angle phase of its first angle is ``half_phases[at]``.
    """
    out[1] = 0
    out[2] = 0
    if code == codes.P:
        out[0] = 1
        out[3] = half_phases[at] * half_phases[at]
    elif code == codes.RZ:
        out[0] = half_phases[at].conjugate()
        out[3] = half_phases[at]
    else:
        cos, sin = half_phases[at].real, half_phases[at].imag
        out[0] = cos
        out[3] = cos
        if code == codes.RX:
            out[1] = complex(0, -sin)
            out[2] = complex(0, -sin)
        elif code == codes.RY:
            out[1] = -sin
            out[2] = sin
        elif code == codes.R:
            phi = half_phases[at + 1] * half_phases[at + 1]
            out[1] = complex(0, -sin) * phi.conjugate()
            out[2] = complex(0, -sin) * phi
        else:
            phi, lam = half_phases[at + 1] * half_phases[at + 1], half_phases[at + 2] * half_phases[at + 2]
            out[1] = -sin * lam
            out[2] = sin * phi
            out[3] = cos * (phi * lam)


@inner_code
def fill_turned(code: int, half: complex, half_z: complex, out: NDArray[Any]) -> None:
    """Write the four entries of RX or RY, then RZ.

    `half` and `half_z` are the half-angle phases.
    """
    cos, sin, low = half.real, half.imag, half_z.conjugate()
    out[0] = cos * low
    out[3] = cos * half_z
    if code == codes.RY:
        out[1] = -sin * low
        out[2] = sin * half_z
    else:
        out[1] = complex(sin * low.imag, -sin * low.real)
        out[2] = complex(sin * half_z.imag, -sin * half_z.real)


@inner_code
def fill_two(code: int, half_phases: NDArray[Any], at: int, out: NDArray[Any]) -> None:
    """Write the matrix of a two-qubit gate, row by row.

    The half-angle phase of its first angle is ``half_phases[at]``.
    """
    out[:] = 0
    if code == codes.RZZ:
        out[0] = half_phases[at].conjugate()
        out[5] = half_phases[at]
        out[10] = out[5]
        out[15] = out[0]
        return
    cos, off = half_phases[at].real, complex(0, -half_phases[at].imag)
    for row in range(4):
        out[5 * row] = cos
    if code == codes.RXX or code == codes.RYY:
        out[3] = off if code == codes.RXX else -off
        out[12] = out[3]
        out[6] = off
        out[9] = off
        return
    beta = half_phases[at + 1] * half_phases[at + 1]
    if code == codes.XX_MINUS_YY:
        out[5] = 1
        out[10] = 1
        out[3] = off * beta.conjugate()
        out[12] = off * beta
    else:
        out[0] = 1
        out[15] = 1
        out[6] = off * beta.conjugate()
        out[9] = off * beta


@inner_code
def combine(block: NDArray[Any], terms: int, out: NDArray[Any]) -> None:
    """Write the sum of some matrices, each multiplied by its factor.

    `block` has the factors, then the matrices.
    """
    size = len(out)
    for entry in range(size):
        total = 0j
        for term in range(terms):
            total += block[term] * block[terms + term * size + entry]
        out[entry] = total


@inner_code
def times_one(pool: NDArray[Any], at: int, k: int, bit: int, one: NDArray[Any]) -> None:
    """Multiply a matrix by an earlier one-qubit gate on `bit`."""
    size = 1 << k
    for row in range(size):
        for column in range(size):
            if column >> bit & 1:
                continue
            low, high = at + row * size + column, at + row * size + (column | 1 << bit)
            a, b = pool[low], pool[high]
            pool[low] = a * one[0] + b * one[2]
            pool[high] = a * one[1] + b * one[3]


@inner_code
def one_times(pool: NDArray[Any], at: int, k: int, bit: int, one: NDArray[Any]) -> None:
    """Multiply a later one-qubit gate on `bit` by a matrix."""
    size = 1 << k
    for row in range(size):
        if row >> bit & 1:
            continue
        for column in range(size):
            low, high = at + row * size + column, at + (row | 1 << bit) * size + column
            a, b = pool[low], pool[high]
            pool[low] = one[0] * a + one[1] * b
            pool[high] = one[2] * a + one[3] * b


@inner_code
def product4(pool: NDArray[Any], to: int, left: int, right: int) -> None:
    """Write the product of the two-qubit matrices at `left` and `right`.

    It goes to `to`, which overlaps neither.
    """
    for row in range(4):
        for column in range(4):
            total = 0j
            for k in range(4):
                total += pool[left + 4 * row + k] * pool[right + 4 * k + column]
            pool[to + 4 * row + column] = total
