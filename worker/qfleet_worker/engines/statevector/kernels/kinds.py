# SPDX-License-Identifier: Apache-2.0
"""All kernels.

====== =================================================================== ==========================================
kind   what it does                                                        coefficients (see `kernels.coefficients`)
====== =================================================================== ==========================================
C      complex matrix on h high bits and the lanes ``lo``                  row, column, shuffle; real then imaginary
R, X   one-qubit matrix that is real; that is real on its diagonal and     one each
       imaginary off it, such as RX
V      as C without lane targets, for controls on lanes                    as C, vectors
S      as C on two high bits where column 0 is (s, 0, 0, t), real          s, t, then columns 1 to 3 row by row
GR, GX several one-qubit gates of one kind: on h high bits and, if ``lo``  lanes: diagonal and off-diagonal vectors;
GC     is set, on every lane; all in registers                             high bits: the matrix
FLIP   exchange the halves of a high bit                                   none
FLIPM  the same on the lanes that a mask selects                           mask, 1 or 0
FLIPL  exchange neighbours on a lane where a mask says so                  mask
PERM   vector r of the 2**h goes where vector ``order[r]`` was             none; ``order`` lies among the integers
====== =================================================================== ==========================================
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

C, R, X, V, S, GR, GX, GC, FLIP, FLIPM, FLIPL, PERM = range(12)
#: Most targets of a kernel.
MAX_TARGETS = 4


class Spec(NamedTuple):
    """One kernel: its kind and its targets.

    `high` is the number of high targets, `lo` the lanes among the targets as a mask.
    """

    kind: int
    high: int
    lo: int


def specs(lane_bits: int) -> list[Spec]:
    """Return all kernels for vectors of ``2**lane_bits`` amplitudes.

    A kernel's place in the list is its code.
    """
    every = (1 << lane_bits) - 1
    kernels = []
    for lo in range(1 << lane_bits):
        for high in range(MAX_TARGETS + 1):
            if 1 <= high + lo.bit_count() <= MAX_TARGETS:
                kernels.append(Spec(C, high, lo))
            if high + lo.bit_count() == 1:
                kernels += [Spec(R, high, lo), Spec(X, high, lo)]
    kernels += [Spec(V, high, 0) for high in range(1, MAX_TARGETS + 1)]
    kernels.append(Spec(S, 2, 0))
    kernels += [Spec(kind, high, lo) for kind in (GR, GX, GC) for high in (1, 2, 3) for lo in (0, every)]
    kernels += [Spec(FLIP, 1, 0), Spec(FLIPM, 1, 0)]
    kernels += [Spec(FLIPL, 0, 1 << lane) for lane in range(lane_bits)]
    kernels += [Spec(PERM, high, 0) for high in (2, 3, 4)]
    return kernels


def _code_table() -> np.ndarray[Any, np.dtype[np.int64]]:
    table = np.full((2, 12, MAX_TARGETS + 1, 8), -1, np.int64)
    for lane_bits in (2, 3):
        for code, spec in enumerate(specs(lane_bits)):
            table[lane_bits - 2, spec.kind, spec.high, spec.lo] = code
    return table


#: The code of a kernel by lane bits - 2, kind, high targets and lane mask; -1 where there is none.
CODES = _code_table()
