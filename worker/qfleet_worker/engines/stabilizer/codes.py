# SPDX-License-Identifier: Apache-2.0
"""Elementary operations: what tableaux and frames know."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum
from typing import Final, NamedTuple

from qfleet.wire.program.cliffords import Image


class Elementary(IntEnum):
    """The operations that tableaux and frames know."""

    H = 0
    S = 1
    SX = 2
    X = 3
    Y = 4
    Z = 5
    CX = 6
    CZ = 7
    SWAP = 8
    #: the second operand is the clbit
    MEASURE = 9
    RESET = 10
    #: the first operand is the place of its first target among the program's operands, the second its channel
    NOISE = 11


class Gate(NamedTuple):
    """An elementary gate on some qubits, which are numbered from 0."""

    code: Elementary
    first: int
    #: the same as `first` for a gate on one qubit
    second: int


#: Images of the Paulis I, X, Z and Y behind a gate on one qubit: X and Z of each, and its sign.
_LETTERS: Final = {
    Elementary.H: ((0, 0, 0), (0, 1, 0), (1, 0, 0), (1, 1, 1)),
    Elementary.S: ((0, 0, 0), (1, 1, 0), (0, 1, 0), (1, 0, 1)),
    Elementary.SX: ((0, 0, 0), (1, 0, 0), (1, 1, 1), (0, 1, 0)),
    Elementary.X: ((0, 0, 0), (1, 0, 0), (0, 1, 1), (1, 1, 1)),
    Elementary.Y: ((0, 0, 0), (1, 0, 1), (0, 1, 1), (1, 1, 0)),
    Elementary.Z: ((0, 0, 0), (1, 0, 1), (0, 1, 0), (1, 1, 1)),
}


def behind(pauli: Image, gate: Gate) -> Image:
    """Return what a Pauli in front of a gate is behind it."""
    code, first, second = gate
    if code in _LETTERS:
        x, z, sign = _LETTERS[code][(pauli.x >> first & 1) | (pauli.z >> first & 1) << 1]
        rest = ~(1 << first)
        return Image(pauli.x & rest | x << first, pauli.z & rest | z << first, pauli.sign ^ sign)
    if code is Elementary.CX:
        control_x, target_z = pauli.x >> first & 1, pauli.z >> second & 1
        same = (pauli.x >> second ^ pauli.z >> first ^ 1) & 1
        return Image(
            pauli.x ^ control_x << second, pauli.z ^ target_z << first, pauli.sign ^ control_x & target_z & same
        )
    if code is Elementary.CZ:
        turn = Gate(Elementary.H, second, second)
        return behind_all(pauli, [turn, Gate(Elementary.CX, first, second), turn])
    forth, back = Gate(Elementary.CX, first, second), Gate(Elementary.CX, second, first)
    return behind_all(pauli, [forth, back, forth])


def behind_all(pauli: Image, gates: Iterable[Gate]) -> Image:
    """Return what a Pauli before some gates is behind all."""
    for gate in gates:
        pauli = behind(pauli, gate)
    return pauli
