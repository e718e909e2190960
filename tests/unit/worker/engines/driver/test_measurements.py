# SPDX-License-Identifier: Apache-2.0
"""Measurements are steps, or at the end of a stretch."""

from __future__ import annotations

import engine_oracle as oracle
import pytest
from engine_oracle import measure, op

from qfleet.wire.program.operations import Op
from qfleet_worker.engines.driver.measurements import Measurements

#: Qubit 0 is used after its first measurement; clbit 0 is written twice.
PROGRAM = oracle.program(2, 2, [measure(0, 0), op(Op.X, [0]), measure(1, 1), measure(0, 0)])


@pytest.mark.parametrize("last", [True, False])
def test_which_measurements_are_at_the_end(last: bool) -> None:
    measurements = Measurements(PROGRAM, last=last)
    rows = [(row, operation) for row, operation in enumerate(PROGRAM) if operation.code is Op.MEASURE]
    steps = [measurements.add(operation, row, 7 + row, 10 + operation.targets[0]) for row, operation in rows]
    # Nothing reads what the first measurement writes.
    assert [step and (step.wire, step.event, step.clbits) for step in steps] == (
        [(10, 7, ()), None, None] if last else [(10, 7, ()), (11, 9, (1,)), (10, 10, (0,))]
    )
    assert measurements.measured() == ((11, 10) if last else ())
    assert measurements.readout() == (((11, 1), (10, 0)) if last else ())
