# SPDX-License-Identifier: Apache-2.0
"""Numbers of random events in compiled programs."""

from __future__ import annotations

import engine_oracle as oracle
import numpy as np
import pytest
from engine_oracle import measure, op

from qfleet.wire.program.operations import Op
from qfleet_worker.engines.numpy.compiler import compile_program as compile_for_numpy
from qfleet_worker.engines.statevector.compiler.plan import compile_program as compile_for_statevector
from qfleet_worker.engines.steps import EventStep

STATE = np.full(4, 0.5, np.complex128)
PROGRAM = oracle.program(
    3,
    2,
    [
        op(Op.H, [0]),
        measure(0, 0),
        op(Op.INITIALIZE, [2, 1], table=STATE),
        op(Op.H, [1]),
        op(Op.RESET, [1]),
        measure(2, 1),
        op(Op.X, [2]),
    ],
)


@pytest.mark.parametrize("before", [0, 7])
def test_both_compilers_give_steps_these_numbers(before: int) -> None:
    numpy_plan = compile_for_numpy(PROGRAM, from_zero=False, last=False, events_before=before)
    statevector_plan = compile_for_statevector(PROGRAM, 2, last=False, events_before=before)
    for plan in (numpy_plan, statevector_plan):
        events = [step.event - before for step in plan.steps if isinstance(step, EventStep)]
        assert events == [1, 2, 3, 4, 5]
