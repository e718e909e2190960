# SPDX-License-Identifier: Apache-2.0
"""A program's rows as the compiler reads them, in machine code."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from qfleet_worker.engines.contract import CompilerError
from qfleet_worker.engines.gates import codes
from qfleet_worker.engines.machine_code.registry import built_in, compiled_for, inner_code, structure
from qfleet_worker.engines.statevector.compiler.gate_table import ANGLES, HAS_TABLE, TERMS, GateTable
from qfleet_worker.engines.statevector.kernels.kinds import MAX_TARGETS

#: Targets that one DIAGONAL may have to be compiled, of 8 bits each in one number; wider ones are steps of their own.
MAX_DIAGONAL = 8
#: Entries of the largest table that is compiled.
MAX_TABLE = max(4**MAX_TARGETS, 2**MAX_DIAGONAL)


@structure(
    codes="int64[::1]",
    num_controls="int64[::1]",
    num_targets="int64[::1]",
    operands="int64[::1]",
    params="float64[::1]",
    fixed="boolean[::1]",
    table_at="int64[::1]",
    table="complex128[::1]",
)
class Rows(NamedTuple):
    """Unitary operations, as in a `Program`.

    They have at most four targets, except for diagonals.
    """

    codes: NDArray[np.int64]
    num_controls: NDArray[np.int64]
    num_targets: NDArray[np.int64]
    operands: NDArray[np.int64]
    params: NDArray[np.float64]
    #: bool, shape (angles,): which angles are constants; the others may be replaced
    fixed: NDArray[np.bool_]
    #: int64, shape (rows,): where each row's table begins in `table`, for rows that have one
    table_at: NDArray[np.int64]
    #: complex128: all tables, one after the other
    table: NDArray[np.complex128]


class Row(NamedTuple):
    """One row, its qubits replaced by their wires."""

    code: int
    num_controls: int
    num_targets: int
    #: the wires of the controls, and the values that they must have, as masks
    controls: int
    values: int
    #: the wires of the targets, as a mask
    changes: int
    #: the same, of 8 bits each, the first target lowest
    targets: int
    #: where its targets, its angles and its table begin
    operand: int
    angle: int
    table: int


#: What comes before the first row of a program.
NO_ROW = Row(0, 0, 0, 0, 0, 0, 0, 0, 0, 0)


@inner_code
def target_of(row: Row, bit: int) -> int:
    """Return the wire of a target."""
    return row.targets >> 8 * bit & 255


@inner_code
def exchanges(code: int) -> bool:
    """Tell whether an operation without controls exchanges its two targets."""
    return code == codes.SWAP or code == codes.ISWAP


@inner_code
def exchange(rows: Rows, row: Row, wires: NDArray[Any]) -> None:
    """Exchange the wires of a row's two qubits."""
    a, b = rows.operands[row.operand], rows.operands[row.operand + 1]
    wires[a], wires[b] = wires[b], wires[a]


@built_in
def next_row(rows: Rows, at: int, before: Row, wires: NDArray[Any], gates: GateTable) -> Row:
    """Return row `at`, which comes after `before`.

    ``wires[qubit]`` is the wire of a qubit.
    """
    code, width, size = rows.codes[at], rows.num_controls[at], rows.num_targets[at]
    operand = before.operand + before.num_targets
    angle = before.angle + (gates.codes[before.code, ANGLES] if at else 0)
    controls = values = changes = targets = 0
    for place in range(operand, operand + width):
        qubit = rows.operands[place]
        if qubit >= 0:
            controls |= 1 << wires[qubit]
            values |= 1 << wires[qubit]
        else:
            controls |= 1 << wires[~qubit]
    operand += width
    for place in range(size):
        wire = wires[rows.operands[operand + place]]
        changes |= 1 << wire
        targets |= wire << 8 * place
    table = rows.table_at[at] if gates.codes[code, HAS_TABLE] else 0
    return Row(code, width, size, controls, values, changes, targets, operand, angle, table)


@inner_code
def check_rows(rows: Rows, wires: NDArray[Any], num_wires: int, gates: GateTable) -> None:
    """Raise `CompilerError` for rows that don't fit together.

    Such rows name operations, operands, angles, wires or tables that aren't there.
    """
    number = params = 0
    fits = True
    for at in range(len(rows.codes)):
        code, k = rows.codes[at], rows.num_targets[at]
        number += rows.num_controls[at] + k
        fits &= 0 <= code < len(gates.codes) and k <= (MAX_DIAGONAL if code == codes.DIAGONAL else MAX_TARGETS)
        fits = fits and gates.codes[code, ANGLES] >= 0
        params += gates.codes[code, ANGLES] if fits else 0
        if code == codes.UNITARY or code == codes.DIAGONAL:
            size = 1 << (2 * k if code == codes.UNITARY else k)
            fits &= rows.table_at[at] >= 0 and rows.table_at[at] + size <= len(rows.table)
    fits &= number <= len(rows.operands) and params <= len(rows.params) == len(rows.fixed)
    # In loops of their own, which become vector instructions.
    qubit = lowest = highest = 0
    for at in range(number if fits else 0):
        qubit = max(qubit, rows.operands[at] ^ rows.operands[at] >> 63)
    fits &= number == 0 or qubit < len(wires)
    for at in range(number if fits else 0):
        wire = wires[rows.operands[at] ^ rows.operands[at] >> 63]
        lowest, highest = min(lowest, wire), max(highest, wire)
    if not fits or lowest < 0 or (number and highest >= num_wires):
        raise CompilerError("a defect of qfleet, please report it: the rows of a circuit don't fit together")


@compiled_for("Rows", "GateTable")
def count_entries(rows: Rows, gates: GateTable) -> tuple[int, int]:
    """Count the entries of matrices and the terms of all rows.

    The terms are those of diagonals and of sums of matrices.
    """
    entries = terms = 0
    for at in range(len(rows.codes)):
        code, k = rows.codes[at], rows.num_targets[at]
        terms += 1 << k
        if k <= MAX_TARGETS:
            number = gates.codes[code, TERMS]
            entries += (1 + number) << 2 * k
            terms += number * (1 + gates.codes[code, ANGLES])
    return entries, terms
