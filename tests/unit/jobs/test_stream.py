# SPDX-License-Identifier: Apache-2.0
"""Which points of a sweep come as they end?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from make_jobs import make_circuit_record, make_circuit_result, make_job_record

import qfleet.jobs.primitive
from qfleet.jobs.primitive import PrimitiveFleetJob
from qfleet.jobs.waiting import Deadline
from qfleet.ledger import PubRecord
from qfleet.wire.messages.result import CircuitResult


def block(index: int, first_shot: int, mean: float, *, error: str = "") -> CircuitResult:
    means = b"" if error else np.array([mean, mean**2], "<f8").tobytes()
    return make_circuit_result(index, first_shot=first_shot, shots=5, expectation_values=means, error=error)


def points(blocks: list[CircuitResult], monkeypatch: pytest.MonkeyPatch) -> list[tuple[slice, Any]]:
    pub = PubRecord(shape=(2,), precision=0.3, sampled=True)
    record = make_job_record(make_circuit_record(points=2), output="means", pubs=(pub,))

    def arriving(*_: object) -> Iterator[tuple[list[CircuitResult], None]]:
        yield blocks, None

    monkeypatch.setattr(qfleet.jobs.primitive, "arriving", arriving)
    job = PrimitiveFleetJob.__new__(PrimitiveFleetJob)
    job._job_id, job._connection = "job", None  # type: ignore[assignment]
    monkeypatch.setattr(PrimitiveFleetJob, "_reads", lambda *_, **__: (each for each in ()))
    return [
        (where, means.tolist()) for where, means in job._expectation_values_as_completed(Deadline("job", 1), record)
    ]


def test_a_point_comes_when_all_its_blocks_ran(monkeypatch: pytest.MonkeyPatch) -> None:
    found = points([block(1, 5, 0.5), block(0, 0, 1.0), block(1, 0, 1.0), block(0, 5, -1.0)], monkeypatch)
    assert found == [(slice(1, 2), [[0.75]]), (slice(0, 1), [[0.0]])]


@pytest.mark.parametrize("failed_first", [True, False])
def test_a_point_with_a_block_that_failed_doesnt_come(failed_first: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = [block(0, 0, 0.0, error="given up"), block(0, 5, 0.5)]
    rest = [block(1, 0, 1.0), block(1, 5, 1.0)]
    found = points((blocks if failed_first else blocks[::-1]) + rest, monkeypatch)
    assert found == [(slice(1, 2), [[1.0]])]
