# SPDX-License-Identifier: Apache-2.0
"""The places of wires in a stage's chunks, in machine code."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from qfleet_worker.engines.machine_code.registry import inner_code, machine_code


class Frame(NamedTuple):
    """The chunks of a stage."""

    #: the local wires, as a mask
    local: int
    #: int64, shape (wires,): the index bit of each local wire, -1 for the others
    places: NDArray[Any]
    #: index bits of a chunk; of these, the lowest lie inside of a vector
    bits: int
    lane_bits: int


@machine_code
def new_frame(local: int, num_wires: int, lane_bits: int) -> Frame:
    """Return the frame of a stage with these local wires."""
    places = np.full(num_wires, -1, np.int64)
    bits = 0
    for wire in range(num_wires):
        if local >> wire & 1:
            places[wire] = bits
            bits += 1
    return Frame(local, places, bits, lane_bits)


@inner_code
def lane_wires(frame: Frame) -> int:
    """Return the mask of the wires whose bits lie inside a vector."""
    lanes, left = 0, frame.local
    for _ in range(frame.lane_bits):
        lanes |= left & -left
        left &= left - 1
    return lanes
