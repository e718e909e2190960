# SPDX-License-Identifier: Apache-2.0
"""Random numbers of shots.

Each random event of a program has a stream of its own, and shot i takes the i-th number of each. So the outcome of a
shot depends on the program, the seed and the shot's number alone, not on the shots that run beside it.

An event with many random bits, such as the measurement of a wide state, has words in place of a number: block b of
shot i is that of Philox with the event's key and the counter (b, i).

The events have the numbers of `qfleet.wire.program.events`. A shot that meets an event again, in a loop, takes its
number from another stream each time.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qfleet_worker.engines.randomness import philox
from qfleet_worker.engines.randomness.pcg64 import REACH, numbers_at

#: Numbers are computed one by one where fewer than one among this number is wanted, out of this many at least.
FEW = 12
MANY = 1 << 15


class Uniforms:
    """The random numbers of some shots, uniform in [0, 1).

    The shots are ``first_shot .. first_shot + shots - 1``.
    """

    def __init__(self, seed: int, first_shot: int, shots: int) -> None:
        self._seed = seed
        self._first_shot = first_shot
        self._shots = shots
        self._room = np.empty(0)

    def of(self, event: int, shots: NDArray[np.int64], visit: int | NDArray[np.int32] = 0) -> NDArray[np.float64]:
        """Return the numbers of an event for some shots.

        Args:
            event: its number, see `qfleet.wire.program.events`.
            shots: offsets from ``first_shot``, in ascending order.
            visit: how often these shots have met the event before; of all, or of each.
        """
        if not isinstance(visit, int):
            numbers = np.empty(len(shots))
            for each in np.unique(visit).tolist():
                numbers[visit == each] = self.of(event, shots[visit == each], each)
            return numbers
        first, span = int(shots[0]), int(shots[-1]) - int(shots[0]) + 1
        # One number is one step of PCG64, so any shot's number can be drawn without those before it.
        key = [self._seed, event, visit] if visit else [self._seed, event]
        stream = np.random.PCG64(key).advance(self._first_shot + first)
        if span == len(shots):
            return np.random.Generator(stream).random(span)
        if MANY <= span <= REACH and len(shots) * FEW < span:
            return numbers_at(stream, shots - first)
        if len(self._room) < span:
            self._room = np.empty(self._shots)
        return np.random.Generator(stream).random(out=self._room[:span])[shots - first]

    def words(self, event: int, shots: NDArray[np.int64], count: int) -> NDArray[np.uint64]:
        """Return random words of an event for some shots.

        A shot's words are the same whatever their number.

        Args:
            event: its number, see `qfleet.wire.program.events`.
            shots: offsets from ``first_shot``.
            count: the words of a shot.

        Returns:
            uint64, shape (shots, count).
        """
        key = np.random.SeedSequence([self._seed, event]).generate_state(2, np.uint64)
        numbers = np.arange(-(-count // philox.WORDS), dtype=np.uint64)
        counters = np.broadcast_arrays(numbers, (shots + self._first_shot).astype(np.uint64)[:, None])
        found = philox.blocks((int(key[0]), int(key[1])), (counters[0], counters[1]))
        return found.reshape(len(shots), -1)[:, :count]
