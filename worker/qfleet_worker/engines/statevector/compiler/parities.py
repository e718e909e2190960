# SPDX-License-Identifier: Apache-2.0
"""Controlled X around diagonals as diagonals of parities, in machine code.

CX, RZ, CX is a rotation by the parity of two qubits, and so on with more of them: a Pauli exponential on k qubits, or
the CX and T that a Toffoli gate was made of, is a diagonal between one-qubit gates. Of two equal controlled X with
only diagonals between them, or what else commutes with them, both vanish: in the diagonals, the target t becomes
``t xor g``, where g says that the controls hold. As ``t xor g = t + g - 2 t g``, a term becomes three.
"""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from qfleet_worker.engines.machine_code.registry import inner_code, machine_code
from qfleet_worker.engines.statevector.compiler.collecting import collect_terms
from qfleet_worker.engines.statevector.compiler.draft import (
    AT,
    CHANGES,
    CONTROLS,
    DIAGONAL,
    FLIP,
    GATES,
    KIND,
    NOTHING,
    READS,
    SIZE,
    TERMS,
    VALUES,
    Draft,
    has_room_for,
    is_one,
)
from qfleet_worker.engines.statevector.compiler.factors import ROUNDING
from qfleet_worker.engines.statevector.compiler.terms import can_be_raised, multiply_term
from qfleet_worker.engines.statevector.compiler.turning import turn_runs
from qfleet_worker.engines.statevector.kernels.bits import is_odd, popcount
from qfleet_worker.engines.statevector.kernels.layout import TERM_COLUMNS, TERM_FACTOR, TERM_MASK, TERM_VALUE

#: Gates among which the other one of a pair is sought.
LOOK_BACK = 128
#: Wires of a term at most, and terms that a pair makes at most: with more, their tables take longer than the pair.
MOST_WIRES, MOST_TERMS = 6, 64


@machine_code
def simplify_flips(draft: Draft) -> None:
    """Replace controlled X by parities, and signs by controlled X."""
    if _any_sign(draft):
        turn_runs(draft)
        collect_terms(draft)
    while fold_flips(draft) and collect_terms(draft):
        # An X made of signs may be one of a pair.
        pass


@inner_code
def _any_sign(draft: Draft) -> bool:
    """Tell whether any term on several wires is a sign."""
    for at in range(draft.counts[GATES]):
        gate = draft.gates[at]
        if gate[KIND] != DIAGONAL:
            continue
        for term in range(gate[AT], gate[AT] + gate[SIZE]):
            mask, factor = draft.terms[term, TERM_MASK], draft.terms[term, TERM_FACTOR]
            if mask & (mask - 1) and abs(draft.pool[factor] + 1) < ROUNDING and not draft.varies[factor]:
                return True
    return False


@inner_code
def fold_flips(draft: Draft) -> int:
    """Remove pairs of equal controlled X around diagonals.

    Returns:
        How many pairs there were.
    """
    gates, pairs = draft.gates, 0
    for second in range(draft.counts[GATES]):
        if gates[second, KIND] != FLIP:
            continue
        first = _partner(gates, second)
        if first < 0 or not _may_fold(draft, first, second):
            continue
        for at in range(first + 1, second):
            if gates[at, KIND] == DIAGONAL and gates[at, READS] & gates[second, CHANGES]:
                _conjugate(draft, at, gates[second])
        for at in (first, second):
            gates[at] = 0
            gates[at, KIND] = NOTHING
        pairs += 1
    return pairs


@inner_code
def _partner(gates: NDArray[Any], at: int) -> int:
    """Return the equal gate that a controlled X can be moved to.

    It may pass diagonals on its target. The number is -1 if there is none nearby.
    """
    target, controls = gates[at, CHANGES], gates[at, CONTROLS]
    for before in range(at - 1, max(at - LOOK_BACK, 0) - 1, -1):
        changes, reads, kind = gates[before, CHANGES], gates[before, READS], gates[before, KIND]
        if (changes | reads) & (target | controls) == 0:
            continue
        if kind == FLIP and changes == target:
            if gates[before, CONTROLS] == controls and gates[before, VALUES] == gates[at, VALUES]:
                return before
            if reads & target == 0:
                continue
        if changes & (target | controls) or (reads & target and kind != DIAGONAL):
            return -1
    return -1


@inner_code
def _may_fold(draft: Draft, first: int, second: int) -> bool:
    """Tell whether the diagonals between a pair stay simple without it."""
    gates = draft.gates
    target, controls = gates[second, CHANGES], gates[second, CONTROLS]
    added = 0
    for at in range(first + 1, second):
        if gates[at, KIND] != DIAGONAL or gates[at, READS] & target == 0:
            continue
        if controls & (controls - 1):
            # An X with several controls touches few amplitudes, and takes less time than more terms.
            return False
        for term in range(gates[at, AT], gates[at, AT] + gates[at, SIZE]):
            mask, value = draft.terms[term, TERM_MASK], draft.terms[term, TERM_VALUE]
            if popcount(mask | controls) > MOST_WIRES or not can_be_raised(draft, draft.terms[term]):
                return False
            added += (3 if mask & target else 1) << popcount(mask & ~value)
    added <<= popcount(controls & ~gates[second, VALUES])
    return added <= MOST_TERMS and has_room_for(draft, added)


@inner_code
def _conjugate(draft: Draft, at: int, flip: NDArray[Any]) -> None:
    """Replace a diagonal by what it is between two equal controlled X."""
    gate, terms, target = draft.gates[at], draft.terms, flip[CHANGES]
    first = int(draft.counts[TERMS])
    begin, end = gate[AT], gate[AT] + gate[SIZE]
    for term in range(begin, end):
        mask, value, factor = terms[term, TERM_MASK], terms[term, TERM_VALUE], terms[term, TERM_FACTOR]
        multiply_term(draft, first, mask, value, factor, 1)
        if not mask & target:
            continue
        zeros, subset = flip[CONTROLS] & ~flip[VALUES], 0
        while True:
            # The controls hold where those that must be 1 are 1, less where one of the others is 1, too ..
            held, power = flip[VALUES] | subset, -1 if is_odd(subset) else 1
            if value & target:
                power = -power
            if held & mask & ~value == 0:
                multiply_term(draft, first, mask & ~target | held, value & ~target | held, factor, -power)
                multiply_term(draft, first, mask | held | target, value | held | target, factor, 2 * power)
            subset = (subset - zeros) & zeros
            if subset == 0:
                break
    _keep_terms(draft, gate, first)


@inner_code
def _keep_terms(draft: Draft, gate: NDArray[Any], first: int) -> None:
    """Give a diagonal the terms from `first` on that aren't 1."""
    terms, counts = draft.terms, draft.counts
    to = gate[AT] if gate[AT] + gate[SIZE] == first else first
    gate[AT], gate[SIZE], gate[READS] = to, 0, 0
    for term in range(first, counts[TERMS]):
        if is_one(draft, terms[term, TERM_FACTOR]):
            continue
        for column in range(TERM_COLUMNS):
            terms[to, column] = terms[term, column]
        gate[READS] |= terms[to, TERM_MASK]
        gate[SIZE] += 1
        to += 1
    counts[TERMS] = to
    if gate[SIZE] == 0:
        gate[KIND] = NOTHING
