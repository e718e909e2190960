# SPDX-License-Identifier: Apache-2.0
"""Planning: which points travel together."""

from __future__ import annotations

import itertools
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from make_jobs import make_circuit_work
from qiskit.circuit import QuantumCircuit

from qfleet.lowering.lower import lower
from qfleet.submission.planning import (
    SHARD_CIRCUITS,
    SHARD_RESULT_BYTES,
    SHARD_SECONDS,
    PlannedCircuit,
    ShardLengths,
    plan,
)
from qfleet.wire.cost.cost import cost
from qfleet.wire.messages.request import Output, Request
from qfleet.wire.messages.work import SEED_STEP, CircuitWork, ShardWork, take_points


def item(
    index: int, points: int, seconds: float = 1e-6, result_bytes: int = 100, *, shots: int = 10, each: bool = False
) -> PlannedCircuit:
    """Return a circuit of two parameters at points whose values, seeds and wishes all differ."""
    values = np.arange(2 * points) + 1000 * index
    wanted = np.arange(3 * points if each else 3)
    work = make_circuit_work(
        index,
        program=f"p{index}",
        shots=shots,
        seed=5 + SEED_STEP * index,
        points=points,
        values=values.astype("<f8").tobytes(),
        observables=wanted.astype("<i4").tobytes(),
        num_observables=3,
    )
    return PlannedCircuit(work, Request(), seconds, result_bytes)


def items(*points: int, **each: Any) -> list[PlannedCircuit]:
    firsts = itertools.accumulate(points, initial=0)
    return [item(first, number, **each) for first, number in zip(firsts, points, strict=False)]


def planned(work: list[PlannedCircuit], **options: Any) -> list[ShardWork]:
    defaults = {"max_job_size": None, "max_shot_size": None}
    return [shard.work for shard in plan(work, threads=1, **(defaults | options))]


def layout(shards: list[ShardWork]) -> list[list[tuple[int, int]]]:
    """Return the first point and the number of points of each piece."""
    return [[(work.index, work.points) for work in shard.circuits] for shard in shards]


def test_points_fill_a_shard_up_to_its_time() -> None:
    # 20 of them take 1.25 s, an eighth of which is 2.5 points.
    assert layout(planned(items(20, seconds=SHARD_SECONDS / 3.2))) == [[(at, 2)] for at in range(0, 20, 2)]


def test_the_next_circuit_begins_where_there_is_room() -> None:
    first, second, *_, last = layout(planned(items(5, 15, seconds=SHARD_SECONDS / 3.2)))
    assert (first, second, last) == ([(0, 2)], [(2, 2)], [(18, 2)])
    assert [(4, 1), (5, 1)] in layout(planned(items(5, 15, seconds=SHARD_SECONDS / 3.2)))


def test_points_fill_a_shard_up_to_the_size_of_its_result() -> None:
    assert layout(planned(items(5, result_bytes=SHARD_RESULT_BYTES // 2))) == [[(0, 2)], [(2, 2)], [(4, 1)]]


@pytest.mark.parametrize("large", [{"seconds": 40 * SHARD_SECONDS}, {"result_bytes": 2 * SHARD_RESULT_BYTES}])
def test_a_point_larger_than_a_shard_travels_alone(large: dict[str, Any]) -> None:
    small, huge = item(0, 2), item(2, 2, **large)
    assert layout(planned([small, huge, item(4, 2)])) == [[(0, 2)], [(2, 1)], [(3, 1)], [(4, 2)]]


def test_max_job_size_bounds_the_points_of_a_shard() -> None:
    assert layout(planned(items(3, 2, 4), max_job_size=4)) == [[(0, 3), (3, 1)], [(4, 1), (5, 3)], [(8, 1)]]


def test_a_shard_has_at_most_so_many_points() -> None:
    shards = planned(items(2 * SHARD_CIRCUITS + 1, seconds=1e-9, result_bytes=1))
    assert layout(shards) == [[(0, SHARD_CIRCUITS)], [(SHARD_CIRCUITS, SHARD_CIRCUITS)], [(2 * SHARD_CIRCUITS, 1)]]


def test_blocks_of_shots_are_cut_point_by_point() -> None:
    shards = planned(items(2, shots=25), max_shot_size=10)
    blocks = [work for shard in shards for work in shard.circuits]
    assert [(work.index, work.first_shot, work.shots, work.blocks, work.points) for work in blocks] == [
        (index, first, shots, 3, 1) for index in (0, 1) for first, shots in ((0, 10), (10, 10), (20, 5))
    ]
    # The last block of a point and the first of the next are of different circuits.
    assert [len(shard.circuits) for shard in shards] == [1, 1, 2, 1, 1]


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(1, 40), st.floats(1e-6, 0.5), st.integers(1, SHARD_RESULT_BYTES), st.booleans()),
        min_size=1,
        max_size=6,
    ),
    st.integers(1, 30),
    st.none() | st.integers(1, 7),
    st.none() | st.integers(1, 12),
)
def test_each_shot_of_each_point_travels_once_and_in_order_within_the_limits(
    kinds: list[tuple[int, float, int, bool]], shots: int, max_job_size: int | None, max_shot_size: int | None
) -> None:
    work, first = [], 0
    for points, seconds, result_bytes, each in kinds:
        work.append(item(first, points, seconds, result_bytes, shots=shots, each=each))
        first += points
    shards = planned(work, max_job_size=max_job_size, max_shot_size=max_shot_size)

    def whole(piece: CircuitWork) -> PlannedCircuit:
        return next(each for each in reversed(work) if each.work.index <= piece.index)

    lengths = ShardLengths.of_job(sum(points * seconds for points, seconds, _, _ in kinds))
    travelled = []
    for at, shard in enumerate(shards):
        seconds, size = 0.0, 0
        for piece in shard.circuits:
            kind = whole(piece)
            nth = piece.index - kind.work.index
            blocks = -(-shots // max_shot_size) if max_shot_size and shots > max_shot_size else 1
            assert piece.blocks == blocks
            for point in range(piece.points):
                expected = take_points(kind.work, nth + point, 1)
                found = take_points(piece, point, 1)
                assert (found.index, found.seed, found.program) == (expected.index, expected.seed, expected.program)
                assert (found.values, found.observables, found.num_observables) == (
                    expected.values,
                    expected.observables,
                    3,
                )
                travelled += [(found.index, shot) for shot in range(found.first_shot, found.first_shot + found.shots)]
            seconds += piece.points * kind.seconds / blocks
            size += piece.points * kind.result_bytes
            assert piece.shots <= (max_shot_size or shots)
        number = sum(piece.points for piece in shard.circuits)
        assert number <= (max_job_size or number)
        if number > 1:
            assert seconds <= lengths.at(at) * (1 + 1e-8)
            assert size <= SHARD_RESULT_BYTES
        assert max(Counter(piece.index for piece in shard.circuits).values()) == 1
    assert travelled == [(index, shot) for index in range(first) for shot in range(shots)]


def test_bits_are_predicted_for_each_shot() -> None:
    circuit = QuantumCircuit(3, 70)
    circuit.measure([0, 1, 2], [0, 35, 69])
    assert 50 * 9 <= cost(lower(circuit), Request(Output.BITS), shots=50).result_bytes < 50 * 9 + 300
