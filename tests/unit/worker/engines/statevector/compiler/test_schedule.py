# SPDX-License-Identifier: Apache-2.0
"""Stages: the wires that are local, and the order of gates."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from qfleet_worker.engines.statevector.compiler import draft, schedule

RUN_BITS, LOCAL_BITS = 5, 16


def pairs(num_wires: int, layers: int, seed: int) -> NDArray[np.int64]:
    """Matrices on random pairs of wires, and some diagonals between them."""
    rng = np.random.default_rng(seed)
    rows = []
    for _ in range(layers):
        shuffled = rng.permutation(num_wires).tolist()
        for a, b in zip(shuffled[::2], shuffled[1::2], strict=False):
            row = np.zeros(draft.COLUMNS, np.int64)
            row[draft.KIND] = draft.DENSE
            row[draft.CHANGES] = 1 << a | 1 << b
            if rng.random() < 0.2:
                row[draft.KIND] = draft.DIAGONAL
                row[[draft.CHANGES, draft.READS]] = 0, 1 << a | 1 << b
            rows.append(row)
    return np.array(rows)


def staged(gates: NDArray[np.int64], num_wires: int) -> tuple[list[int], list[int], list[int]]:
    """The local wires of each stage, the gates in order, and where each stage ends."""
    order = schedule.Order(*(np.zeros(len(gates) + 1, np.int64) for _ in range(3)))
    number = schedule.stages(gates, num_wires, LOCAL_BITS, RUN_BITS, order)
    ends = order.ends[:number].tolist()
    return order.local[:number].tolist(), order.gates[: ends[-1]].tolist(), ends


@pytest.mark.parametrize("num_wires", [17, 20, 24])
@pytest.mark.parametrize("seed", range(5))
def test_gates_find_their_wires_local_and_keep_their_order(num_wires: int, seed: int) -> None:
    gates = pairs(num_wires, 12, seed)
    local, order, ends = staged(gates, num_wires)
    assert sorted(order) == list(range(len(gates)))
    begin = 0
    for mask, end in zip(local, ends, strict=True):
        assert mask.bit_count() == LOCAL_BITS
        assert mask & 31 == 31
        assert begin < end
        assert all(gates[at, draft.CHANGES] & ~mask == 0 for at in order[begin:end])
        begin = end
    for wire in range(num_wires):
        bit = 1 << wire
        on_wire = [(at, gates[at, draft.CHANGES] & bit != 0) for at in order]
        on_wire = [(at, changes) for at, changes in on_wire if changes or gates[at, draft.READS] & bit]
        for place, (at, changes) in enumerate(on_wire):
            # A gate overtakes others on a wire only where all of them look at it.
            assert all(at < later for later, other in on_wire[place:] if (changes or other) and later != at)


def test_exchanged_wires_save_stages() -> None:
    """Without them, random pairs on 24 wires take 20 stages or more."""
    gates = np.concatenate([pairs(24, 24, seed) for seed in range(4)])
    local, _, _ = staged(gates, 24)
    assert len(local) <= 60
