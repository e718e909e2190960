# SPDX-License-Identifier: Apache-2.0
"""Numbers of a program's random events, which say where each shot's random numbers come from.

Event 0 is the measurement at the end. The others are numbered from 1, in the order of the program: each measurement,
each reset, and each target of an initialization, whether it can have several results or not.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from qfleet.wire.program.program import Op, Program

FINAL_EVENT: Final = 0

#: By code, the operations that are a random event for each of their targets.
_IS_RANDOM: Final = np.isin(np.arange(256), [Op.MEASURE, Op.RESET, Op.INITIALIZE])


def event_numbers(program: Program) -> NDArray[np.int64]:
    """Return the number of the first random event in each row or behind it; shape (rows + 1,).

    The events of row i are ``numbers[i]`` to ``numbers[i + 1] - 1``; the last entry is the next free number.
    """
    counts = np.where(_IS_RANDOM[program.codes], program.num_targets, 0)
    return np.concatenate([[1], 1 + np.cumsum(counts, dtype=np.int64)])
