# SPDX-License-Identifier: Apache-2.0
"""Numbers of a program's random events, which select each shot's random numbers.

Each measurement, each reset and each target of an initialization is an event, even if it can have one outcome only.
Noise has two: the first selects its branch, the second the operator of the branch.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from qfleet.wire.program.operations import EVENTS, PER_TARGET
from qfleet.wire.program.program import Program

#: The event that samples the final state.
FINAL_EVENT: Final = 0
#: The event that draws the errors of a program without control flow, all before it is run.
ERRORS_EVENT: Final = 2**32 - 1
#: The event that draws how long each shot waits for its first jump.
JUMPS_EVENT: Final = 2**32 - 2
#: The readout error of a measurement has the measurement's event plus this.
READOUT_EVENTS: Final = 2**31


def event_numbers(program: Program) -> NDArray[np.int64]:
    """Return the number of each row's first random event.

    Events are numbered from 1, in the order of rows and of each row's targets. A row without events has the number of
    the next event.

    Returns:
        int64, shape (rows + 1,); the last entry is the next free number.
    """
    counts = EVENTS[program.codes]
    counts = np.where(counts == PER_TARGET, program.num_targets, counts)
    return np.concatenate([[1], 1 + np.cumsum(counts, dtype=np.int64)])
