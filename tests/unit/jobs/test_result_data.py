# SPDX-License-Identifier: Apache-2.0
"""Results of several points, taken apart."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from make_jobs import make_circuit_record, make_circuit_result, make_job_record
from msgspec.structs import replace

from qfleet.errors import DamagedDataError
from qfleet.jobs.result import assemble, header
from qfleet.jobs.result_data import split_parameter_sets
from qfleet.ledger.record import CircuitRecord, JobRecord
from qfleet.wire.messages.result import CircuitResult
from qfleet.wire.messages.work import SEED_STEP


def joined(parts: list[CircuitResult]) -> CircuitResult:
    """Return the result of all points, as a worker sends it."""
    return replace(
        parts[0],
        points=len(parts),
        seconds=sum(part.seconds for part in parts),
        distinct=np.array([len(part.counts) // 8 for part in parts], "<i8").tobytes(),
        **{
            name: b"".join(getattr(part, name) for part in parts)
            for name in ("outcomes", "counts", "memory", "amplitudes")
        },
    )


@st.composite
def points(draw: st.DrawFn) -> list[CircuitResult]:
    """Results of the points of one circuit."""
    number, width = draw(st.integers(2, 6)), draw(st.integers(0, 3))
    shots, amplitudes = draw(st.integers(1, 5)), draw(st.sampled_from([0, 16, 32]))
    memory, first = draw(st.booleans()), draw(st.integers(0, 100))
    rng = np.random.default_rng(draw(st.integers(0, 1000)))
    found = []
    for point in range(number):
        distinct = draw(st.integers(1, shots)) if width else 0
        found.append(
            make_circuit_result(
                index=first + point,
                first_shot=8,
                shots=shots,
                seconds=0.25,
                engine="e",
                engine_reason="why",
                outcomes=rng.bytes(width * distinct),
                counts=rng.integers(1, 9, distinct).astype("<i8").tobytes(),
                memory=rng.bytes(4 * shots) if memory else b"",
                amplitudes=rng.bytes(amplitudes),
            )
        )
    return found


@given(points())
def test_results_that_were_joined_come_apart_again(parts: list[CircuitResult]) -> None:
    assert split_parameter_sets(joined(parts)) == parts


def test_one_point_is_itself() -> None:
    one = make_circuit_result(3, shots=2, distinct=b"odd", bits=b"1")
    assert split_parameter_sets(one) == [one]


def test_an_error_is_each_points() -> None:
    failed = make_circuit_result(3, first_shot=2, shots=4, seconds=3.0, engine_reason="why", error="too wide", points=3)
    assert split_parameter_sets(failed) == [replace(failed, index=index, points=1, seconds=1.0) for index in (3, 4, 5)]


GOOD = joined(
    [
        make_circuit_result(
            index,
            shots=3,
            outcomes=bytes(range(2 * distinct)),
            counts=np.ones(distinct, "<i8").tobytes(),
            memory=bytes(12),
            amplitudes=bytes(16),
        )
        for index, distinct in enumerate([2, 1, 3])
    ]
)


def ints(*numbers: int) -> bytes:
    return np.array(numbers, "<i8").tobytes()


@pytest.mark.parametrize(
    "changed",
    [
        {"points": 2},
        {"points": 4},
        {"points": 2**31 - 1},
        {"distinct": b""},
        {"distinct": b"1234567"},
        {"distinct": ints(2, 1)},
        {"distinct": ints(2, 1, 3, 0)},
        {"distinct": ints(2, 1, 2)},
        {"distinct": ints(2, 1, 4)},
        {"distinct": ints(2, -1, 5)},
        {"distinct": ints(0, 0, 0)},
        {"distinct": ints(2**62, 2**62, 2**62)},
        {"distinct": ints(2**63 - 1, 2**63 - 1, 8)},
        {"outcomes": GOOD.outcomes[:-1]},
        {"outcomes": GOOD.outcomes + b"1"},
        {"counts": b""},
        {"counts": GOOD.counts[:-8]},
        {"counts": GOOD.counts[:-1]},
        {"counts": GOOD.counts + bytes(8)},
        {"memory": GOOD.memory[:-1]},
        {"amplitudes": GOOD.amplitudes[:-1]},
    ],
    ids=lambda changed: f"{next(iter(changed))}",
)
def test_data_that_dont_fit_the_points(changed: dict[str, Any]) -> None:
    assert len(split_parameter_sets(GOOD)) == 3
    with pytest.raises(DamagedDataError):
        split_parameter_sets(replace(GOOD, **changed))


def record(points: int, **changed: Any) -> CircuitRecord:
    fields: dict[str, Any] = {
        "num_clbits": 2,
        "qregs": (("q", 1),),
        "cregs": (("c", 2),),
        "global_phase": 0.5,
        "metadata": {"key": [1]},
        "shots": 4,
        "seed": 9,
    }
    return make_circuit_record(points=points, **fields | changed)


def part(index: int, outcomes: list[int], counts: list[int], **changed: Any) -> CircuitResult:
    counted = {"outcomes": bytes(outcomes), "counts": ints(*counts)}
    return make_circuit_result(index, **{"shots": 4} | counted | changed)


def assembled(record: JobRecord, *parts: CircuitResult) -> Any:
    return assemble("job", record, parts, backend_version="1", ended=103.0, default_error="it died")


def test_points_are_experiments_in_their_order() -> None:
    phases = np.array([0.5, 0.25], "<f8").tobytes()
    found = assembled(
        make_job_record(record(2, name="x", phases=phases), record(1, name="y", seed=30)),
        part(2, [3], [4]),
        part(0, [1, 0, 2], [4, 1, 3], points=2, distinct=ints(1, 2)),
    )
    assert [each.header["name"] for each in found.results] == ["x", "x", "y"]
    assert [found.get_counts(at) for at in range(3)] == [{"01": 4}, {"00": 1, "10": 3}, {"11": 4}]
    assert [each.seed_simulator for each in found.results] == [9, 9 + SEED_STEP, 30]
    assert [each.header["global_phase"] for each in found.results] == [0.5, 0.25, 0.5]
    assert [each.time_taken for each in found.results] == [0.25, 0.25, 0.5]
    assert found.success


def test_blocks_of_points_and_a_point_that_failed() -> None:
    found = assembled(
        make_job_record(record(4)),
        part(1, [], [], error="too wide"),
        part(2, [0, 1], [2, 2], shots=2, points=2, distinct=ints(1, 1)),
        part(2, [1, 3], [1, 1], shots=2, first_shot=2),
    )
    assert [each.status for each in found.results] == ["ERROR: it died", "ERROR: too wide", "DONE", "ERROR: it died"]
    assert found.get_counts(2) == {"00": 2, "01": 1, "11": 1}


def test_points_dont_share_their_metadata() -> None:
    several, one = record(2), record(1)
    header(several)["metadata"]["key"].append(2)
    assert several.metadata == {"key": [1]}
    assert header(one)["metadata"] is one.metadata
