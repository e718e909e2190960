# SPDX-License-Identifier: Apache-2.0
"""Parts of a circuit's points."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from make_jobs import make_circuit_result, make_circuit_work, make_shard_work

from qfleet.wire.codec.shards import decode_result, decode_work, encode_shard
from qfleet.wire.errors import WireError
from qfleet.wire.messages.result import CircuitResult, ShardResult
from qfleet.wire.messages.work import SEED_STEP, CircuitWork, take_points

VALUES = np.arange(15, dtype="<f8").reshape(5, 3)
WANTED = np.arange(10, dtype="<i4").reshape(5, 2)


def work(wanted: bytes = b"", columns: int = 0, values: bytes = VALUES.tobytes()) -> CircuitWork:
    return make_circuit_work(
        7,
        shots=9,
        seed=100,
        first_shot=3,
        blocks=2,
        points=5,
        values=values,
        observables=wanted,
        num_observables=columns,
    )


def test_all_points_are_the_circuit_itself() -> None:
    whole = work()
    assert take_points(whole, 0, 5) is whole


@pytest.mark.parametrize(("first", "points"), [(0, 2), (2, 1), (3, 2), (4, 1)])
def test_a_part_has_its_own_values_seeds_and_wishes(first: int, points: int) -> None:
    part = take_points(work(WANTED.tobytes(), 2), first, points)
    assert (part.index, part.seed, part.points) == (7 + first, 100 + SEED_STEP * first, points)
    assert (part.program, part.shots, part.first_shot, part.blocks, part.num_observables) == ("p", 9, 3, 2, 2)
    assert part.values == VALUES[first : first + points].tobytes()
    assert part.observables == WANTED[first : first + points].tobytes()


def test_what_is_wanted_at_all_points_is_at_a_part() -> None:
    part = take_points(work(WANTED[:1].tobytes(), 2), 3, 2)
    assert (part.observables, part.num_observables) == (WANTED[:1].tobytes(), 2)


def test_a_circuit_without_parameters() -> None:
    assert take_points(work(values=b""), 3, 1).values == b""


@given(st.integers(0, 5), st.integers(0, 5), st.booleans(), st.booleans())
def test_parts_of_parts(one: int, other: int, each: bool, parametrised: bool) -> None:
    whole = work((WANTED if each else WANTED[:1]).tobytes(), 2, VALUES.tobytes() if parametrised else b"")
    first, end = min(one, other), max(one, other)
    if first == end:
        return
    part = take_points(whole, first, end - first)
    for point in range(end - first):
        assert take_points(part, point, 1) == take_points(whole, first + point, 1)


def test_parts_travel() -> None:
    parts = tuple(take_points(work(WANTED.tobytes(), 2), point, 1) for point in range(5))
    shard = make_shard_work(*parts, output="means")
    assert decode_work(encode_shard(shard)) == shard


def result(points: int) -> CircuitResult:
    return make_circuit_result(shots=1, error="x", points=points)


@pytest.mark.parametrize(
    ("points", "good"),
    [
        ((100_000,), True),
        ((100_001,), False),
        ((2**31 - 1,), False),
        ((50_000, 50_000), True),
        ((50_000, 50_001), False),
    ],
)
def test_the_points_of_a_shard_are_bounded(points: tuple[int, ...], good: bool) -> None:
    """Few bytes may stand for many points, each of which may become a piece of work or a result."""
    circuits = tuple(make_circuit_work(points=number) for number in points)
    shard = make_shard_work(*circuits)
    results = ShardResult(circuits=tuple(map(result, points)))
    if good:
        assert decode_work(encode_shard(shard)) == shard
        assert decode_result(encode_shard(results)) == results
        return
    for decode, message in ((decode_work, shard), (decode_result, results)):
        with pytest.raises(WireError, match=f"at {sum(points)} points; a shard has at most 100000"):
            decode(encode_shard(message))  # type: ignore[operator]


@pytest.mark.parametrize(
    ("changed", "good"),
    [
        ({"index": 2**31 - 3, "points": 3}, True),
        ({"index": 2**31 - 2, "points": 3}, False),
        ({"index": 2**31 - 1}, True),
        ({"first_shot": 2**31 - 5, "shots": 5}, True),
        ({"first_shot": 2**31 - 5, "shots": 6}, False),
    ],
)
def test_each_point_and_each_shot_has_a_number_that_can_be_sent(changed: dict[str, int], good: bool) -> None:
    work = make_circuit_work(**changed)
    shard = make_shard_work(work)
    results = ShardResult(circuits=(make_circuit_result(**changed),))
    for decode, message in ((decode_work, shard), (decode_result, results)):
        if good:
            assert decode(encode_shard(message)) == message  # type: ignore[operator]
        else:
            with pytest.raises(WireError, match="what is counted is below 2147483648"):
                decode(encode_shard(message))  # type: ignore[operator]


def test_each_point_has_a_seed_that_can_be_sent() -> None:
    for points, good in ((2, True), (3, False)):
        work = make_circuit_work(seed=2**63 - 1 - SEED_STEP, points=points)
        shard = make_shard_work(work)
        if good:
            assert decode_work(encode_shard(shard)) == shard
        else:
            with pytest.raises(WireError, match="the seed of a point of circuit 0 is above"):
                decode_work(encode_shard(shard))
