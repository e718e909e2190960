# SPDX-License-Identifier: Apache-2.0
"""Zeros in two-qubit matrices, in machine code.

They cost nothing to multiply with.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qfleet_worker.engines.machine_code.registry import inner_code, machine_code
from qfleet_worker.engines.statevector.compiler.draft import (
    AT,
    CHANGES,
    CONTROLS,
    DENSE,
    GATES,
    KIND,
    NOTHING,
    READS,
    SIZE,
    TARGETS,
    Draft,
)
from qfleet_worker.engines.statevector.compiler.matrices import one_times, times_one


@inner_code
def _schmidt(matrix: NDArray[Any], left: NDArray[Any], right: NDArray[Any]) -> bool:
    """Find unitaries that make a matrix's column 0 (s, 0, 0, t).

    The column is that of ``(left x right) @ matrix``; s and t are real. `right` acts on the lower bit. Column 0 as a
    2x2 matrix is decomposed into singular values.

    Returns:
        False where the singular values are too close to tell the vectors apart, or where one vanishes.
    """
    a, b, c, d = matrix[0], matrix[4], matrix[8], matrix[12]  # rows by the higher bit, columns by the lower
    # The Hermitian matrix column @ column^H is [[p, r], [conj(r), q]].
    p = abs(a) ** 2 + abs(b) ** 2
    q = abs(c) ** 2 + abs(d) ** 2
    r = a * c.conjugate() + b * d.conjugate()
    half = math.hypot((p - q) / 2, abs(r))
    if not half > 1e-6:
        return False
    large = (p + q) / 2 + half
    small = (p + q) / 2 - half
    if not small > 1e-12 * large:
        return False
    # The eigenvector of the larger eigenvalue, from the row of (matrix - large) that cancels less.
    if p > q:
        x, y = large - q + 0j, r.conjugate()
    else:
        x, y = r, large - p + 0j
    norm = math.sqrt(abs(x) ** 2 + abs(y) ** 2)
    x /= norm
    y /= norm
    s, t = math.sqrt(large), math.sqrt(small)
    left[0] = x.conjugate()
    left[1] = y.conjugate()
    left[2] = -y
    left[3] = x
    # left @ column has orthogonal rows, s and t times the rows of a unitary; right is the transpose of its inverse.
    right[0] = (left[0] * a + left[1] * c).conjugate() / s
    right[1] = (left[0] * b + left[1] * d).conjugate() / s
    right[2] = (left[2] * a + left[3] * c).conjugate() / t
    right[3] = (left[2] * b + left[3] * d).conjugate() / t
    return True


@machine_code
def zero_first_columns(draft: Draft) -> None:
    """Give two-qubit matrices zeros by moving one-qubit factors onwards.

    A matrix that is followed on both of its wires by plain two-qubit matrices may be multiplied by any unitaries on
    these wires, if the followers take up the inverses. They are chosen so that column 0 becomes (s, 0, 0, t), which
    saves a fifth of the multiplications: that is what the kernel S is for. Matrices that depend on angles stay as they
    are.
    """
    gates, pool, number, num_wires = draft.gates, draft.pool, draft.counts[GATES], len(draft.last)
    following = np.full((number, 2), -1, np.int64)
    nearest = np.full(num_wires, -1, np.int64)
    for at in range(number - 1, -1, -1):
        if gates[at, KIND] == NOTHING:
            continue
        plain = gates[at, KIND] == DENSE and gates[at, SIZE] == 2 and gates[at, CONTROLS] == 0
        plain = plain and not draft.varies[gates[at, AT]]
        if plain:
            for bit in range(2):
                following[at, bit] = nearest[gates[at, TARGETS] >> 8 * bit & 255]
        touched = gates[at, CHANGES] | gates[at, READS]
        for wire in range(num_wires):
            if touched >> wire & 1:
                nearest[wire] = at if plain else -1
    left, right, inverse = np.empty(4, np.complex128), np.empty(4, np.complex128), np.empty(4, np.complex128)
    for at in range(number):
        if following[at, 0] < 0 or following[at, 1] < 0:
            continue
        place = gates[at, AT]
        zeros = 0
        for entry in range(16):
            zeros += pool[place + entry] == 0
        if zeros > 4 or not _schmidt(pool[place : place + 16], left, right):
            continue
        for bit in range(2):
            one = right if bit == 0 else left
            one_times(pool, place, 2, bit, one)
            inverse[0] = one[0].conjugate()
            inverse[1] = one[2].conjugate()
            inverse[2] = one[1].conjugate()
            inverse[3] = one[3].conjugate()
            to = following[at, bit]
            same = gates[to, TARGETS] & 255 == gates[at, TARGETS] >> 8 * bit & 255
            times_one(pool, gates[to, AT], 2, 0 if same else 1, inverse)
        pool[place] = pool[place].real
        pool[place + 4] = 0
        pool[place + 8] = 0
        pool[place + 12] = pool[place + 12].real
