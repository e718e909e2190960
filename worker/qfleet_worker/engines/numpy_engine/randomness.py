# SPDX-License-Identifier: Apache-2.0
"""Which random numbers does a shot get?

Each random event of a program has a stream of its own, and shot i takes the i-th number of each. So what a shot finds
depends on the program, the seed and the shot's number alone, whatever other shots are run beside it and in which order.

Event 0 is the measurement at the end. The others are numbered from 1, in the order of the program: each measurement,
each reset, and each target of an initialization, whether it can have another outcome or not. A shot that meets an
event again, in a loop, takes its number from another stream each time.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FINAL_EVENT = 0

#: Numbers that are kept; beyond it, those of the events met first are dropped and drawn again if need be.
KEPT = 1 << 21


class Uniforms:
    """The random numbers of shots ``first_shot .. first_shot + shots - 1``, uniform in [0, 1)."""

    def __init__(self, seed: int, first_shot: int, shots: int) -> None:
        self._seed = seed
        self._first_shot = first_shot
        self._shots = shots
        self._whole: dict[tuple[int, int], NDArray[np.float64]] = {}

    def of(self, event: int, shots: NDArray[np.int64], visit: int | NDArray[np.int32] = 0) -> NDArray[np.float64]:
        """The numbers of an event for some shots, given in ascending order as offsets from ``first_shot``.

        `visit`: how often these shots have met the event before; of all, or of each.
        """
        if not isinstance(visit, int):
            numbers = np.empty(len(shots))
            for each in np.unique(visit).tolist():
                numbers[visit == each] = self.of(event, shots[visit == each], each)
            return numbers
        first, last = int(shots[0]), int(shots[-1])
        if last - first + 1 == len(shots):
            return self._draw(event, visit, first, len(shots))
        whole = self._whole.get((event, visit))
        if whole is None:
            if len(self._whole) * self._shots >= KEPT:
                del self._whole[next(iter(self._whole))]
            whole = self._whole[event, visit] = self._draw(event, visit, 0, self._shots)
        return whole[shots]

    def _draw(self, event: int, visit: int, first: int, count: int) -> NDArray[np.float64]:
        # One number is one step of PCG64, so that any shot's can be had without those before it.
        key = [self._seed, event, visit] if visit else [self._seed, event]
        return np.random.Generator(np.random.PCG64(key).advance(self._first_shot + first)).random(count)
