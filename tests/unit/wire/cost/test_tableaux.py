# SPDX-License-Identifier: Apache-2.0
"""The predicted time of Clifford circuits: what frames run, and what has branches."""

from __future__ import annotations

import pytest
from clifford_programs import gate, noisy_program
from noise_oracle import depolarizing, jump_unless, measure, noise, resetting

from qfleet.wire.cost.tableaux import has_plain_feedback, tableau_seconds
from qfleet.wire.program.expressions import Bit, Constant
from qfleet.wire.program.operations import Op
from qfleet.wire.program.program import Operation
from qfleet_worker.engines.stabilizer.frames.plan import NotFramesError, frame_plan

STORE = Operation(Op.STORE, (), (), (), None, -1, -1, (Bit(1), Constant(0, b"\x01")))


def jump(row: int) -> Operation:
    return Operation(Op.JUMP, (), (), (), None, -1, row)


@pytest.mark.parametrize(
    ("rows", "plain"),
    [
        ([gate(Op.H, 0), measure(0, 0)], True),
        ([measure(0, 0), jump_unless(0, 4), gate(Op.X, 1), STORE, gate(Op.H, 1)], True),
        ([measure(0, 0), jump_unless(0, 4), noise(depolarizing(0.1), 1), jump(5), gate(Op.Z, 0)], True),
        ([measure(0, 0), jump_unless(0, 3), gate(Op.X, 1)], True),
        ([measure(0, 0), jump_unless(0, 4), gate(Op.X, 1), gate(Op.H, 1)], False),
        ([measure(0, 0), jump_unless(0, 3), gate(Op.X, 1, controls=[0])], False),
        ([measure(0, 0), jump_unless(0, 4), gate(Op.Y, 1), jump(5), gate(Op.RESET, 0)], False),
        ([measure(0, 0), jump_unless(0, 0)], False),
    ],
)
def test_feedback_is_plain_where_frames_run_it(rows: list[Operation], plain: bool) -> None:
    program = noisy_program(2, 2, rows)
    assert has_plain_feedback(program) == plain
    if plain:
        frame_plan(program)
    else:
        with pytest.raises(NotFramesError):
            frame_plan(program)


def test_branches_take_longer_than_frames() -> None:
    rows = [each for clbit in range(20) for each in (gate(Op.H, clbit), measure(clbit, clbit))]
    plain, shots = noisy_program(20, 20, rows), 10_000
    fed_back = noisy_program(20, 20, [*rows, jump_unless(0, 42), gate(Op.X, 1)])
    branching = noisy_program(20, 20, [*rows, jump_unless(0, 42), gate(Op.H, 1)])
    resets = noisy_program(20, 20, [*rows, noise(resetting(0.9, 0.05, 0.05), 0, 1)])
    times = [tableau_seconds(program, shots, 0) for program in (plain, fed_back, branching, resets)]
    assert times[1] < 1.2 * times[0]
    assert min(times[2:]) > 3 * times[0]
