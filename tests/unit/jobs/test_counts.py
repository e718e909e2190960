# SPDX-License-Identifier: Apache-2.0
"""Counts are Qiskit's, however they are read."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from qiskit.exceptions import QiskitError
from qiskit.result import Counts, Result
from qiskit.result.models import ExperimentResult, ExperimentResultData

from qfleet.jobs.counts import FleetCounts, FleetResult, Names


@st.composite
def experiments(draw: st.DrawFn) -> ExperimentResult:
    sizes = draw(st.lists(st.integers(0, 70), min_size=1, max_size=4))
    # Registers may leave clbits out, or have some together.
    slots = max(1, sum(sizes) + draw(st.sampled_from([0, 0, 0, 2, -1])))
    outcomes = draw(st.sets(st.integers(0, 2**slots - 1), max_size=20))
    data: dict[str, Any] = {}
    if draw(st.integers(0, 9)):
        data["counts"] = {hex(outcome): draw(st.integers(1, 9)) for outcome in sorted(outcomes)}
    header = {
        "name": draw(st.sampled_from(["a", "b"])),
        "creg_sizes": [[f"c{at}", size] for at, size in enumerate(sizes)] if draw(st.integers(0, 5)) else [],
        "memory_slots": slots,
    }
    return ExperimentResult(
        10, bool(draw(st.integers(0, 9))), ExperimentResultData(**data), header=header, status="DONE"
    )


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
    ours, qiskits = (kind(results=results, **fields) for kind in (FleetResult, Result))
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
    counts = FleetCounts({"0x1": 3, "0x6": 1}, [["a", 1], ["b", 2]], 3)
    assert counts.hex_outcomes() == {"0x1": 3, "0x6": 1}
    assert counts.most_frequent() == "00 1"


def test_texts_are_shared_until_there_are_too_many() -> None:
    made: list[int] = []
    names = Names[int](lambda outcome: made.append(outcome) or hex(outcome), 2)
    assert [names[outcome] for outcome in (1, 2, 3, 1, 3)] == ["0x1", "0x2", "0x3", "0x1", "0x3"]
    assert made == [1, 2, 3, 3]
