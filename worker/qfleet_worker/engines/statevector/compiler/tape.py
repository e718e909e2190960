# SPDX-License-Identifier: Apache-2.0
"""Instructions that recompute matrices at other angles, in machine code.

All matrices of a compiled circuit, and all factors of its diagonals, lie in one *pool*. What doesn't depend on angles
is computed once. The rest is a *tape*: the instructions, in order, that compute it from the angles and the constants.
They change nothing that they haven't written themselves, so that a tape may be run any number of times.
"""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from qfleet_worker.engines.machine_code.registry import inner_code
from qfleet_worker.engines.statevector.compiler.factors import write_phases, write_split
from qfleet_worker.engines.statevector.compiler.matrices import (
    combine,
    fill_one,
    fill_turned,
    fill_two,
    one_times,
    product4,
    times_one,
)

#: Places of the pool: 1; the factor of the whole state that doesn't depend on angles, and the whole factor.
ONE, CONSTANT_PHASE, PHASE = range(3)
FIRST_FREE = 3

#: Instructions, with the columns ``OP, TO, A, B, C``: what they write to ``TO``, ``[x]`` being the matrix at x.
#: FILL: the matrix, of C entries, of the operation A with angles from B on. TURN: exp(iA), A being an angle.
#: HALVES: of the angle A, exp(-iA/2), exp(iA/2), exp(iA), exp(-2iA). COPY: C entries from A on.
#: SCALE: itself times [A]**B; if B < 0, [A] is a phase. MULTIPLY: [A] [B], one qubit.
#: ROTATE: itself with RZ of the angle A after.
#: BEFORE: itself, on A qubits, with [C] on bit B before; AFTER: with [C] after.
#: CONTROLLED: two qubits, the one-qubit [A] on bit B where the other one is C. EXCHANGED: [A], its bits exchanged.
#: PRODUCT: [A] [B], two qubits. TURNED: RX or RY, whose code is A, of the angle B, and RZ of the angle C after.
#: POWER: itself times exp(iA/2)**B, A being an angle. COMBINE: of C entries, the sum of B matrices; A is where their
#: factors lie, one after the other, and behind these the matrices.
#: SPLIT: two diagonals with a real matrix between them, whose product is [A]; the last one first. PHASES: of the
#: two-qubit [A], a diagonal between the one-qubit matrices at B; see `factors.write_phases`.
FILL, TURN, HALVES, COPY, SCALE, MULTIPLY, ROTATE, BEFORE, AFTER, CONTROLLED, EXCHANGED, PRODUCT, TURNED = range(13)
POWER, COMBINE, SPLIT, PHASES = range(13, 17)
OP, TO, A, B, C = range(5)
TAPE_COLUMNS = 5


@inner_code
def perform(  # noqa: C901 - a branch for each instruction
    op: int, to: int, a: int, b: int, c: int, pool: NDArray[Any], half_phases: NDArray[Any]
) -> None:
    """Execute one instruction; `half_phases` are the half-angle phases of all angles."""
    if op == FILL:
        if c == 4:
            fill_one(a, half_phases, b, pool[to : to + 4])
        else:
            fill_two(a, half_phases, b, pool[to : to + c])
    elif op == TURNED:
        fill_turned(a, half_phases[b], half_phases[c], pool[to : to + 4])
    elif op == MULTIPLY:
        p, q, r, s = pool[a], pool[a + 1], pool[a + 2], pool[a + 3]
        t, u, v, w = pool[b], pool[b + 1], pool[b + 2], pool[b + 3]
        pool[to] = p * t + q * v
        pool[to + 1] = p * u + q * w
        pool[to + 2] = r * t + s * v
        pool[to + 3] = r * u + s * w
    elif op == ROTATE:
        high = half_phases[a]
        low = high.conjugate()
        pool[to] *= low
        pool[to + 1] *= low
        pool[to + 2] *= high
        pool[to + 3] *= high
    elif op == BEFORE:
        times_one(pool, to, a, b, pool[c : c + 4])
    elif op == AFTER:
        one_times(pool, to, a, b, pool[c : c + 4])
    elif op == SCALE:
        factor = pool[a] if b > 0 else pool[a].conjugate()
        for _ in range(abs(b)):
            pool[to] *= factor
    elif op == TURN:
        pool[to] = half_phases[a] * half_phases[a]
    elif op == HALVES:
        half = half_phases[a]
        pool[to] = half.conjugate()
        pool[to + 1] = half
        pool[to + 2] = half * half
        pool[to + 3] = (pool[to + 2] * pool[to + 2]).conjugate()
    elif op == COPY:
        for at in range(c):
            pool[to + at] = pool[a + at]
    elif op == CONTROLLED:
        for entry in range(16):
            row, column = entry >> 2, entry & 3
            rest = 1 - b
            if row >> rest & 1 != column >> rest & 1:
                pool[to + entry] = 0
            elif row >> rest & 1 == c:
                pool[to + entry] = pool[a + 2 * (row >> b & 1) + (column >> b & 1)]
            else:
                pool[to + entry] = 1 if row == column else 0
    elif op == EXCHANGED:
        for entry in range(16):
            row, column = entry >> 2, entry & 3
            pool[to + entry] = pool[a + 4 * ((row & 1) << 1 | row >> 1) + ((column & 1) << 1 | column >> 1)]
    elif op == POWER:
        phase = half_phases[a] if b > 0 else half_phases[a].conjugate()
        for _ in range(abs(b)):
            pool[to] *= phase
    elif op == COMBINE:
        combine(pool[a : a + b * (1 + c)], b, pool[to : to + c])
    elif op == SPLIT:
        write_split(pool, a, to)
    elif op == PHASES:
        write_phases(pool, a, b, to)
    else:
        product4(pool, to, a, b)


@inner_code
def run_tape(tape: NDArray[Any], pool: NDArray[Any], half_phases: NDArray[Any]) -> None:
    """Compute all of the pool that depends on angles.

    `half_phases` are the half-angle phases of the angles.
    """
    pool[PHASE] = pool[CONSTANT_PHASE]
    for at in range(len(tape)):
        perform(tape[at, OP], tape[at, TO], tape[at, A], tape[at, B], tape[at, C], pool, half_phases)
