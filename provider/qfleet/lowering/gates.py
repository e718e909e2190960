# SPDX-License-Identifier: Apache-2.0
"""Which operation of a program is each of Qiskit's standard gates?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from qfleet.wire.program.program import PARAMS, TARGETS, Op

#: What a row of a program is besides its operands: its operation code, its number of controls, its number of targets.
#: They are the parts of 16 bits of one number, the first one lowest, since many numbers become an array quickly.
Shape: TypeAlias = int
_NUMBER, _PART = np.dtype("<u8"), np.dtype("<u2")


def packed(code: Op, num_controls: int, num_targets: int) -> Shape:
    """The shape of these three; neither number reaches 2**16, since no program has as many qubits."""
    return code | num_controls << 16 | num_targets << 32


def unpacked(shape: Shape) -> tuple[Op, int, int]:
    """Code, number of controls and number of targets."""
    return Op(shape & 0xFFFF), shape >> 16 & 0xFFFF, shape >> 32


def columns(shapes: Sequence[Shape]) -> tuple[NDArray[np.uint8], NDArray[np.uint16], NDArray[np.uint16]]:
    """Codes, numbers of controls and numbers of targets, each of shape (shapes,)."""
    parts = np.array(shapes, _NUMBER).view(_PART)
    return parts[::4].astype(np.uint8), parts[1::4].copy(), parts[2::4].copy()


def shape(code: Op, num_controls: int = 0) -> Shape:
    """The shape of an operation whose code fixes the number of its targets."""
    targets = TARGETS[code]
    assert targets is not None, code.name  # noqa: S101 - a mistake in this package, not in what it reads
    return packed(code, num_controls, targets)


#: Standard gates that are one row with the gate's own parameters, by the name that Qiskit gives them.
STANDARD_SHAPES: dict[str, Shape] = {
    "x": shape(Op.X),
    "y": shape(Op.Y),
    "z": shape(Op.Z),
    "h": shape(Op.H),
    "s": shape(Op.S),
    "sdg": shape(Op.SDG),
    "t": shape(Op.T),
    "tdg": shape(Op.TDG),
    "sx": shape(Op.SX),
    "sxdg": shape(Op.SXDG),
    "p": shape(Op.P),
    "u1": shape(Op.P),
    "rx": shape(Op.RX),
    "ry": shape(Op.RY),
    "rz": shape(Op.RZ),
    "r": shape(Op.R),
    "u": shape(Op.U),
    "u3": shape(Op.U),
    "swap": shape(Op.SWAP),
    "iswap": shape(Op.ISWAP),
    "dcx": shape(Op.DCX),
    "ecr": shape(Op.ECR),
    "rxx": shape(Op.RXX),
    "ryy": shape(Op.RYY),
    "rzz": shape(Op.RZZ),
    "rzx": shape(Op.RZX),
    "xx_minus_yy": shape(Op.XX_MINUS_YY),
    "xx_plus_yy": shape(Op.XX_PLUS_YY),
    "rccx": shape(Op.RCCX),
    "rcccx": shape(Op.RC3X),
    "cx": shape(Op.X, 1),
    "cy": shape(Op.Y, 1),
    "cz": shape(Op.Z, 1),
    "ch": shape(Op.H, 1),
    "cs": shape(Op.S, 1),
    "csdg": shape(Op.SDG, 1),
    "csx": shape(Op.SX, 1),
    "cp": shape(Op.P, 1),
    "cu1": shape(Op.P, 1),
    "crx": shape(Op.RX, 1),
    "cry": shape(Op.RY, 1),
    "crz": shape(Op.RZ, 1),
    "cu3": shape(Op.U, 1),
    "cswap": shape(Op.SWAP, 1),
    "ccx": shape(Op.X, 2),
    "ccz": shape(Op.Z, 2),
    "mcx": shape(Op.X, 3),
    "c3sx": shape(Op.SX, 3),
}

#: Those of them that have parameters.
WITH_PARAMS: frozenset[Shape] = frozenset(shape for shape in STANDARD_SHAPES.values() if unpacked(shape)[0] in PARAMS)

#: The other standard gates: no row, two rows, or other parameters.
IDENTITY = "id"
GLOBAL_PHASE = "global_phase"
U2 = "u2"
CU = "cu"

#: What Qiskit calls a gate that is given by its matrix; it may call others so too.
UNITARY = "unitary"

GLOBAL_PHASE_SHAPE = shape(Op.GLOBAL_PHASE)
U_SHAPE = shape(Op.U)
CU_SHAPE = shape(Op.U, 1)
CONTROLLED_PHASE_SHAPE = shape(Op.GLOBAL_PHASE, 1)
