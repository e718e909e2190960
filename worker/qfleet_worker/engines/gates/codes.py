# SPDX-License-Identifier: Apache-2.0
"""The operations' numbers as plain integers, for compiled code."""

from __future__ import annotations

from typing import Final

from qfleet.wire.program.operations import Op

X: Final = int(Op.X)
Z: Final = int(Op.Z)
P: Final = int(Op.P)
RX: Final = int(Op.RX)
RY: Final = int(Op.RY)
RZ: Final = int(Op.RZ)
R: Final = int(Op.R)
U: Final = int(Op.U)
SWAP: Final = int(Op.SWAP)
ISWAP: Final = int(Op.ISWAP)
DCX: Final = int(Op.DCX)
RXX: Final = int(Op.RXX)
RYY: Final = int(Op.RYY)
RZZ: Final = int(Op.RZZ)
XX_MINUS_YY: Final = int(Op.XX_MINUS_YY)
XX_PLUS_YY: Final = int(Op.XX_PLUS_YY)
GLOBAL_PHASE: Final = int(Op.GLOBAL_PHASE)
UNITARY: Final = int(Op.UNITARY)
DIAGONAL: Final = int(Op.DIAGONAL)


def numbers() -> dict[str, int]:
    """Return the numbers by name."""
    return {name: value for name, value in globals().items() if isinstance(value, int)}
