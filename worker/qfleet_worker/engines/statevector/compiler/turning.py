# SPDX-License-Identifier: Apache-2.0
"""Signs and RX as controlled X and RZ, in machine code.

A circuit that was transpiled to CZ has them where it had CX and RZ. So pairs of signs around RX are found as pairs of
controlled X around diagonals are; see `compiler.parities`.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from qfleet_worker.engines.machine_code.registry import inner_code, machine_code
from qfleet_worker.engines.statevector.compiler.draft import (
    AT,
    CHANGES,
    COLUMNS,
    CONTROLS,
    DENSE,
    DIAGONAL,
    FLIP,
    GATES,
    KIND,
    READS,
    SHAPE,
    SIZE,
    TARGETS,
    TERMS,
    VALUES,
    Draft,
    has_room_for,
    room,
    write,
)
from qfleet_worker.engines.statevector.compiler.factors import ROUNDING
from qfleet_worker.engines.statevector.compiler.shapes import MIXED, REAL
from qfleet_worker.engines.statevector.compiler.tape import CONSTANT_PHASE
from qfleet_worker.engines.statevector.kernels.bits import popcount
from qfleet_worker.engines.statevector.kernels.layout import TERM_FACTOR, TERM_MASK, TERM_VALUE

#: Gates on a wire that a run has at most.
LONGEST = 64
#: RX from which on a run is turned: two H are needed for it.
FEWEST_TURNED = 2
_SAME = math.sqrt(0.5)


class _Run(NamedTuple):
    """The gates of a run on a wire."""

    #: int64, shape (LONGEST,): their numbers
    gates: NDArray[Any]
    #: int64, shape (3,): how many there are; the first and the last one of those that are turned, or -1
    counts: NDArray[Any]


@machine_code
def turn_runs(draft: Draft) -> int:
    """Turn runs of signs and RX in which a sign comes again.

    Returns:
        How many runs were turned.
    """
    number = int(draft.counts[GATES])
    run = _Run(np.empty(LONGEST, np.int64), np.zeros(3, np.int64))
    # The wires with an H before each gate, and after it.
    turned = np.zeros((number, 2), np.int64)
    runs = 0
    for wire in range(len(draft.last)):
        _begin(run)
        for at in range(number):
            gate = draft.gates[at]
            if not (gate[CHANGES] | gate[READS]) >> wire & 1:
                continue
            if not _joins(draft, run, at, wire):
                runs += _turn(draft, run, wire, turned)
                _begin(run)
        runs += _turn(draft, run, wire, turned)
    if runs:
        _add_hadamards(draft, turned, 2 * runs)
    return runs


@inner_code
def _begin(run: _Run) -> None:
    """Begin a run."""
    run.counts[0] = 0
    run.counts[1] = -1
    run.counts[2] = -1


@inner_code
def _is_sign(draft: Draft, at: int, wire: int) -> bool:
    """Tell whether a gate is a sign on a wire and others.

    That of the wire is 1.
    """
    gate = draft.gates[at]
    if gate[KIND] != DIAGONAL or gate[SIZE] != 1:
        return False
    term = draft.terms[gate[AT]]
    factor = term[TERM_FACTOR]
    if not term[TERM_VALUE] >> wire & 1 or popcount(term[TERM_MASK]) < 2:
        return False
    return bool(not draft.varies[factor] and abs(draft.pool[factor] + 1) < ROUNDING)


@inner_code
def _is_rotation(draft: Draft, at: int) -> bool:
    """Tell whether a gate is a constant RX but for its phase."""
    gate = draft.gates[at]
    if gate[KIND] != DENSE or gate[SIZE] != 1 or gate[CONTROLS] != 0 or draft.varies[gate[AT]]:
        return False
    a, b, c, d = draft.pool[gate[AT]], draft.pool[gate[AT] + 1], draft.pool[gate[AT] + 2], draft.pool[gate[AT] + 3]
    if gate[SHAPE] & MIXED == 0 or abs(a - d) + abs(b - c) > ROUNDING:
        return False
    return bool(abs(abs(a + b) - 1) < ROUNDING)


@inner_code
def _joins(draft: Draft, run: _Run, at: int, wire: int) -> bool:
    """Add the next gate on a wire to its run.

    Returns:
        Whether it is a sign or an RX, and there is room for it.
    """
    counts, size = run.counts, run.counts[0]
    is_sign = _is_sign(draft, at, wire)
    if size == LONGEST or not (is_sign or _is_rotation(draft, at)):
        return False
    run.gates[size] = at
    counts[0] = size + 1
    if not is_sign:
        return True
    term = draft.terms[draft.gates[at, AT]]
    others, changed, place = term[TERM_MASK] & ~(1 << wire), 0, at - 1
    for member in range(size - 1, -1, -1):
        while place > run.gates[member]:
            changed |= draft.gates[place, CHANGES]
            place -= 1
        if changed & others:
            return True
        if not _is_sign(draft, place, wire):
            continue
        before = draft.terms[draft.gates[place, AT]]
        if before[TERM_MASK] == term[TERM_MASK] and before[TERM_VALUE] == term[TERM_VALUE]:
            counts[1] = member if counts[1] < 0 else min(counts[1], member)
            counts[2] = size
            return True
    return True


@inner_code
def _turn(draft: Draft, run: _Run, wire: int, turned: NDArray[Any]) -> int:
    """Turn a run from the first sign that comes again.

    It is turned up to the last one that is one again.

    Returns:
        1 if that has enough RX, and there is room; else 0.
    """
    first, last, rotations = run.counts[1], run.counts[2], 0
    if last < 0:
        return 0
    for member in range(first, last + 1):
        rotations += 1 if draft.gates[run.gates[member], KIND] == DENSE else 0
    if rotations < FEWEST_TURNED or not has_room_for(draft, rotations):
        return 0
    if draft.counts[GATES] + 2 * (len(draft.last) + 1) >= len(draft.gates):
        return 0
    bit = 1 << wire
    for member in range(first, last + 1):
        gate = draft.gates[run.gates[member]]
        if gate[KIND] == DENSE:
            _make_diagonal(draft, gate, bit)
            continue
        term = draft.terms[gate[AT]]
        gate[KIND], gate[SIZE], gate[TARGETS] = FLIP, 0, wire
        gate[CHANGES] = bit
        gate[READS] = gate[CONTROLS] = term[TERM_MASK] & ~bit
        gate[VALUES] = term[TERM_VALUE] & ~bit
    turned[run.gates[first], 0] |= bit
    turned[run.gates[last], 1] |= bit
    return 1


@inner_code
def _make_diagonal(draft: Draft, gate: NDArray[Any], bit: int) -> None:
    """Replace an RX by the diagonal that it is between two H."""
    pool, place, term = draft.pool, gate[AT], int(draft.counts[TERMS])
    phase, other = pool[place] + pool[place + 1], pool[place] - pool[place + 1]
    pool[CONSTANT_PHASE] *= phase
    factor = room(draft, 1)
    write(draft, factor, other * phase.conjugate())
    draft.counts[TERMS] = term + 1
    draft.terms[term, TERM_MASK] = bit
    draft.terms[term, TERM_VALUE] = bit
    draft.terms[term, TERM_FACTOR] = factor
    gate[KIND], gate[CHANGES], gate[READS], gate[AT], gate[SIZE] = DIAGONAL, 0, bit, term, 1


@inner_code
def _add_hadamards(draft: Draft, turned: NDArray[Any], added: int) -> None:
    """Add H before and after gates, on the wires of `turned`."""
    hadamard = room(draft, 4)
    for entry in range(4):
        write(draft, hadamard + entry, complex(-_SAME if entry == 3 else _SAME))
    to = int(draft.counts[GATES]) + added
    at = int(draft.counts[GATES])
    draft.counts[GATES] = to
    while to > at:
        at -= 1
        to = _add_layer(draft, turned[at, 1], hadamard, to)
        to -= 1
        for column in range(COLUMNS):
            draft.gates[to, column] = draft.gates[at, column]
        to = _add_layer(draft, turned[at, 0], hadamard, to)


@inner_code
def _add_layer(draft: Draft, wires: int, hadamard: int, to: int) -> int:
    """Add H on some wires before gate `to`.

    Returns:
        The number of the first.
    """
    for wire in range(len(draft.last)):
        if not wires >> wire & 1:
            continue
        to -= 1
        gate = draft.gates[to]
        gate[:] = 0
        gate[KIND], gate[SIZE], gate[TARGETS] = DENSE, 1, wire
        gate[CHANGES] = 1 << wire
        gate[AT] = hadamard
        gate[SHAPE] = REAL
    return to
