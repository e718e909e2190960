# SPDX-License-Identifier: Apache-2.0
"""The order of gates, and their local wires, in machine code.

A *stage* chooses some wires as local. Chunks of the amplitudes over these wires are small enough for a core's cache,
and every gate that changes local wires only is applied chunk by chunk. Controls and diagonals needn't be local. Gates
that don't fit wait for a later stage; a gate may overtake those that it commutes with because they share no wire, or
only look at the wires that they share.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from qfleet_worker.engines.contract import CompilerError
from qfleet_worker.engines.machine_code.registry import built_in, inner_code, machine_code
from qfleet_worker.engines.statevector.compiler.draft import (
    CHANGES,
    CONTROLS,
    DENSE,
    DIAGONAL,
    FLIP,
    KIND,
    NOTHING,
    READS,
    SHAPE,
    SIZE,
    TARGETS,
)
from qfleet_worker.engines.statevector.compiler.frame import Frame, lane_wires
from qfleet_worker.engines.statevector.compiler.local_wires import better_locals, first_locals
from qfleet_worker.engines.statevector.compiler.shapes import MIXED, REAL
from qfleet_worker.engines.statevector.kernels.bits import popcount
from qfleet_worker.engines.statevector.kernels.permutations import BLOCK_BITS

#: What an item is made of: one gate; one-qubit gates of a kind; diagonals.
SINGLE, REAL_GROUP, MIXED_GROUP, FULL_GROUP, MERGED = range(5)
#: High targets of a group at most.
GROUP_HIGH = 3
#: Wires from which on a pass over the state takes longer than a search for better local wires.
SEARCH_WIRES = 18
#: Index bits of a chunk up to which, and passes from which on, many X are one linear permutation.
LINEAR_BITS, LINEAR_PASSES = 13, 4


class Order(NamedTuple):
    """The gates in the order of their stages."""

    #: int64, shape (gates,)
    gates: NDArray[Any]
    #: int64, shape (stages,): the local wires of each stage as a mask, and where its gates end
    local: NDArray[Any]
    ends: NDArray[Any]


class Items(NamedTuple):
    """A stage's gates in items; item i ends at ``bounds[i]``.

    Each item becomes one pass over a chunk.
    """

    #: int64, shape (gates,)
    gates: NDArray[Any]
    #: int64, shape (items,), with room for an item of each gate
    bounds: NDArray[Any]
    kinds: NDArray[Any]


@machine_code
def new_items(number: int) -> Items:
    """Return room for the items of at most `number` gates."""
    number = max(number, 1)
    return Items(np.empty(number, np.int64), np.empty(number, np.int64), np.empty(number, np.int64))


@machine_code
def stages(gates: NDArray[Any], num_wires: int, local_bits: int, run_bits: int, order: Order) -> int:
    """Divide gates into stages.

    Args:
        gates: int64, shape (gates, columns): those of a draft.
        num_wires: wires of the state.
        local_bits: how many wires are local at most.
        run_bits: how many of the lowest wires are always local, for what is copied to be contiguous.
        order: what is written.

    Returns:
        How many stages there are.

    Raises:
        CompilerError: `order` has no room, or a gate changes more wires than may be local.
    """
    local, ends = order.local, order.ends
    number = len(gates)
    waiting = np.empty(number, np.int64)
    left = 0
    for at in range(number):
        if gates[at, KIND] != NOTHING:
            waiting[left] = at
            left += 1
    every = (1 << num_wires) - 1
    always = (1 << min(run_bits, num_wires)) - 1 if num_wires > local_bits else every
    taken = stage = 0
    while left or stage == 0:
        begin = taken
        if stage >= len(local) or left > len(order.gates) - taken:
            raise CompilerError("a defect of qfleet, please report it: a compiled circuit has too many stages")
        chosen = first_locals(gates, waiting[:left], always, local_bits, every)
        if num_wires >= SEARCH_WIRES and always != every:
            chosen = better_locals(gates, waiting[:left], always, chosen, every)
        changed = seen = kept = 0
        for at in range(left):
            gate = waiting[at]
            if changed == every:
                waiting[kept] = gate
                kept += 1
                continue
            changes, reads = gates[gate, CHANGES], gates[gate, READS]
            if reads & changed == 0 and changes & (changed | seen | ~chosen) == 0:
                order.gates[taken] = gate
                taken += 1
                continue
            waiting[kept] = gate
            kept += 1
            changed |= changes
            seen |= reads
        left = kept
        if left and taken == begin:
            raise CompilerError("a defect of qfleet, please report it: a gate fits into no stage")
        local[stage] = chosen
        ends[stage] = taken
        stage += 1
    return stage


@built_in
def _by_turns(gates: NDArray[Any], chosen: NDArray[Any], items: Items) -> int:
    """Reorder a stage's gates into items, so that diagonals come together.

    Returns:
        How many items there are.
    """
    sequence, bounds = items.gates, items.bounds
    waiting = chosen.copy()
    left, placed, number = len(chosen), 0, 0
    # Each item takes a gate at least.
    if left > len(sequence) or left > len(bounds):
        raise CompilerError("a defect of qfleet, please report it: a stage has too many items")
    while left:
        before = left
        for diagonal in (False, True):
            changed = seen = kept = taken = 0
            for at in range(left):
                gate = waiting[at]
                changes, reads = gates[gate, CHANGES], gates[gate, READS]
                if (
                    (gates[gate, KIND] == DIAGONAL) == diagonal
                    and reads & changed == 0
                    and changes & (changed | seen) == 0
                ):
                    sequence[placed] = gate
                    placed += 1
                    taken += 1
                    if not diagonal:
                        bounds[number] = placed
                        number += 1
                    continue
                waiting[kept] = gate
                kept += 1
                changed |= changes
                seen |= reads
            left = kept
            if diagonal and taken:
                bounds[number] = placed
                number += 1
        if left == before:
            raise CompilerError("a defect of qfleet, please report it: the gates of a stage wait for each other")
    return number


class _Groups(NamedTuple):
    """Items while one-qubit gates join them, as linked lists.

    The lists have places in the order of `_by_turns`.
    """

    #: int64, shape (items,): the first and the last place of each item
    first: NDArray[Any]
    last: NDArray[Any]
    #: int64, shape (gates,): the place after each, or -1
    following: NDArray[Any]
    #: int64, shape (items,): high targets of each group
    high: NDArray[Any]
    #: int64, shape (wires,): the latest item on each wire, or -1
    latest: NDArray[Any]
    #: int64, shape (3,): the latest group of each kind, or -1
    open: NDArray[Any]


@built_in
def _group_kind(gate: NDArray[Any], group: bool) -> int:
    """Return the kind of item that a gate makes."""
    if gate[KIND] == DIAGONAL:
        return MERGED
    if group and gate[KIND] == DENSE and gate[SIZE] == 1 and gate[CONTROLS] == 0:
        return REAL_GROUP if gate[SHAPE] & REAL else MIXED_GROUP if gate[SHAPE] & MIXED else FULL_GROUP
    return SINGLE


@built_in
def _join(groups: _Groups, kind: int, wire: int, on_lane: int, start: int) -> bool:
    """Add a one-qubit gate to the latest group of its kind.

    Returns:
        Whether it may run there; otherwise it isn't added.
    """
    to = groups.open[kind - REAL_GROUP]
    if to < 0 or groups.latest[wire] >= to or not (on_lane or groups.high[to] < GROUP_HIGH):
        return False
    groups.following[groups.last[to]] = start
    groups.last[to] = start
    groups.high[to] += 1 - on_lane
    groups.latest[wire] = to
    return True


@machine_code
def itemise(gates: NDArray[Any], chosen: NDArray[Any], frame: Frame, items: Items) -> int:
    """Make a stage's gates into items.

    Each item becomes one pass over a chunk.

    Args:
        gates: int64, shape (gates, columns): those of a draft.
        chosen: int64: the numbers of the stage's gates.
        frame: the stage's chunks.
        items: what is written.

    Returns:
        How many items there are.

    Raises:
        CompilerError: `items` has no room.
    """
    size = len(chosen)
    number = _by_turns(gates, chosen, items)
    if number == 0:
        return 0
    if number > len(items.kinds):
        raise CompilerError("a defect of qfleet, please report it: a stage has too many items")
    groups = _Groups(
        np.full(number, -1, np.int64), np.full(number, -1, np.int64), np.full(size, -1, np.int64),
        np.zeros(number, np.int64), np.full(len(frame.places), -1, np.int64), np.full(3, -1, np.int64),
    )  # fmt: skip
    made = _group_items(gates, items, groups, number, frame)
    _write_items(groups, items, size, made)
    return made


@inner_code
def _group_items(gates: NDArray[Any], items: Items, groups: _Groups, number: int, frame: Frame) -> int:
    """Let one-qubit gates join groups; return how many items are left."""
    sequence, bounds, kinds = items
    lanes, group = lane_wires(frame), frame.bits > frame.lane_bits
    made = 0
    for item in range(number):
        start = bounds[item - 1] if item else 0
        gate = gates[sequence[start]]
        kind = _group_kind(gate, group)
        if REAL_GROUP <= kind <= FULL_GROUP:
            wire = gate[TARGETS]
            on_lane = lanes >> wire & 1
            if _join(groups, kind, wire, on_lane, start):
                continue
            groups.open[kind - REAL_GROUP] = made
            groups.high[made] = 1 - on_lane
        groups.first[made] = start
        groups.last[made] = start
        touched = 0
        for at in range(start, bounds[item]):
            touched |= gates[sequence[at], CHANGES] | gates[sequence[at], READS]
            if at > start:
                groups.following[groups.last[made]] = at
                groups.last[made] = at
        for wire in range(len(groups.latest)):
            if touched >> wire & 1:
                groups.latest[wire] = made
        kinds[made] = kind
        made += 1
    return made


@built_in
def _write_items(groups: _Groups, items: Items, size: int, number: int) -> None:
    """Write the gates of all items, one item after the other."""
    old = items.gates[:size].copy()
    placed = 0
    for item in range(number):
        at = groups.first[item]
        while at >= 0:
            items.gates[placed] = old[at]
            placed += 1
            at = groups.following[at]
        items.bounds[item] = placed


@inner_code
def flips_together(gates: NDArray[Any], items: Items, item: int, end: int, allowed: int) -> tuple[int, int]:
    """Find items that are controlled X on at most four wires altogether.

    Args:
        gates: int64, shape (gates, columns): those of a draft.
        items: those of a stage.
        item: the first one.
        end: the number of items.
        allowed: the wires that they may act on, as a mask.

    Returns:
        How many there are, and their wires as a mask.
    """
    wires = number = 0
    while item + number < end and items.kinds[item + number] == SINGLE:
        gate = items.gates[items.bounds[item + number] - 1]
        touched = gates[gate, CHANGES] | gates[gate, READS]
        if gates[gate, KIND] != FLIP or touched & ~allowed or popcount(wires | touched) > 4:
            break
        wires |= touched
        number += 1
    return number, wires


@inner_code
def linear_together(gates: NDArray[Any], items: Items, item: int, end: int, frame: Frame) -> int:
    """Count the next items that are X with at most one control.

    Args:
        gates: int64, shape (gates, columns): those of a draft.
        items: those of a stage.
        item: the first one.
        end: the number of items.
        frame: the stage's chunks.

    Returns:
        How many there are; 0 where they take so few passes that one for all would take longer.
    """
    if frame.bits > LINEAR_BITS or frame.bits <= frame.lane_bits + BLOCK_BITS:
        return 0
    high = frame.local & ~lane_wires(frame)
    number = passes = 0
    wires = -1
    while item + number < end and items.kinds[item + number] == SINGLE:
        gate = items.gates[items.bounds[item + number] - 1]
        touched = gates[gate, CHANGES] | gates[gate, READS]
        if gates[gate, KIND] != FLIP or touched & ~frame.local or popcount(gates[gate, CONTROLS]) > 1:
            break
        # As `flips_together` joins them.
        wires |= touched
        if touched & ~high or popcount(wires) > 4:
            wires = touched if touched & ~high == 0 else -1
            passes += 1
        number += 1
    return number if passes >= LINEAR_PASSES else 0
