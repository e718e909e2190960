# SPDX-License-Identifier: Apache-2.0
"""Map Qiskit's standard gates to operations of a program."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from qfleet.wire.program.program import PARAMS, TARGETS, Op

#: A row's operation code, number of controls and number of targets: three parts of 16 bits of one number, the code
#: lowest. A list of numbers becomes an array quickly.
Shape: TypeAlias = int
_NUMBER, _PART = np.dtype("<u8"), np.dtype("<u2")


def pack_shape(code: Op, num_controls: int, num_targets: int) -> Shape:
    """Return the shape of a row. Both numbers are below 2**16, as a program's number of qubits is."""
    return code | num_controls << 16 | num_targets << 32


def unpack_shape(shape: Shape) -> tuple[Op, int, int]:
    """Return a row's code, number of controls and number of targets."""
    return Op(shape & 0xFFFF), shape >> 16 & 0xFFFF, shape >> 32


def shape_columns(shapes: Sequence[Shape]) -> tuple[NDArray[np.uint8], NDArray[np.uint16], NDArray[np.uint16]]:
    """Return codes, numbers of controls and numbers of targets, each of shape (shapes,)."""
    parts = np.array(shapes, _NUMBER).view(_PART)
    return parts[::4].astype(np.uint8), parts[1::4].copy(), parts[2::4].copy()


def shape_of(code: Op, num_controls: int = 0) -> Shape:
    """Return the shape of an operation whose code fixes its number of targets."""
    targets = TARGETS[code]
    assert targets is not None, code.name  # noqa: S101 - a mistake in this package, not in what it reads
    return pack_shape(code, num_controls, targets)


#: Standard gates that are one row with the gate's own parameters, by the name that Qiskit gives them.
STANDARD_SHAPES: dict[str, Shape] = {
    "x": shape_of(Op.X),
    "y": shape_of(Op.Y),
    "z": shape_of(Op.Z),
    "h": shape_of(Op.H),
    "s": shape_of(Op.S),
    "sdg": shape_of(Op.SDG),
    "t": shape_of(Op.T),
    "tdg": shape_of(Op.TDG),
    "sx": shape_of(Op.SX),
    "sxdg": shape_of(Op.SXDG),
    "p": shape_of(Op.P),
    "u1": shape_of(Op.P),
    "rx": shape_of(Op.RX),
    "ry": shape_of(Op.RY),
    "rz": shape_of(Op.RZ),
    "r": shape_of(Op.R),
    "u": shape_of(Op.U),
    "u3": shape_of(Op.U),
    "swap": shape_of(Op.SWAP),
    "iswap": shape_of(Op.ISWAP),
    "dcx": shape_of(Op.DCX),
    "ecr": shape_of(Op.ECR),
    "rxx": shape_of(Op.RXX),
    "ryy": shape_of(Op.RYY),
    "rzz": shape_of(Op.RZZ),
    "rzx": shape_of(Op.RZX),
    "xx_minus_yy": shape_of(Op.XX_MINUS_YY),
    "xx_plus_yy": shape_of(Op.XX_PLUS_YY),
    "rccx": shape_of(Op.RCCX),
    "rcccx": shape_of(Op.RC3X),
    "cx": shape_of(Op.X, 1),
    "cy": shape_of(Op.Y, 1),
    "cz": shape_of(Op.Z, 1),
    "ch": shape_of(Op.H, 1),
    "cs": shape_of(Op.S, 1),
    "csdg": shape_of(Op.SDG, 1),
    "csx": shape_of(Op.SX, 1),
    "cp": shape_of(Op.P, 1),
    "cu1": shape_of(Op.P, 1),
    "crx": shape_of(Op.RX, 1),
    "cry": shape_of(Op.RY, 1),
    "crz": shape_of(Op.RZ, 1),
    "cu3": shape_of(Op.U, 1),
    "cswap": shape_of(Op.SWAP, 1),
    "ccx": shape_of(Op.X, 2),
    "ccz": shape_of(Op.Z, 2),
    "mcx": shape_of(Op.X, 3),
    "c3sx": shape_of(Op.SX, 3),
}

#: The shapes above that have parameters.
WITH_PARAMS: frozenset[Shape] = frozenset(
    shape for shape in STANDARD_SHAPES.values() if unpack_shape(shape)[0] in PARAMS
)

#: The other standard gates: no row, two rows, or different parameters.
IDENTITY = "id"
GLOBAL_PHASE = "global_phase"
U2 = "u2"
CU = "cu"

#: Qiskit's name for a gate that is given by its matrix. Other gates may have this name too.
UNITARY = "unitary"

GLOBAL_PHASE_SHAPE = shape_of(Op.GLOBAL_PHASE)
U_SHAPE = shape_of(Op.U)
CU_SHAPE = shape_of(Op.U, 1)
CONTROLLED_PHASE_SHAPE = shape_of(Op.GLOBAL_PHASE, 1)
