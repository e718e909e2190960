# SPDX-License-Identifier: Apache-2.0
"""Counts are Qiskit's, however they are read."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from qiskit.exceptions import QiskitError
from qiskit.result import Counts, Result
from qiskit.result.models import ExperimentResult, ExperimentResultData

from qfleet.jobs.counts import FleetCounts, FleetData, FleetResult, Names, Outcomes, join_outcomes


@st.composite
def experiments(draw: st.DrawFn) -> ExperimentResult:
    sizes = draw(st.lists(st.integers(0, 70), min_size=1, max_size=4))
    # Registers may leave clbits out, or have some together.
    slots = max(1, sum(sizes) + draw(st.sampled_from([0, 0, 0, 2, -1])))
    outcomes = draw(st.sets(st.integers(0, 2**slots - 1), max_size=20))
    data: ExperimentResultData = ExperimentResultData()
    if draw(st.integers(0, 9)):
        data = FleetData(make_outcomes({outcome: draw(st.integers(1, 9)) for outcome in outcomes}), memory=False)
    header = {
        "name": draw(st.sampled_from(["a", "b"])),
        "creg_sizes": [[f"c{at}", size] for at, size in enumerate(sizes)] if draw(st.integers(0, 5)) else [],
        "memory_slots": slots,
    }
    return ExperimentResult(10, bool(draw(st.integers(0, 9))), data, header=header, status="DONE")


def make_outcomes(times: dict[int, int], shots: Sequence[int] = ()) -> Outcomes:
    """Return outcomes as a worker's result gives them.

    Args:
        times: how many shots have each.
        shots: the place of each shot's outcome among them.
    """
    narrow = all(outcome < 2**64 for outcome in times)
    numbers = np.array(sorted(times), np.uint64 if narrow else object)
    return Outcomes(numbers, np.array([times[each] for each in sorted(times)], np.int64), np.array(shots, np.uint32))


def as_qiskits(experiment: ExperimentResult) -> ExperimentResult:
    """Return the same experiment with Qiskit's own data."""
    other = copy.copy(experiment)
    other.data = ExperimentResultData.from_dict(copy.deepcopy(experiment.data).to_dict())
    return other


def read(result: Result, experiment: Any) -> Any:
    try:
        return result.get_counts(experiment)
    except QiskitError as exc:
        return type(exc), str(exc)


@given(
    results=st.lists(experiments(), min_size=1, max_size=3), experiment=st.sampled_from([None, 0, 1, 2, 5, "a", "b"])
)
@pytest.mark.filterwarnings("ignore:Result object contained multiple results")
def test_they_are_what_qiskit_makes_of_the_same_result(results: list[ExperimentResult], experiment: Any) -> None:
    fields = {"backend_name": "b", "backend_version": "1", "job_id": "j", "success": True, "status": "COMPLETED"}
    ours = FleetResult(results=results, **fields)
    qiskits = Result(results=[as_qiskits(each) for each in results], **fields)
    found, expected = read(ours, experiment), read(qiskits, experiment)
    assert found == expected
    for mine, theirs in zip(*([each] if isinstance(each, dict) else each for each in (found, expected)), strict=True):
        if not isinstance(theirs, Counts):
            continue
        assert isinstance(mine, Counts)
        assert list(mine.items()) == list(theirs.items())
        assert mine.int_outcomes() == theirs.int_outcomes()
        assert mine.hex_outcomes() == theirs.hex_outcomes()
        assert mine.shots() == theirs.shots()
        assert (mine.creg_sizes, mine.memory_slots, mine.time_taken) == (
            theirs.creg_sizes,
            theirs.memory_slots,
            theirs.time_taken,
        )
        assert copy.deepcopy(mine).hex_outcomes() == theirs.hex_outcomes()
    assert ours.to_dict() == qiskits.to_dict()


def test_the_outcomes_in_hex_are_there_at_first_too() -> None:
    counts = FleetCounts(make_outcomes({1: 3, 6: 1}), [["a", 1], ["b", 2]], 3)
    assert counts.hex_outcomes() == {"0x1": 3, "0x6": 1}
    assert counts.most_frequent() == "00 1"


def test_data_are_made_on_demand_and_then_stay() -> None:
    data = FleetData(make_outcomes({1: 2, 6: 1}, [0, 1, 0]), memory=True, statevector=[1, 0])
    assert not {"counts", "memory"} & set(vars(data))
    assert data.counts is data.counts
    assert list(data.to_dict().items()) == [
        ("counts", {"0x1": 2, "0x6": 1}),
        ("memory", ["0x1", "0x6", "0x1"]),
        ("statevector", [1, 0]),
    ]
    assert copy.deepcopy(data).to_dict() == data.to_dict()


def test_data_without_the_outcomes_of_shots() -> None:
    data = FleetData(make_outcomes({1: 2}), memory=False)
    assert not hasattr(data, "memory")
    assert data.to_dict() == {"counts": {"0x1": 2}}


def test_counts_that_a_user_changed_count() -> None:
    data = FleetData(make_outcomes({1: 2}), memory=False)
    header = {"name": "a", "creg_sizes": [["c", 2]], "memory_slots": 2}
    experiment = ExperimentResult(2, True, data, header=header, status="DONE")
    result = FleetResult(backend_name="b", results=[experiment])
    assert result.get_counts() == {"01": 2}
    data.counts["0x3"] = 5
    assert result.get_counts() == {"01": 2, "11": 5}


@pytest.mark.parametrize("far", [1 << 20, 1 << 90])
def test_joined_blocks_of_shots_are_as_one(far: int) -> None:
    first, second = make_outcomes({1: 2, far: 1}, [0, 1, 0]), make_outcomes({0: 1, far: 1}, [1, 0])
    joined = join_outcomes([first, second])
    assert joined.numbers.tolist() == [0, 1, far]
    assert joined.times.tolist() == [1, 2, 2]
    assert joined.shots.tolist() == [1, 2, 1, 2, 0]


def test_texts_are_shared_until_there_are_too_many() -> None:
    made: list[int] = []
    names = Names(lambda outcome: made.append(outcome) or hex(outcome), 2)
    assert [names[outcome] for outcome in (1, 2, 3, 1, 3)] == ["0x1", "0x2", "0x3", "0x1", "0x3"]
    assert made == [1, 2, 3, 3]
