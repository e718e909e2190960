# SPDX-License-Identifier: Apache-2.0
"""Which random numbers does a shot get?

Each random event of a program has a stream of its own, and shot i takes the i-th number of each. So what a shot finds
depends on the program, the seed and the shot's number alone, whatever other shots are run beside it and in which order.

Event 0 is the measurement at the end. The others are numbered from 1, in the order of the program: each measurement,
each reset, and each target of an initialization, whether it can have another outcome or not.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FINAL_EVENT = 0


class Uniforms:
    """The random numbers of shots ``first_shot .. first_shot + shots - 1``, uniform in [0, 1)."""

    def __init__(self, seed: int, first_shot: int, shots: int) -> None:
        self._seed = seed
        self._first_shot = first_shot
        self._shots = shots
        self._whole: dict[int, NDArray[np.float64]] = {}

    def of(self, event: int, shots: NDArray[np.int64]) -> NDArray[np.float64]:
        """The numbers of an event for some shots, given in ascending order as offsets from ``first_shot``."""
        first, last = int(shots[0]), int(shots[-1])
        if last - first + 1 == len(shots):
            return self._draw(event, first, len(shots))
        if event not in self._whole:
            self._whole[event] = self._draw(event, 0, self._shots)
        return self._whole[event][shots]

    def _draw(self, event: int, first: int, count: int) -> NDArray[np.float64]:
        # One number is one step of PCG64, so that any shot's can be had without those before it.
        stream = np.random.PCG64([self._seed, event]).advance(self._first_shot + first)
        return np.random.Generator(stream).random(count)
