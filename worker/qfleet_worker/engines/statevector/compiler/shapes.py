# SPDX-License-Identifier: Apache-2.0
"""What is known of a matrix whatever its angles are?

Gates are fused and kernels chosen by this alone, so that a circuit that was compiled once may get other angles. Each of
the first three properties holds for a product if it holds for both factors.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from qfleet_worker.engines.statevector.compiler import matrices as m
from qfleet_worker.engines.statevector.machine_code.registry import machine_code

#: One-qubit matrices: real; real on the diagonal and imaginary off it; diagonal, and that with 1 as its first entry.
#: Two-qubit matrices: column 0 is (s, 0, 0, t), s and t real.
REAL, MIXED, DIAGONAL, FIRST_IS_ONE, THIN = 1, 2, 4, 8, 16

#: The shapes of one-qubit operations without tables, by code.
SHAPES = np.zeros(64, np.int64)
SHAPES[[m.X, m.H, m.RY]] = REAL
SHAPES[[m.Y, m.RX]] = MIXED
SHAPES[m.Z] = REAL | MIXED | DIAGONAL | FIRST_IS_ONE
SHAPES[[m.S, m.SDG, m.T, m.TDG, m.P]] = DIAGONAL | FIRST_IS_ONE
SHAPES[m.RZ] = DIAGONAL


@machine_code
def shape_of_one(pool: NDArray[Any], at: int) -> int:
    """The shape of the one-qubit matrix at a place."""
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


@machine_code
def shape_of_two(pool: NDArray[Any], at: int) -> int:
    """The shape of the two-qubit matrix at a place."""
    thin = pool[at + 4] == 0 and pool[at + 8] == 0 and pool[at].imag == 0 and pool[at + 12].imag == 0
    return THIN if thin else 0
