# SPDX-License-Identifier: Apache-2.0
"""Terms of diagonals collected over a stretch, in machine code.

Terms go on until a gate changes one of their wires; those with the same wires become one on their way, or cancel each
other. Matrices that meet on their wires are joined.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from qfleet_worker.engines.machine_code.registry import inner_code, machine_code
from qfleet_worker.engines.statevector.compiler.collected import Collected, append_gate, copy_row, flush_terms
from qfleet_worker.engines.statevector.compiler.draft import (
    AT,
    CHANGES,
    COLUMNS,
    DIAGONAL,
    GATES,
    KIND,
    NOTHING,
    SIZE,
    TERMS,
    Draft,
    has_room_for,
)
from qfleet_worker.engines.statevector.compiler.joining import is_plain, join
from qfleet_worker.engines.statevector.compiler.terms import can_be_raised, multiply_term
from qfleet_worker.engines.statevector.kernels.bits import popcount
from qfleet_worker.engines.statevector.kernels.layout import TERM_COLUMNS, TERM_FACTOR, TERM_MASK, TERM_VALUE

#: Terms that go on at most.
MOST_WAITING = 96
#: Gates that a gate becomes at most; and terms whose room is enough to join two matrices.
MOST_MADE, JOIN_ROOM = 5, 16
#: Terms that two joined matrices leave at most.
MOST_PHASES = 3


@machine_code
def collect_terms(draft: Draft) -> int:
    """Let terms go on, and turn signs into controlled X.

    Returns:
        How many controlled X were made.
    """
    number, flips, growth = draft.counts[GATES], 0, 0
    collected = Collected(
        np.empty((len(draft.gates), COLUMNS), np.int64), np.empty((len(draft.terms), TERM_COLUMNS), np.int64),
        np.zeros(2, np.int64), np.full(len(draft.last), -1, np.int64), draft.counts[TERMS],
    )  # fmt: skip
    for at in range(number):
        gate = draft.gates[at]
        if gate[KIND] == NOTHING:
            continue
        added = _raised(draft, gate) if gate[KIND] == DIAGONAL else JOIN_ROOM
        fits = added <= MOST_WAITING and _fits(draft, collected, growth, added, number - at)
        if gate[KIND] == DIAGONAL and fits:
            growth += max(0, added - gate[SIZE])
            _take(draft, collected, gate, added)
            continue
        made = join(draft, collected, gate) if fits and is_plain(draft, gate) else -1
        flips += max(made, 0)
        growth += MOST_PHASES if made >= 0 else 0
        if made < 0:
            flush_terms(draft, collected, gate[CHANGES])
            append_gate(draft, collected, gate)
    flush_terms(draft, collected, -1)
    _copy_back(draft, collected)
    return flips


@inner_code
def _fits(draft: Draft, collected: Collected, growth: int, added: int, left: int) -> bool:
    """Tell whether there is room for what a gate becomes.

    Args:
        draft: has the room.
        collected: the gates so far.
        growth: how many terms there may be more than there were.
        added: terms that the gate becomes.
        left: gates that are left.
    """
    going_on = draft.counts[TERMS] - collected.first + added
    # Each term that goes on may become a gate.
    fits = collected.counts[0] + going_on + left + MOST_MADE < len(draft.gates)
    return bool(fits and has_room_for(draft, growth + added))


@inner_code
def _copy_back(draft: Draft, collected: Collected) -> None:
    """Replace the gates of a draft by those collected."""
    to = 0
    for at in range(collected.counts[0]):
        if collected.gates[at, KIND] != NOTHING:
            copy_row(collected.gates[at], draft.gates[to])
            to += 1
    for at in range(collected.counts[1]):
        copy_row(collected.terms[at], draft.terms[at])
    draft.counts[GATES], draft.counts[TERMS] = to, collected.counts[1]


@inner_code
def _raised(draft: Draft, gate: NDArray[Any]) -> int:
    """Count the terms without zeros that a diagonal's terms become.

    There are too many if one of them can't become such.
    """
    number = 0
    for at in range(gate[AT], gate[AT] + gate[SIZE]):
        if not can_be_raised(draft, draft.terms[at]):
            return MOST_WAITING + 1
        number += 1 << popcount(draft.terms[at, TERM_MASK] & ~draft.terms[at, TERM_VALUE])
    return number


@inner_code
def _take(draft: Draft, collected: Collected, gate: NDArray[Any], added: int) -> None:
    """Let a diagonal's terms go on; they become `added` at most."""
    if draft.counts[TERMS] - collected.first + added > MOST_WAITING:
        flush_terms(draft, collected, -1)
    for at in range(gate[AT], gate[AT] + gate[SIZE]):
        term = draft.terms[at]
        multiply_term(draft, collected.first, term[TERM_MASK], term[TERM_VALUE], term[TERM_FACTOR], 1)
