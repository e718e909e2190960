# SPDX-License-Identifier: Apache-2.0
"""In which order do gates run, and which wires are local meanwhile? In machine code.

A *stage* chooses some wires as local. Chunks of the amplitudes over these wires are small enough for a core's cache,
and every gate that changes local wires only is applied chunk by chunk. Controls and diagonals needn't be local. Gates
that don't fit wait for a later stage; a gate may overtake those that it commutes with because they share no wire, or
only look at the wires that they share.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from qfleet_worker.engines.contract import CapacityError
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
from qfleet_worker.engines.statevector.compiler.shapes import MIXED, REAL
from qfleet_worker.engines.statevector.kernels.bits import popcount
from qfleet_worker.engines.statevector.machine_code.registry import machine_code

#: What an item is made of: one gate; one-qubit gates of a kind; diagonals.
SINGLE, REAL_GROUP, MIXED_GROUP, FULL_GROUP, MERGED = range(5)
#: High targets of a group at most.
GROUP_HIGH = 3


@machine_code
def stages(gates: NDArray[Any], number: int, num_wires: int, local_bits: int, run_bits: int,
           order: NDArray[Any], local: NDArray[Any], ends: NDArray[Any]) -> int:  # fmt: skip
    """Distribute gates to stages. Returns how many there are.

    ``order`` becomes the gates in the order of their stages, ``local[s]`` the local wires of stage s as a mask and
    ``ends[s]`` where its gates end in ``order``. The lowest `run_bits` wires are always local, for what is copied to be
    contiguous.
    """
    waiting = np.empty(number, np.int64)
    left = 0
    for at in range(number):
        if gates[at, KIND] != NOTHING:
            waiting[left] = at
            left += 1
    every = (1 << num_wires) - 1
    taken = stage = 0
    while left or stage == 0:
        begin = taken
        if stage >= len(local) or left > len(order) - taken:
            raise CapacityError("a defect of qfleet, please report it: a compiled circuit has too many stages")
        chosen = (1 << min(run_bits, num_wires)) - 1 if num_wires > local_bits else every
        size = popcount(chosen)
        changed = seen = kept = 0
        for at in range(left):
            gate = waiting[at]
            changes, reads = gates[gate, CHANGES], gates[gate, READS]
            if changed != every and reads & changed == 0 and changes & (changed | seen) == 0:
                more = changes & ~chosen
                extra = popcount(more) if more else 0
                if size + extra <= local_bits or more == 0:
                    chosen |= more
                    size += extra
                    order[taken] = gate
                    taken += 1
                    continue
            waiting[kept] = gate
            kept += 1
            changed |= changes
            seen |= reads
        left = kept
        if left and taken == begin:
            raise CapacityError("a defect of qfleet, please report it: a gate fits into no stage")
        for wire in range(num_wires):
            if size >= local_bits:
                break
            if not chosen >> wire & 1:
                chosen |= 1 << wire
                size += 1
        local[stage] = chosen
        ends[stage] = taken
        stage += 1
    return stage


@machine_code
def _by_turns(gates: NDArray[Any], order: NDArray[Any], begin: int, end: int, sequence: NDArray[Any],
              bounds: NDArray[Any]) -> int:  # fmt: skip
    """Reorder a stage's gates into items, so that diagonals come together; returns how many items there are."""
    waiting = order[begin:end].copy()
    left, placed, items = end - begin, 0, 0
    # Each item takes a gate at least.
    if left > len(sequence) or left > len(bounds):
        raise CapacityError("a defect of qfleet, please report it: a stage has too many items")
    while left:
        before = left
        for diagonal in (False, True):
            changed = seen = kept = found = 0
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
                    found += 1
                    if not diagonal:
                        bounds[items] = placed
                        items += 1
                    continue
                waiting[kept] = gate
                kept += 1
                changed |= changes
                seen |= reads
            left = kept
            if diagonal and found:
                bounds[items] = placed
                items += 1
        if left == before:
            raise CapacityError("a defect of qfleet, please report it: the gates of a stage wait for each other")
    return items


@machine_code
def itemise(gates: NDArray[Any], order: NDArray[Any], begin: int, end: int, local: int,
            num_wires: int, lane_bits: int, group: bool, sequence: NDArray[Any], bounds: NDArray[Any],
            kinds: NDArray[Any]) -> int:  # fmt: skip
    """Make a stage's gates into items that become one pass over a chunk each.

    Item i consists of the gates ``sequence[bounds[i-1]:bounds[i]]``, and is of the kind ``kinds[i]``. Returns how many
    there are.
    """
    size = end - begin
    items = _by_turns(gates, order, begin, end, sequence, bounds)
    if items == 0:
        return 0
    if items > len(kinds):
        raise CapacityError("a defect of qfleet, please report it: a stage has too many items")
    first_of = np.full(items, -1, np.int64)
    last_of = np.full(items, -1, np.int64)
    following = np.full(size, -1, np.int64)
    high_count = np.zeros(items, np.int64)
    lane_mask = local
    lanes = 0
    for _ in range(lane_bits):
        lanes |= lane_mask & -lane_mask
        lane_mask &= lane_mask - 1
    latest = np.full(num_wires, -1, np.int64)
    open_group = np.full(3, -1, np.int64)
    made = 0
    for item in range(items):
        start = bounds[item - 1] if item else 0
        gate = sequence[start]
        kind = SINGLE
        if gates[gate, KIND] == DIAGONAL:
            kind = MERGED
        elif group and gates[gate, KIND] == DENSE and gates[gate, SIZE] == 1 and gates[gate, CONTROLS] == 0:
            shape = gates[gate, SHAPE]
            kind = REAL_GROUP if shape & REAL else MIXED_GROUP if shape & MIXED else FULL_GROUP
            wire = gates[gate, TARGETS]
            to = open_group[kind - REAL_GROUP]
            on_lane = lanes >> wire & 1
            if to >= 0 and latest[wire] < to and (on_lane or high_count[to] < GROUP_HIGH):
                following[last_of[to]] = start
                last_of[to] = start
                high_count[to] += 1 - on_lane
                latest[wire] = to
                continue
            open_group[kind - REAL_GROUP] = made
            high_count[made] = 1 - on_lane
        first_of[made] = start
        last_of[made] = start
        touched = 0
        for at in range(start, bounds[item]):
            touched |= gates[sequence[at], CHANGES] | gates[sequence[at], READS]
            if at > start:
                following[last_of[made]] = at
                last_of[made] = at
        for wire in range(num_wires):
            if touched >> wire & 1:
                latest[wire] = made
        kinds[made] = kind
        made += 1
    old = sequence[:size].copy()
    placed = 0
    for item in range(made):
        at = first_of[item]
        while at >= 0:
            sequence[placed] = old[at]
            placed += 1
            at = following[at]
        bounds[item] = placed
    return made


@machine_code
def flips_together(gates: NDArray[Any], sequence: NDArray[Any], bounds: NDArray[Any], kinds: NDArray[Any],
                   item: int, items: int, allowed: int) -> tuple[int, int]:  # fmt: skip
    """How many items from `item` on are controlled X on at most four of the wires `allowed`, and which wires."""
    wires = found = 0
    while item + found < items and kinds[item + found] == SINGLE:
        gate = sequence[bounds[item + found] - 1]
        touched = gates[gate, CHANGES] | gates[gate, READS]
        if gates[gate, KIND] != FLIP or touched & ~allowed or popcount(wires | touched) > 4:
            break
        wires |= touched
        found += 1
    return found, wires
