# SPDX-License-Identifier: Apache-2.0
"""Clifford gates as short sequences of elementary ones.

A gate is given by what it makes of Paulis. Elementary gates take these images back to the Paulis that they came from:
S. Aaronson and D. Gottesman, "Improved Simulation of Stabilizer Circuits", Phys. Rev. A 70, 052328 (2004), section VI.
For one and two qubits, the shortest sequence is looked up among all that there are.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from functools import cache, lru_cache
from itertools import permutations
from typing import Final

from qfleet.wire.program.cliffords import Image
from qfleet_worker.engines.stabilizer.codes import Elementary, Gate, behind, behind_all

#: Gates that generate all Clifford gates but for signs, each its own inverse there.
_ONE: Final = (Elementary.H, Elementary.S, Elementary.SX)
_TWO: Final = (Elementary.CX, Elementary.CZ, Elementary.SWAP)
#: Qubits of gates whose shortest sequence is looked up.
_LOOKED_UP: Final = 2


@lru_cache(maxsize=1 << 12)
def synthesis(images: tuple[Image, ...]) -> tuple[Gate, ...]:
    """Return elementary gates with given images of Paulis, in circuit order.

    Args:
        images: those of X on qubit 0, Z on qubit 0, X on qubit 1, and so on.
    """
    size = len(images) // 2
    plain = tuple((image.x, image.z) for image in images)
    gates = _shortest(size).gates(plain) if size <= _LOOKED_UP else _eliminated(images)
    # A Pauli in front changes the signs of the images.
    paulis = []
    for qubit in range(size):
        wrong = [
            image.sign ^ behind_all(pauli, gates).sign
            for image, pauli in zip(images[2 * qubit : 2 * qubit + 2], _generators(qubit), strict=True)
        ]
        if any(wrong):
            code = {(0, 1): Elementary.X, (1, 0): Elementary.Z, (1, 1): Elementary.Y}[wrong[0], wrong[1]]
            paulis.append(Gate(code, qubit, qubit))
    return (*paulis, *gates)


def _generators(qubit: int) -> tuple[Image, Image]:
    """Return X and Z on a qubit."""
    return Image(1 << qubit, 0, 0), Image(0, 1 << qubit, 0)


class _Shortest:
    """The shortest sequences for gates on some qubits, signs aside.

    They are found on demand, the shorter ones first.
    """

    def __init__(self, size: int) -> None:
        self._moves = [Gate(code, qubit, qubit) for code in _ONE for qubit in range(size)]
        self._moves += [
            Gate(code, *pair)
            for code in _TWO
            for pair in permutations(range(size), 2)
            if code is Elementary.CX or pair[0] < pair[1]
        ]
        start = tuple((pauli.x, pauli.z) for qubit in range(size) for pauli in _generators(qubit))
        self._known: dict[tuple[tuple[int, int], ...], tuple[Gate, ...]] = {start: ()}
        self._waiting = deque([start])

    def gates(self, plain: tuple[tuple[int, int], ...]) -> tuple[Gate, ...]:
        """Return the sequence with given images."""
        while plain not in self._known:
            at = self._waiting.popleft()
            for move in self._moves:
                after = tuple(behind(Image(x, z, 0), move)[:2] for x, z in at)
                if after not in self._known:
                    self._known[after] = (*self._known[at], move)
                    self._waiting.append(after)
        return self._known[plain]


@cache
def _shortest(size: int) -> _Shortest:
    return _Shortest(size)


def _eliminated(images: Sequence[Image]) -> tuple[Gate, ...]:
    """Return gates with given images, signs aside, by elimination."""
    size, back = len(images) // 2, _Back(images)
    for qubit in range(size):
        back.take_to_x(2 * qubit, qubit, range(qubit, size))
        image = back.images[2 * qubit + 1]
        if (image.x, image.z) != (0, 1 << qubit):
            back.apply(Elementary.H, qubit)
            back.take_to_x(2 * qubit + 1, qubit, range(qubit, size))
            back.apply(Elementary.H, qubit)
    # Signs aside, each gate is its own inverse.
    return tuple(reversed(back.applied))


class _Back:
    """Images of Paulis that are taken back by gates behind them."""

    def __init__(self, images: Sequence[Image]) -> None:
        self.images = list(images)
        self.applied: list[Gate] = []

    def apply(self, code: Elementary, first: int, second: int = -1) -> None:
        """Apply a gate behind all images."""
        gate = Gate(code, first, first if second < 0 else second)
        self.applied.append(gate)
        self.images = [behind(image, gate) for image in self.images]

    def take_to_x(self, number: int, qubit: int, qubits: Iterable[int]) -> None:
        """Take an image to X on one qubit.

        The gates keep Z on that qubit if the image anticommutes with it.

        Args:
            number: that of the image.
            qubit: the qubit.
            qubits: all on which the image acts, and perhaps others.
        """
        for each in qubits:
            x, z = self.images[number].x >> each & 1, self.images[number].z >> each & 1
            if z:
                self.apply(Elementary.S if x else Elementary.H, each)
        mask = self.images[number].x
        if not mask >> qubit & 1:
            self.apply(Elementary.SWAP, qubit, mask.bit_length() - 1)
        for each in qubits:
            if each != qubit and self.images[number].x >> each & 1:
                self.apply(Elementary.CX, qubit, each)
