# SPDX-License-Identifier: Apache-2.0
"""The operations, as an argument of the compiler's machine code.

A further gate is a further row here, and nothing is compiled anew.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from qfleet.wire.program.expansions import EXPANSIONS, Expansion
from qfleet.wire.program.matrices import table
from qfleet.wire.program.operations import SPECS, Kind, Op, Table
from qfleet.wire.program.program import Operation
from qfleet_worker.engines.gates import codes
from qfleet_worker.engines.machine_code.registry import structure
from qfleet_worker.engines.statevector.compiler.shapes import shape_of_one

#: The columns of an operation: its angles, or -1 for a number that isn't an operation; whether it isn't unitary, and
#: whether it has a table; the shape of its matrix if it has one target and no table; where its constant matrix, or the
#: matrices of its terms, begin, or -1 for one that is computed by code of its own; how many terms it has, 0 for a
#: constant; where the powers of its terms begin.
ANGLES, IS_STEP, HAS_TABLE, SHAPE, MATRIX_AT, TERMS, POWERS_AT = range(7)
_COLUMNS = 7
_MOST_ANGLES = max(spec.angles for spec in SPECS)
#: Angles at which the shape of a matrix is found; none is special.
_ANGLES = ((0.37, 1.21, 2.03), (-1.57, 0.59, -2.81), (2.42, -0.83, 0.71))
#: What code computes in `compiler.matrices`, faster than a sum of terms.
_CODED = frozenset(
    (
        codes.P, codes.RX, codes.RY, codes.RZ, codes.R, codes.U, codes.RXX, codes.RYY, codes.RZZ, codes.XX_MINUS_YY,
        codes.XX_PLUS_YY, codes.GLOBAL_PHASE,
    )
)  # fmt: skip


@structure(codes="int64[:, ::1]", powers="int64[:, ::1]", matrices="complex128[::1]")
class GateTable(NamedTuple):
    """The operations."""

    #: int64, shape (256, columns), by the operation's number
    codes: NDArray[np.int64]
    #: int64, shape (terms, most angles)
    powers: NDArray[np.int64]
    #: complex128: row by row
    matrices: NDArray[np.complex128]


def make_gate_table() -> GateTable:
    """Return the table of all operations."""
    rows = np.full((256, _COLUMNS), -1, np.int64)
    powers = [np.zeros((1, _MOST_ANGLES), np.int64)]
    matrices: list[NDArray[np.complexfloating]] = [np.zeros(1, np.complex128)]
    for spec in SPECS:
        row = rows[spec.op]
        row[ANGLES] = spec.angles
        row[IS_STEP] = spec.kind is not Kind.UNITARY
        row[HAS_TABLE] = spec.table is not Table.NONE
        row[[SHAPE, TERMS, POWERS_AT]] = 0
        if row[IS_STEP] or row[HAS_TABLE]:
            continue
        row[SHAPE] = _shape(spec.op, spec.angles)
        expansion = EXPANSIONS.get(spec.op)
        if expansion is not None:
            row[MATRIX_AT] = sum(map(len, matrices))
            row[POWERS_AT] = sum(map(len, powers))
            row[TERMS] = len(expansion.powers)
            powers.append(_padded(expansion))
            matrices.append(expansion.matrices.reshape(-1))
        elif spec.op not in _CODED:
            row[MATRIX_AT] = sum(map(len, matrices))
            matrices.append(_matrix(spec.op, ()).reshape(-1))
    return GateTable(rows, np.concatenate(powers), np.concatenate(matrices).astype(np.complex128))


def _padded(expansion: Expansion) -> NDArray[np.int64]:
    """Return an expansion's powers with a column for each possible angle."""
    padded = np.zeros((len(expansion.powers), _MOST_ANGLES), np.int64)
    padded[:, : expansion.powers.shape[1]] = expansion.powers
    return padded


def _matrix(op: Op, angles: tuple[float, ...]) -> NDArray[np.complexfloating]:
    """Return an operation's matrix at some angles."""
    entries = table(Operation(op, (), (), angles, None, -1))
    return np.diag(entries) if entries.ndim == 1 else entries


def _shape(op: Op, num_angles: int) -> int:
    """Return the shape of a one-qubit gate's matrix at all angles.

    It is 0 for any other gate.
    """
    shape = -1
    for angles in _ANGLES:
        matrix = _matrix(op, angles[:num_angles])
        if matrix.size != 4:
            return 0
        shape &= shape_of_one(np.array(matrix.reshape(-1), np.complex128), 0)
    return shape


#: The operations there are.
GATES: Final = make_gate_table()
