# SPDX-License-Identifier: Apache-2.0
"""Parameter sets of a sweep arrive when all their blocks of shots have run."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from make_jobs import make_circuit_record, make_circuit_result, make_job_record

from qfleet.errors import DamagedDataError
from qfleet.jobs.pub_results import whole_expectation_values
from qfleet.ledger import PubRecord
from qfleet.wire.messages.result import CircuitResult


def block(index: int, first_shot: int, mean: float, *, error: str = "") -> CircuitResult:
    values = b"" if error else np.array([mean, mean**2], "<f8").tobytes()
    return make_circuit_result(index, first_shot=first_shot, shots=5, expectation_values=values, error=error)


def arrived(blocks: list[CircuitResult]) -> list[tuple[slice, Any]]:
    pub = PubRecord(shape=(2,), precision=0.3, sampled=True)
    record = make_job_record(make_circuit_record(points=2), output="means", pubs=(pub,))
    return [(where, values.tolist()) for where, values in whole_expectation_values(record, blocks)]


def test_a_parameter_set_comes_when_all_its_blocks_ran() -> None:
    found = arrived([block(1, 5, 0.5), block(0, 0, 1.0), block(1, 0, 1.0), block(0, 5, -1.0)])
    assert found == [(slice(1, 2), [[0.75]]), (slice(0, 1), [[0.0]])]


@pytest.mark.parametrize("failed_first", [True, False])
def test_a_parameter_set_with_a_block_that_failed_doesnt_come(failed_first: bool) -> None:
    blocks = [block(0, 0, 0.0, error="given up"), block(0, 5, 0.5)]
    rest = [block(1, 0, 1.0), block(1, 5, 1.0)]
    assert arrived((blocks if failed_first else blocks[::-1]) + rest) == [(slice(1, 2), [[1.0]])]


def test_a_parameter_set_that_the_job_doesnt_have_is_damage() -> None:
    with pytest.raises(DamagedDataError, match="the job has 2 parameter sets, and returned 3"):
        arrived([block(2, 0, 1.0), block(2, 5, 1.0)])
