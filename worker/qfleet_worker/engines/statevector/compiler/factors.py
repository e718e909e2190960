# SPDX-License-Identifier: Apache-2.0
"""Matrices as products of simpler ones, in machine code.

A two-qubit unitary is a sum of products of one-qubit operators; the least number of products is its *rank*. It is 1 for
one-qubit gates on both wires, and 2 for a diagonal between one-qubit gates, as each two-qubit unitary of rank 2 is.

The four one-qubit *locals* of a diagonal between them lie one after the other: left and right of the higher bit, then
left and right of the lower one.
"""

from __future__ import annotations

import cmath
import math
from typing import Any

from numpy.typing import NDArray

from qfleet_worker.engines.machine_code.registry import inner_code

#: Numbers below it are rounding; entries of unitaries are of size 1.
ROUNDING = 1e-13
#: The phase of a smaller number has rounding errors of its own.
NO_PHASE = 1e-200
#: How far products of factors may be from the matrix.
TOLERANCE = 1e-12
#: Where the locals begin.
HIGH_LEFT, HIGH_RIGHT, LOW_LEFT, LOW_RIGHT = 0, 4, 8, 12
NUM_LOCALS = 16
#: Entries that `find_rank` and `find_locals` work in.
WORK = 32
#: What PHASES writes: a factor of the state, a factor where both bits are 1, and a diagonal of each bit.
BOTH, OF_HIGH, OF_LOW = 1, 2, 6
NUM_PHASES = 10
#: What SPLIT writes: the last diagonal, the real matrix, the first diagonal.
MIDDLE, FIRST = 4, 8
NUM_SPLIT = 12


@inner_code
def _unit(number: complex) -> complex:
    """Return the phase of a number; 1 for 0."""
    size = abs(number)
    return number / size if size > 0 else 1 + 0j


@inner_code
def write_split(pool: NDArray[Any], at: int, to: int) -> None:
    """Write a one-qubit unitary as a real matrix between diagonals.

    It is ``diag(p, q) [[c, -s], [s, c]] diag(1, r)``.
    """
    a, b, c, d = pool[at], pool[at + 1], pool[at + 2], pool[at + 3]
    cos, sin = abs(a), abs(c)
    p, q, r = _unit(a), _unit(c), 1 + 0j
    if sin < NO_PHASE:
        q = _unit(d)
    elif cos < NO_PHASE:
        p = -_unit(b)
    elif cos >= sin:
        r = _unit(d * q.conjugate())
    else:
        r = -_unit(b * p.conjugate())
    for entry in range(NUM_SPLIT):
        pool[to + entry] = 0
    pool[to] = p
    pool[to + 3] = q
    pool[to + MIDDLE] = cos
    pool[to + MIDDLE + 1] = -sin
    pool[to + MIDDLE + 2] = sin
    pool[to + MIDDLE + 3] = cos
    pool[to + FIRST] = 1
    pool[to + FIRST + 3] = r


@inner_code
def write_phases(pool: NDArray[Any], at: int, locals_at: int, to: int) -> None:
    """Write the diagonal that a two-qubit unitary has between its locals.

    It is a factor of the state, a factor where both bits are 1, and ``diag(1, x)`` of the higher and the lower bit.
    """
    for entry in range(NUM_PHASES):
        pool[to + entry] = 0
    left, right = locals_at, locals_at
    for index in range(4):
        i, j = index >> 1, index & 1
        total = 0j
        for row in range(4):
            factor = pool[left + HIGH_LEFT + (row & 2) + i] * pool[left + LOW_LEFT + 2 * (row & 1) + j]
            if factor == 0:
                continue
            inner = 0j
            for column in range(4):
                other = (
                    pool[right + HIGH_RIGHT + 2 * i + (column >> 1)] * pool[right + LOW_RIGHT + 2 * j + (column & 1)]
                )
                inner += pool[at + 4 * row + column] * other.conjugate()
            total += factor.conjugate() * inner
        pool[to + 6 + index] = total
    d0, d1, d2, d3 = pool[to + 6], pool[to + 7], pool[to + 8], pool[to + 9]
    pool[to] = d0
    pool[to + BOTH] = d3 * d0 * (d1 * d2).conjugate()
    pool[to + OF_HIGH] = 1
    pool[to + OF_HIGH + 3] = d2 * d0.conjugate()
    pool[to + OF_LOW] = 1
    pool[to + OF_LOW + 1] = 0
    pool[to + OF_LOW + 2] = 0
    pool[to + OF_LOW + 3] = d1 * d0.conjugate()


