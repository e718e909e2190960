# SPDX-License-Identifier: Apache-2.0
"""Stages and items: the wires that are local, the order of gates, and their product."""

from __future__ import annotations

import drafts
import engine_oracle as oracle
import numpy as np
import pytest
from engine_oracle import UNITARY_OPS
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from qfleet.wire.program.operations import Op
from qfleet_worker.engines.statevector.compiler import draft, schedule
from qfleet_worker.engines.statevector.compiler.frame import new_frame

#: The first test compiles what it calls.
pytestmark = pytest.mark.timeout(600)
RUN_BITS, LOCAL_BITS = 5, 16
SIMPLE = [Op.X, Op.RZ, Op.RX, Op.RY, Op.H, Op.T, Op.RZZ, Op.P, Op.DIAGONAL]


def pairs(num_wires: int, layers: int, seed: int) -> NDArray[np.int64]:
    """Return matrices on random pairs of wires, and some diagonals between them."""
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
    """Return the local wires of each stage, the gates in order, and where each stage ends."""
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


def product(made: draft.Draft, order: np.ndarray) -> np.ndarray:
    """Return the matrix of a draft's gates in an order."""
    matrix = np.eye(1 << len(made.last), dtype=complex)
    for gate in made.gates[order]:
        matrix = drafts.gate_matrix(made, gate, made.pool) @ matrix
    return matrix


@settings(max_examples=200, deadline=None)
@given(seed=st.integers(0, 2**32), num_qubits=st.integers(4, 6), local_bits=st.integers(4, 6), simple=st.booleans())
def test_gates_in_stages_and_items(seed: int, num_qubits: int, local_bits: int, simple: bool) -> None:
    rng = np.random.default_rng(seed)
    codes = SIMPLE if simple else UNITARY_OPS
    operations = [oracle.random_operation(rng, num_qubits, 0, codes) for _ in range(int(rng.integers(1, 25)))]
    if local_bits < num_qubits:
        operations = [each for each in operations if len(each.targets) <= 2]
    program = oracle.program(num_qubits, 0, operations)
    made = drafts.fused(program, np.ones(len(program.params), np.bool_), True)
    number = int(made.counts[draft.GATES])
    gates = made.gates[:number]
    some = np.flatnonzero(gates[:, draft.KIND] != draft.NOTHING)
    order = schedule.Order(
        np.empty(number + 1, np.int64), np.empty(number + 1, np.int64), np.empty(number + 1, np.int64)
    )
    stages = schedule.stages(gates, num_qubits, local_bits, 2, order)
    expected = product(made, some)
    ordered = order.gates[: order.ends[stages - 1]]
    assert sorted(ordered) == some.tolist()
    assert np.abs(product(made, ordered) - expected).max() < 1e-12
    items, begin, run = schedule.new_items(number), 0, []
    for stage in range(stages):
        local, chosen = int(order.local[stage]), ordered[begin : order.ends[stage]]
        assert local.bit_count() <= max(local_bits, 2)
        assert not np.any(gates[chosen, draft.CHANGES] & ~local)
        number = schedule.itemise(gates, chosen, new_frame(local, num_qubits, 2), items)
        bounds = [0, *items.bounds[:number].tolist()]
        for item in range(number):
            members = items.gates[bounds[item] : bounds[item + 1]]
            check_item(gates, members, int(items.kinds[item]))
            run += members.tolist()
        begin = int(order.ends[stage])
    assert np.abs(product(made, np.array(run, np.int64)) - expected).max() < 1e-12


def check_item(gates: np.ndarray, members: np.ndarray, kind: int) -> None:
    """Assert that an item has one gate, or one-qubit gates on wires of their own, or diagonals."""
    kinds = gates[members, draft.KIND]
    if kind == schedule.MERGED:
        assert np.all(kinds == draft.DIAGONAL)
    elif kind == schedule.SINGLE:
        assert len(members) == 1
    else:
        assert np.all(kinds == draft.DENSE)
        assert len(set(gates[members, draft.TARGETS])) == len(members)
