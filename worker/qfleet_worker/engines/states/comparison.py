# SPDX-License-Identifier: Apache-2.0
"""Comparison of states up to a global phase.

A wire in a basis state may or may not have a bit of the amplitudes' index; it makes no difference here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

from qfleet.wire.program.matrices import ComplexArray

#: Largest distance of states that are taken to be equal, by the bytes of an amplitude. The rounding errors of long
#: circuits are smaller.
TOLERANCE: Final = {16: 1e-11, 8: 2e-6}
#: Amplitudes of the largest states that are compared: copies are made of them.
COMPARED: Final = 1 << 17

_GOLDEN_ANGLE: Final = 2.399963229728653


class ComparableState:
    """The amplitudes of a state, comparable with those of others.

    Args:
        amplitudes: shape (2**len(order),).
        order: the wires with a bit of the index, the highest bit first.
        values: those of other wires, 0 where absent.
    """

    def __init__(self, amplitudes: ComplexArray, order: tuple[int, ...], values: Mapping[int, int]) -> None:
        self.amplitudes = amplitudes
        self._order = order
        self._values = values
        self.tolerance = TOLERANCE[amplitudes.dtype.itemsize]

    def fingerprint(self) -> float:
        """Return a number that equal states share.

        It is the same within ``2 * tolerance * len(amplitudes)``.
        """
        rest = self.amplitudes
        for wire in self._order:
            low, high = rest.reshape(2, -1)
            rest = low + high * np.exp(1j * _GOLDEN_ANGLE * (wire + 1))
        return float(abs(rest[0])) ** 2

    def equals(self, other: ComparableState) -> bool:
        """Tell whether two states are the same up to a global phase."""
        wires = self._order
        if self._order != other._order:
            wires = tuple(sorted({*self._order, *other._order}))
            if 1 << len(wires) > 2 * COMPARED:
                return False
        everywhere = {*self._values, *other._values}.difference(wires)
        if any(self._values.get(wire, 0) != other._values.get(wire, 0) for wire in everywhere):
            return False
        mine, theirs = self._over(wires), other._over(wires)
        inner = complex(np.vdot(theirs, mine))
        if abs(abs(inner) - 1) > 1e-3:
            return False
        return float(np.linalg.norm(mine - theirs * mine.dtype.type(inner / abs(inner)))) <= self.tolerance

    def _over(self, wires: tuple[int, ...]) -> ComplexArray:
        """Return the amplitudes with a bit for each of these wires.

        All wires of its own are among them.
        """
        if wires == self._order:
            return self.amplitudes
        own = [wire for wire in wires if wire in self._order]
        tensor = self.amplitudes.reshape((2,) * len(own)).transpose([self._order.index(wire) for wire in own])
        whole = np.zeros((2,) * len(wires), self.amplitudes.dtype)
        whole[tuple([slice(None) if wire in own else self._values.get(wire, 0) for wire in wires])] = tensor
        return whole.reshape(-1)