@inner_code
def is_product(pool: NDArray[Any], at: int, locals_at: int, phases: int) -> bool:
    """Tell whether a matrix is the diagonal of some phases between locals."""
    for row in range(4):
        for column in range(4):
            total = 0j
            for index in range(4):
                i, j = index >> 1, index & 1
                factor = pool[locals_at + HIGH_LEFT + (row & 2) + i] * pool[locals_at + LOW_LEFT + 2 * (row & 1) + j]
                factor *= pool[locals_at + HIGH_RIGHT + 2 * i + (column >> 1)]
                factor *= pool[locals_at + LOW_RIGHT + 2 * j + (column & 1)]
                factor *= pool[phases + OF_HIGH + 3 * i] * pool[phases + OF_LOW + 3 * j]
                total += factor * (pool[phases + BOTH] if index == 3 else 1)
            if not abs(total * pool[phases] - pool[at + 4 * row + column]) < TOLERANCE:
                return False
    return True


@inner_code
def _realign(pool: NDArray[Any], at: int, exchanged: bool, work: int) -> None:
    """Write a matrix with a row for each operator.

    Rows say what happens to the higher bit, columns what happens to the lower one.
    """
    for p in range(4):
        for q in range(4):
            high, low = (q & 1, p & 1) if exchanged else (p & 1, q & 1)
            pool[work + 4 * p + q] = pool[at + 8 * (p >> 1) + 4 * (q >> 1) + 2 * high + low]


@inner_code
def find_rank(pool: NDArray[Any], at: int, exchanged: bool, work: int) -> int:
    """Find the rank of a two-qubit matrix by elimination.

    Args:
        pool: has the matrix.
        at: where it begins.
        exchanged: exchange the two qubits before it.
        work: where `WORK` entries are free. The operators of the higher bit go to ``work + 16`` and ``work + 20``,
            those of the lower bit to ``work + 24`` and ``work + 28``.

    Returns:
        1, 2, or 3 for any more.
    """
    _realign(pool, at, exchanged, work)
    smallest = 0.0
    for rank in range(3):
        pivot, largest = 0, 0.0
        for entry in range(16):
            size = abs(pool[work + entry].real) + abs(pool[work + entry].imag)
            if size > largest:
                pivot, largest = entry, size
        if rank == 0:
            smallest = TOLERANCE * largest
            if not 1e-3 < largest < 1e3:
                # It isn't unitary.
                return 3
        if not largest > smallest:
            return max(rank, 1)
        if rank == 2:
            break
        p, q = pivot >> 2, pivot & 3
        for entry in range(4):
            pool[work + 16 + 4 * rank + entry] = pool[work + 4 * entry + q]
            pool[work + 24 + 4 * rank + entry] = pool[work + 4 * p + entry]
        number = 1 / pool[work + pivot]
        for row in range(4):
            factor = pool[work + 16 + 4 * rank + row] * number
            for column in range(4):
                pool[work + 4 * row + column] -= factor * pool[work + 24 + 4 * rank + column]
    return 3


@inner_code
def write_one_qubit_factors(pool: NDArray[Any], at: int, work: int, high: int, low: int) -> bool:
    """Write the one-qubit unitaries of a matrix of rank 1.

    Args:
        pool: has the matrix.
        at: where it begins.
        work: what `find_rank` wrote.
        high: where that of the higher bit goes.
        low: where that of the lower bit goes.

    Returns:
        Whether their product is the matrix.
    """
    norm = 0.0
    for entry in range(4):
        norm += abs(pool[work + 16 + entry]) ** 2
    norm = math.sqrt(norm / 2)
    for entry in range(4):
        pool[high + entry] = pool[work + 16 + entry] / norm
        pool[low + entry] = 0
    # The lower one is what is left of the matrix.
    for p in range(4):
        for q in range(4):
            entry = pool[at + 8 * (p >> 1) + 4 * (q >> 1) + 2 * (p & 1) + (q & 1)]
            pool[low + q] += pool[high + p].conjugate() * entry / 2
    for p in range(4):
        for q in range(4):
            entry = pool[at + 8 * (p >> 1) + 4 * (q >> 1) + 2 * (p & 1) + (q & 1)]
            if not abs(pool[high + p] * pool[low + q] - entry) < TOLERANCE:
                return False
    return True


@inner_code
def find_locals(pool: NDArray[Any], work: int, locals_at: int) -> bool:
    """Write the locals of a matrix of rank 2.

    `find_rank` wrote its operators.

    Returns:
        Whether they could be found.
    """
    found = _find_pair(pool, work + 16, work + 20, locals_at + HIGH_LEFT, locals_at + HIGH_RIGHT)
    return found and _find_pair(pool, work + 24, work + 28, locals_at + LOW_LEFT, locals_at + LOW_RIGHT)


