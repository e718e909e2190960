# SPDX-License-Identifier: Apache-2.0
"""Estimates of how often a program's operations run.

Random events branch, and loops repeat.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from qfleet.wire.program.operations import EVENTS, JUMPS, Op
from qfleet.wire.program.program import Program

#: The assumed number of turns of a loop whose end isn't known.
_PASSES: Final = 8
#: The largest number of loops around an operation that are counted.
_MOST_LOOPS: Final = 4


def num_operations(program: Program) -> float:
    """Return the number of operations in one pass through a program.

    Loops are estimated.
    """
    if not len(program.jumps):
        return len(program)
    rows = np.flatnonzero(JUMPS[program.codes])
    back = program.jumps <= rows
    starts = np.zeros(len(program) + 1)
    np.add.at(starts, program.jumps[back], 1)
    np.add.at(starts, rows[back] + 1, -1)
    return float((_PASSES ** np.minimum(np.cumsum(starts[:-1]), _MOST_LOOPS)).sum())


def holds_branches(program: Program, shots: int) -> bool:
    """Tell whether an engine may hold states of several branches together.

    Measurements that only measurements follow are sampled from one state.
    """
    if len(program.jumps):
        return True
    others = np.flatnonzero(program.codes != Op.MEASURE)
    return shots > 1 and bool(len(others)) and bool(EVENTS[program.codes[: others[-1] + 1]].any())


def num_passes(program: Program, shots: int) -> float:
    """Return the number of times that an engine goes through a program.

    It is 1, unless the program measures or resets and then goes on.
    """
    random = EVENTS[program.codes] != 0
    others = np.flatnonzero(~random)
    before = np.count_nonzero(random[: others[-1]]) if len(others) else 0
    return float(min(shots, 2.0 ** min(before, 60)))
