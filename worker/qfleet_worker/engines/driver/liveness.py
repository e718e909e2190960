# SPDX-License-Identifier: Apache-2.0
"""Live clbits and variables: those that may still be read.

A mask has a bit for each name of a `Scope`. A clbit's value at the end isn't a reading: each shot keeps what it wrote.
It is never wrong to call too many names live: fewer states are then taken to be the same. That is done where exact
masks would take too much memory or time.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from qfleet_worker.engines.bits import mask_of
from qfleet_worker.engines.driver.limits import DEFAULT_LIMITS, DriverLimits

_NO_NAMES: Final = frozenset[int]()


class NameEffects(NamedTuple):
    """Names that one operation reads and changes.

    Operations share these sets.
    """

    #: read by it: all in any of these
    reads: tuple[frozenset[int], ...] = ()
    #: changed by it, in part or wholly
    changes: frozenset[int] = _NO_NAMES
    #: given values that don't depend on those before
    overwrites: frozenset[int] = _NO_NAMES


NOTHING: Final = NameEffects()


class BlockNames(NamedTuple):
    """Names that a block reads and changes."""

    #: for each step the names that it overwrites
    steps: Sequence[frozenset[int]]
    #: the names that its end reads and changes
    end: NameEffects
    #: the blocks that may come next
    goals: Sequence[int]


def live_names(blocks: Sequence[BlockNames], width: int, limits: DriverLimits = DEFAULT_LIMITS) -> list[list[int]]:
    """Return the live names of each block, before and after each step.

    A block has a mask before each step, and one after its last step.

    Args:
        blocks: the names that each block reads and changes.
        width: how many names there are.
        limits: the bytes of masks, and the visits of blocks.
    """
    masks = _Masks(width, limits.mask_bytes)
    begins = _begins(blocks, masks, limits.mask_visits) if masks.fit(2 * len(blocks)) else None
    if begins is not None:
        rows = _rows(blocks, begins, masks)
        if rows is not None:
            return rows
    every = mask_of({name for block in blocks for reads in block.end.reads for name in reads}, width)
    return [[every] * (len(block.steps) + 1) for block in blocks]


class _Masks:
    """Masks of sets of names, one for each set."""

    def __init__(self, width: int, limit_bytes: int) -> None:
        self._width = width
        self._limit_bytes = limit_bytes
        self._size = -(-width // 8)
        #: by the id of a set, which is kept here
        self._known: dict[int, tuple[frozenset[int], int]] = {}

    def fit(self, number: int) -> bool:
        """Tell whether there is memory for some further masks.

        They are counted beside the masks of sets.
        """
        return (number + len(self._known)) * self._size <= self._limit_bytes

    def of(self, names: Iterable[frozenset[int]]) -> int:
        """Return the mask of the names in any of these sets."""
        mask = 0
        for each in names:
            if each:
                if id(each) not in self._known:
                    self._known[id(each)] = each, mask_of(each, self._width)
                mask |= self._known[id(each)][1]
        return mask


def _begins(blocks: Sequence[BlockNames], masks: _Masks, visits: int) -> list[int] | None:
    """Return the live names at the beginning of each block.

    It is ``None`` where that takes too much time or memory.
    """
    before: list[list[int]] = [[] for _ in blocks]
    for number, block in enumerate(blocks):
        for goal in block.goals:
            before[goal].append(number)
    begins = [0] * len(blocks)
    overwritten = [masks.of(block.steps) for block in blocks]
    # The last block first: so most reads are found in one pass.
    waiting = [-number for number in range(len(blocks) - 1, -1, -1)]
    is_waiting = [True] * len(blocks)
    for _ in range(visits * len(blocks)):
        if not waiting:
            return begins
        number = -heapq.heappop(waiting)
        is_waiting[number] = False
        block = blocks[number]
        needed = _at_end(block, begins, masks) & ~overwritten[number]
        if not masks.fit(2 * len(blocks)):
            return None
        if needed != begins[number]:
            begins[number] = needed
            for other in before[number]:
                if not is_waiting[other]:
                    is_waiting[other] = True
                    heapq.heappush(waiting, -other)
    return None if waiting else begins


def _at_end(block: BlockNames, begins: Sequence[int], masks: _Masks) -> int:
    """Return the live names before a block's end reads or stores."""
    needed = 0
    for goal in block.goals:
        needed |= begins[goal]
    return needed & ~masks.of([block.end.overwrites]) | masks.of(block.end.reads)


def _rows(blocks: Sequence[BlockNames], begins: Sequence[int], masks: _Masks) -> list[list[int]] | None:
    """Return the live names in each block.

    It is ``None`` where that takes too much memory.
    """
    made = len(blocks)
    live = []
    for block in blocks:
        needed = _at_end(block, begins, masks)
        rows = [needed]
        for overwritten in reversed(block.steps):
            mask = masks.of([overwritten])
            # Most steps overwrite nothing that is live, and share a mask.
            if needed & mask:
                needed &= ~mask
                made += 1
            rows.append(needed)
        if not masks.fit(made):
            return None
        rows.reverse()
        live.append(rows)
    return live
