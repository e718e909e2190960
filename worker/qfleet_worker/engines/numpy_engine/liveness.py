# SPDX-License-Identifier: Apache-2.0
"""Which clbits and variables may still be read?

Names are masks: a bit for each clbit, and above these a bit for each variable. What a clbit gives at the end is no
reading: each shot keeps what it wrote.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from qfleet.wire.expressions import Binary, Bit, Bits, Cast, Expression, Index, Unary, Variable


class Names(NamedTuple):
    """What one operation does with names."""

    #: read by it
    reads: int = 0
    #: changed by it, in part or wholly
    changes: int = 0
    #: given values that don't depend on those before
    overwrites: int = 0


NOTHING = Names()


def of_condition(num_clbits: int, expression: Expression) -> Names:
    """The names of an expression's value."""
    return Names(_mentioned(expression, num_clbits))


def of_store(num_clbits: int, place: Expression, value: Expression) -> Names:
    """The names of a value that is stored."""
    reads = _mentioned(value, num_clbits)
    if isinstance(place, Index):
        return Names(reads | _mentioned(place, num_clbits), _mentioned(place.target, num_clbits))
    whole = _mentioned(place, num_clbits)
    return Names(reads, whole, whole)


def _mentioned(expression: Expression, num_clbits: int) -> int:
    match expression:
        case Bit(clbit):
            return 1 << clbit
        case Bits(clbits):
            return sum({1 << clbit for clbit in clbits})
        case Variable(index):
            return 1 << (num_clbits + index)
        case Unary(_, operand) | Cast(_, operand):
            return _mentioned(operand, num_clbits)
        case Binary(_, left, right):
            return _mentioned(left, num_clbits) | _mentioned(right, num_clbits)
        case Index(target, index):
            return _mentioned(target, num_clbits) | _mentioned(index, num_clbits)
        case _:
            return 0


class InNames(NamedTuple):
    """What a block means for names."""

    #: for each step the names that it overwrites
    steps: Sequence[int]
    #: what is done at its end
    end: Names
    #: the blocks that may come next
    goals: Sequence[int]


def live_names(blocks: Sequence[InNames]) -> list[list[int]]:
    """For each block the names that may still be read: before each of its steps, and after the last of them."""
    begins = [0] * len(blocks)
    live: list[list[int]] = [[]] * len(blocks)
    changed = True
    while changed:
        changed = False
        for number in range(len(blocks) - 1, -1, -1):
            block = blocks[number]
            needed = 0
            for goal in block.goals:
                needed |= begins[goal]
            needed = needed & ~block.end.overwrites | block.end.reads
            if live[number] and live[number][-1] == needed:
                continue
            rows = [needed]
            for overwritten in reversed(block.steps):
                needed &= ~overwritten
                rows.append(needed)
            rows.reverse()
            live[number], begins[number] = rows, needed
            changed = True
    return live


@lru_cache(maxsize=1024)
def places(names: int) -> tuple[int, ...]:
    """The places of the bits that are set."""
    found = []
    while names:
        lowest = names & -names
        found.append(lowest.bit_length() - 1)
        names ^= lowest
    return tuple(found)