@inner_code
def _find_pair(pool: NDArray[Any], first: int, second: int, left: int, right: int) -> bool:
    """Write the locals of one bit.

    The span of its two operators has two elements of rank 1, |u><v|, where the determinant vanishes, which is a
    quadratic equation. u are the columns of the left local, v* the rows of the right one.
    """
    norm = 0.0
    for entry in range(4):
        norm += abs(pool[first + entry]) ** 2
    norm = math.sqrt(norm)
    overlap = 0j
    for entry in range(4):
        pool[first + entry] /= norm
        overlap += pool[first + entry].conjugate() * pool[second + entry]
    norm = 0.0
    for entry in range(4):
        pool[second + entry] -= overlap * pool[first + entry]
        norm += abs(pool[second + entry]) ** 2
    norm = math.sqrt(norm)
    if not norm > 0:
        return False
    for entry in range(4):
        pool[second + entry] /= norm
    a = pool[first] * pool[first + 3] - pool[first + 1] * pool[first + 2]
    c = pool[second] * pool[second + 3] - pool[second + 1] * pool[second + 2]
    b = pool[first] * pool[second + 3] + pool[first + 3] * pool[second]
    b -= pool[first + 1] * pool[second + 2] + pool[first + 2] * pool[second + 1]
    root = cmath.sqrt(b * b - 4 * a * c)
    q = (b + root) / -2
    other = (b - root) / -2
    if abs(other) > abs(q):
        q = other
    if not abs(q) > 1e-6:
        return False
    _write_vectors(pool, first, second, c, q, left, right)
    _write_vectors(pool, first, second, q, a, left + 1, right + 2)
    _choose_order(pool, left, right)
    _choose_phases(pool, left, 2, 1)
    _choose_phases(pool, right, 1, 2)
    return True


@inner_code
def _write_vectors(pool: NDArray[Any], first: int, second: int, x: complex, y: complex, left: int, right: int) -> None:
    """Write the vectors of a sum of two operators.

    The sum, x times the first and y times the second, has rank 1.

    One goes to a column, one to a row.
    """
    a, b = x * pool[first] + y * pool[second], x * pool[first + 1] + y * pool[second + 1]
    c, d = x * pool[first + 2] + y * pool[second + 2], x * pool[first + 3] + y * pool[second + 3]
    one, two = math.sqrt(abs(a) ** 2 + abs(c) ** 2), math.sqrt(abs(b) ** 2 + abs(d) ** 2)
    upper, lower = (a / one, c / one) if one >= two else (b / two, d / two)
    pool[left] = upper
    pool[left + 2] = lower
    e, f = upper.conjugate() * a + lower.conjugate() * c, upper.conjugate() * b + lower.conjugate() * d
    norm = math.sqrt(abs(e) ** 2 + abs(f) ** 2)
    pool[right] = e / norm
    pool[right + 1] = f / norm


@inner_code
def _choose_order(pool: NDArray[Any], left: int, right: int) -> None:
    """Order the locals' columns and rows to be near the identity."""
    likeness = abs(pool[left]) ** 2 + abs(pool[left + 3]) ** 2 + abs(pool[right]) ** 2 + abs(pool[right + 3]) ** 2
    if likeness < 2 - TOLERANCE:
        for entry in range(2):
            column, row = left + 2 * entry, right + entry
            pool[column], pool[column + 1] = pool[column + 1], pool[column]
            pool[row], pool[row + 2] = pool[row + 2], pool[row]


@inner_code
def _choose_phases(pool: NDArray[Any], at: int, along: int, across: int) -> None:
    """Choose the phases of a local's vectors so that it becomes simple.

    It becomes the identity, X, real, or real on the diagonal and imaginary off it where it can; in any other case its
    first row or column becomes real.

    Args:
        pool: has the local.
        at: where it begins.
        along: from an entry of a vector to the next.
        across: from a vector to the next.
    """
    for vector in range(2):
        start = at + vector * across
        shown = pool[start] if abs(pool[start]) > 1e-9 else pool[start + along]
        phase = _unit(shown).conjugate()
        pool[start] *= phase
        pool[start + along] *= phase
    last = _unit(pool[at + 3])
    if abs(last.real) < TOLERANCE and abs(pool[at]) > 1e-9:
        pool[at + across] *= last.conjugate()
        pool[at + 3] *= last.conjugate()
    for entry in range(at, at + 4):
        real, imaginary = pool[entry].real, pool[entry].imag
        pool[entry] = complex(0.0 if abs(real) < ROUNDING else real, 0.0 if abs(imaginary) < ROUNDING else imaginary)
