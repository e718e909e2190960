# SPDX-License-Identifier: Apache-2.0
"""Products of terms of diagonals, in machine code.

A term whose value has zeros is a product of terms without: where x is 0 is everywhere, less where x is 1. Only those
without zeros are multiplied, so that terms which cancel each other are found.
"""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from qfleet_worker.engines.machine_code.registry import inner_code
from qfleet_worker.engines.statevector.compiler.draft import TERMS, Draft, instruct, room, varying
from qfleet_worker.engines.statevector.compiler.factors import ROUNDING
from qfleet_worker.engines.statevector.compiler.tape import CONSTANT_PHASE, COPY, ONE, PHASE, SCALE
from qfleet_worker.engines.statevector.kernels.bits import is_odd, popcount
from qfleet_worker.engines.statevector.kernels.layout import TERM_FACTOR, TERM_MASK, TERM_VALUE

#: Zeros that the value of a term may have; each doubles the terms that it becomes.
MOST_ZEROS = 2


@inner_code
def can_be_raised(draft: Draft, term: NDArray[Any]) -> bool:
    """Tell whether a term is a product of some without zeros.

    Its factor must be a phase, since the power of some of these is negative.
    """
    if popcount(term[TERM_MASK] & ~term[TERM_VALUE]) > MOST_ZEROS:
        return False
    factor = term[TERM_FACTOR]
    if not abs(abs(draft.pool[factor]) - 1) < ROUNDING:
        return False
    return not draft.varies[factor] or abs(abs(draft.second_pool[factor]) - 1) < ROUNDING


@inner_code
def multiply_term(draft: Draft, first: int, mask: int, value: int, factor: int, power: int) -> None:
    """Multiply a power of a term into the last terms.

    Args:
        draft: has the terms.
        first: the number of the first one that it may be multiplied into; none of these has zeros.
        mask: the term's.
        value: the term's.
        factor: where the term's lies in the pool.
        power: what that is raised to; negative only for phases.
    """
    zeros, subset = mask & ~value, 0
    while True:
        _multiply(draft, first, value | subset, factor, -power if is_odd(subset) else power)
        subset = (subset - zeros) & zeros
        if subset == 0:
            return


@inner_code
def _multiply(draft: Draft, first: int, mask: int, factor: int, power: int) -> None:
    """Multiply a power of a term without zeros into the last terms."""
    varies = draft.varies[factor]
    if mask == 0:
        instruct(draft, varies, SCALE, PHASE if varies else CONSTANT_PHASE, 1, factor, power, 0)
        return
    end = int(draft.counts[TERMS])
    at = first
    while at < end and draft.terms[at, TERM_MASK] != mask:
        at += 1
    if at == end:
        # There is room: see `has_room_for`.
        draft.counts[TERMS] = end + 1
        place = room(draft, 1)
        draft.terms[at, TERM_MASK] = mask
        draft.terms[at, TERM_VALUE] = mask
        draft.terms[at, TERM_FACTOR] = place
        instruct(draft, varies, COPY, place, 1, factor if power == 1 else ONE, 0, 1)
        if power == 1:
            return
    place = draft.terms[at, TERM_FACTOR]
    if varies:
        place = varying(draft, place, 1)
        draft.terms[at, TERM_FACTOR] = place
    instruct(draft, draft.varies[place], SCALE, place, 1, factor, power, 0)
