# SPDX-License-Identifier: Apache-2.0
"""Which operation of a program is each of Qiskit's standard gates?"""

from __future__ import annotations

from qfleet.wire.program import PARAMS, TARGETS, Op

#: An operation code, its number of controls, its number of targets: what a row of a program is besides its operands.
Shape = tuple[Op, int, int]


def shape(code: Op, num_controls: int = 0) -> Shape:
    """The shape of an operation whose code fixes the number of its targets."""
    targets = TARGETS[code]
    assert targets is not None, code.name  # noqa: S101 - a mistake in this package, not in what it reads
    return code, num_controls, targets


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
WITH_PARAMS: frozenset[Shape] = frozenset(shape for shape in STANDARD_SHAPES.values() if shape[0] in PARAMS)

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
