# SPDX-License-Identifier: Apache-2.0
"""Records of shots: the clbits written, and the saves reached."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from qfleet_worker.engines.bits import WIDE, from_bits

#: Bytes that a save takes for each shot, once and in a loop.
BYTES_OF_A_SAVE, BYTES_OF_A_SAVE_IN_A_LOOP = 2, 8
_MOST_IN_A_BYTE = 255


class ShotRecords:
    """The clbits of shots, and their visits to each save."""

    def __init__(self, shots: int) -> None:
        self._shots = shots
        #: by clbit that was written in mid-circuit: uint8, shape (shots,)
        self.clbits: dict[int, NDArray[np.uint8]] = {}
        #: by save: how often each shot has come to it, in this run and in any; int32 once a byte is too small
        self._saves: dict[int, NDArray[np.uint8] | NDArray[np.int32]] = {}

    def write(self, clbit: int, shots: NDArray[np.int64], values: NDArray[np.generic]) -> None:
        """Give a clbit values, one for each of the shots."""
        plane = self.clbits.get(clbit)
        if plane is None:
            plane = self.clbits[clbit] = np.zeros(self._shots, np.uint8)
        if len(shots) == self._shots:
            plane[:] = values
        else:
            plane[shots] = values

    def to_save(self, save: int, shots: NDArray[np.int64]) -> NDArray[np.int64]:
        """Count shots at a save, and return the new ones.

        A shot that began again isn't new at the saves that it came to before.
        """
        planes = self._saves.get(save)
        if planes is None:
            planes = self._saves[save] = np.zeros((2, self._shots), np.uint8)
        if planes.dtype == np.uint8 and planes[0, shots].max() == _MOST_IN_A_BYTE:
            planes = self._saves[save] = planes.astype(np.int32)
        planes[0, shots] += 1
        new: NDArray[np.int64] = shots[planes[0, shots] > planes[1, shots]]
        planes[1, new] += 1
        return new

    def groups(self, shots: NDArray[np.int64]) -> Iterator[tuple[int, NDArray[np.int64]]]:
        """Give each distinct value of all clbits, with its shots.

        The value is a number with a bit for each clbit.
        """
        clbits = sorted(self.clbits)
        if not clbits:
            yield 0, shots
            return
        rows = np.stack([self.clbits[clbit][shots] for clbit in clbits], axis=1)
        distinct, which = np.unique(rows, axis=0, return_inverse=True)
        for number, row in enumerate(distinct.tolist()):
            ones = [clbit for clbit, bit in zip(clbits, row, strict=True) if bit]
            yield _number(ones), shots[which.reshape(-1) == number]

    def forget(self, shots: NDArray[np.int64]) -> None:
        """Forget what shots wrote, since they begin again."""
        for plane in self.clbits.values():
            plane[shots] = 0
        for planes in self._saves.values():
            planes[0, shots] = 0

    def copy(self, sources: NDArray[np.int64], shots: NDArray[np.int64]) -> None:
        """Give shots the records of others."""
        for plane in self.clbits.values():
            plane[shots] = plane[sources]
        for planes in self._saves.values():
            planes[:, shots] = planes[:, sources]

    def of(self, clbits: Sequence[tuple[int, int]], shot: int) -> int:
        """Return some clbits of one shot as a number.

        Args:
            clbits: pairs of a place in the number and a clbit, in ascending order.
            shot: the number of the shot.
        """
        values = [(place, int(self.clbits[clbit][shot])) for place, clbit in clbits if clbit in self.clbits]
        if len(values) <= WIDE:
            return sum([value << place for place, value in values])
        bits = np.zeros(values[-1][0] + 1, np.uint8)
        for place, value in values:
            bits[place] = value
        return from_bits(bits)


def _number(ones: Sequence[int]) -> int:
    """Return the number whose bits at these places are set.

    It takes time linear in the bytes of the number.
    """
    raw = bytearray(ones[-1] // 8 + 1 if ones else 0)
    for place in ones:
        raw[place >> 3] |= 1 << (place & 7)
    return int.from_bytes(raw, "little")
