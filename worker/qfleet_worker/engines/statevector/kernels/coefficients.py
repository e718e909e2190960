# SPDX-License-Identifier: Apache-2.0
"""The places of a kernel's coefficients, in elements from the first.

The kernels' code is generated with these functions, and the compiler writes coefficients where they say. A coefficient
is one number that all elements of a vector are multiplied by, or a vector of ``width`` numbers, one for each element.
"""

from __future__ import annotations

from qfleet_worker.engines.machine_code.registry import shared
from qfleet_worker.engines.statevector.kernels.kinds import (
    FLIPL,
    FLIPM,
    GC,
    GR,
    GX,
    PERM,
    R,
    S,
    Spec,
    V,
    X,
    specs,
)

#: The vectors of a group for a lane: what an element is multiplied by, and its neighbour on the lane.
OWN, OTHER = range(2)


@shared
def is_one_number(kind: int, lo: int) -> bool:
    """Tell whether a matrix kernel's coefficients are single numbers.

    Otherwise they are vectors.
    """
    return lo == 0 and kind != V


@shared
def num_parts(kind: int) -> int:
    """Return how many coefficients an entry has, 1 or 2.

    They are its real and imaginary part, or the one that counts.
    """
    return 1 if kind == R or kind == X or kind == GR or kind == GX else 2


@shared
def matrix_place(
    spec: tuple[int, int, int], entry: tuple[int, int, int], part: int, num_shuffles: int, width: int
) -> int:
    """Return the place of a part of a matrix's entry.

    The kinds are C, R, X and V.

    Args:
        spec: the kernel.
        entry: row and column over the high targets, and the number of the shuffle.
        part: 0 for the real part, or the only one; 1 for the imaginary part.
        num_shuffles: ways to shuffle the lanes, ``2**lane targets``.
        width: elements of a vector.
    """
    kind, high, lo = spec
    row, column, shuffle = entry
    number = ((row << high | column) * num_shuffles + shuffle) * num_parts(kind) + part
    return number if is_one_number(kind, lo) else number * width


@shared
def schmidt_place(row: int, column: int, part: int) -> int:
    """Return the place of a part of a matrix's entry: kind S.

    Of column 0, rows 0 and 3 have a place; they are real.
    """
    return row // 3 if column == 0 else 2 + 6 * row + 2 * (column - 1) + part


@shared
def group_lane_place(kind: int, lane: int, which: int, part: int, width: int) -> int:
    """Return the place of a vector for a gate on a lane.

    The kinds are GR, GX and GC. `which` is `OWN` or `OTHER`.
    """
    return ((lane * 2 + which) * num_parts(kind) + part) * width


@shared
def group_high_place(kind: int, num_lanes: int, rank: int, entry: int, part: int, width: int) -> int:
    """Return the place of a coefficient for a high target's gate.

    The coefficients of high targets lie behind those of the lanes.
    """
    return group_lane_place(kind, num_lanes, OWN, 0, width) + (4 * rank + entry) * num_parts(kind) + part


def count(spec: Spec, lane_bits: int) -> int:
    """Return how many coefficients a kernel has, in elements."""
    kind, high, lo = spec
    width, last = 2 << lane_bits, (1 << high) - 1
    if kind == PERM or kind in (FLIPM, FLIPL):
        return 0 if kind == PERM else width
    if kind == S:
        return schmidt_place(3, 3, 1) + 1
    if kind in (GR, GX, GC):
        return group_high_place(kind, lane_bits if lo else 0, high, 0, 0, width)
    if kind > GC:
        return 0
    shuffles = 1 << lo.bit_count()
    return matrix_place(spec, (last, last, shuffles), 0, shuffles, width)


def _most(targets: int) -> int:
    """Return the most coefficients of a kernel with at most `targets` targets."""
    return max(
        count(spec, lane_bits)
        for lane_bits in (2, 3)
        for spec in specs(lane_bits)
        if spec.high + spec.lo.bit_count() <= targets
    )


#: The most coefficients of an operation on one qubit, and of any.
MAX_ONE_QUBIT, MAX_COUNT = _most(1), _most(8)
