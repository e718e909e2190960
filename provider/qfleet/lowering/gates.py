# SPDX-License-Identifier: Apache-2.0
"""Map Qiskit's standard gates to operations of a program."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from qfleet.wire.program.operations import SPEC, SPECS, Op

#: A row's operation code, number of controls and number of targets: three parts of 16 bits of one number, the code
#: lowest. A list of numbers becomes an array quickly.
Shape: TypeAlias = int
_NUMBER, _PART = np.dtype("<u8"), np.dtype("<u2")


def pack_shape(code: Op, num_controls: int, num_targets: int) -> Shape:
    """Return the shape of a row.

    Args:
        code: the operation.
        num_controls: number of controls, below 2**16 as a program's number of qubits is.
        num_targets: number of targets, below 2**16.
    """
    return code | num_controls << 16 | num_targets << 32


def unpack_shape(shape: Shape) -> tuple[Op, int, int]:
    """Return a row's code, number of controls and number of targets."""
    return Op(shape & 0xFFFF), shape >> 16 & 0xFFFF, shape >> 32


def shape_columns(shapes: Sequence[Shape]) -> tuple[NDArray[np.uint8], NDArray[np.uint16], NDArray[np.uint16]]:
    """Return the codes and the numbers of controls and targets.

    Returns:
        Arrays of shape (shapes,): uint8, uint16 and uint16.
    """
    parts = np.array(shapes, _NUMBER).view(_PART)
    return parts[::4].astype(np.uint8), parts[1::4].copy(), parts[2::4].copy()


def shape_of(code: Op, num_controls: int = 0) -> Shape:
    """Return the shape of an operation with a fixed number of targets."""
    targets = SPEC[code].targets
    assert targets is not None, code.name  # noqa: S101 - a mistake in this package, not in its input
    return pack_shape(code, num_controls, targets)


#: Shapes of the standard gates that are one row with the gate's own parameters, by Qiskit's name.
STANDARD_SHAPES: Final[dict[str, Shape]] = {
    name: shape_of(spec.op, num_controls) for spec in SPECS for name, num_controls in spec.gates
}
#: The shapes above that have parameters.
WITH_PARAMS: Final = frozenset(shape for shape in STANDARD_SHAPES.values() if SPEC[unpack_shape(shape)[0]].angles)

#: The other standard gates: no row, two rows, or different parameters.
IDENTITY: Final = "id"
GLOBAL_PHASE: Final = "global_phase"
U2: Final = "u2"
CU: Final = "cu"
OTHERS: Final = frozenset({IDENTITY, GLOBAL_PHASE, U2, CU})

#: Qiskit's name for a gate that is given by its matrix. Other gates may have this name too.
UNITARY: Final = "unitary"

GLOBAL_PHASE_SHAPE = shape_of(Op.GLOBAL_PHASE)
U_SHAPE = shape_of(Op.U)
CU_SHAPE = shape_of(Op.U, 1)
CONTROLLED_PHASE_SHAPE = shape_of(Op.GLOBAL_PHASE, 1)
