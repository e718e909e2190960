# SPDX-License-Identifier: Apache-2.0
"""Properties of a matrix that hold at all angles.

Gates are fused and kernels chosen by these alone, so that a circuit that was compiled once may get other angles. Each
of the first three properties holds for a product if it holds for both factors.
"""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from qfleet_worker.engines.machine_code.registry import shared

#: One-qubit matrices: real; real on the diagonal and imaginary off it; diagonal, and that with 1 as its first entry.
#: Two-qubit matrices: column 0 is (s, 0, 0, t), s and t real. One-qubit matrices that wait: zero on the diagonal.
REAL, MIXED, DIAGONAL, FIRST_IS_ONE, SCHMIDT, ANTIDIAGONAL = 1, 2, 4, 8, 16, 32


@shared
def shape_of_one(pool: NDArray[Any], at: int) -> int:
    """Return the shape of the one-qubit matrix at a place."""
    a, b, c, d = pool[at], pool[at + 1], pool[at + 2], pool[at + 3]
    shape = 0
    if a.imag == 0 and d.imag == 0:
        if b.imag == 0 and c.imag == 0:
            shape |= REAL
        if b.real == 0 and c.real == 0:
            shape |= MIXED
    if b == 0 and c == 0:
        shape |= DIAGONAL
        if a == 1:
            shape |= FIRST_IS_ONE
    return shape


@shared
def shape_of_two(pool: NDArray[Any], at: int) -> int:
    """Return the shape of the two-qubit matrix at a place."""
    schmidt = pool[at + 4] == 0 and pool[at + 8] == 0 and pool[at].imag == 0 and pool[at + 12].imag == 0
    return SCHMIDT if schmidt else 0
