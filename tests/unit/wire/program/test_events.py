# SPDX-License-Identifier: Apache-2.0
"""Numbers of random events, which seeds depend on: a change would change the counts of every dynamic circuit."""

from __future__ import annotations

import engine_oracle as oracle
import numpy as np
from engine_oracle import measure, op

from qfleet.wire.program.events import event_numbers
from qfleet.wire.program.operations import Op

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


def test_events_are_numbered_in_the_order_of_the_program() -> None:
    assert event_numbers(PROGRAM).tolist() == [1, 1, 2, 4, 4, 5, 6, 6]
    assert event_numbers(oracle.program(1, 0, [])).tolist() == [1]
