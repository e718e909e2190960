# SPDX-License-Identifier: Apache-2.0
"""Checks of a whole program.

An engine may run blindly a program that passes them.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from qfleet.wire.checks.channels import TOLERANCE, check_channels
from qfleet.wire.checks.flow import check_flow
from qfleet.wire.checks.formulas import check_formulas
from qfleet.wire.checks.saves import check_saves
from qfleet.wire.errors import WireError
from qfleet.wire.limits import MAX_OPERATIONS, MAX_QUBITS, MAX_SUPEROP_QUBITS, MAX_TABLE_QUBITS
from qfleet.wire.program.operations import ANGLES, CLBITS, HAS_TABLE, IS_KNOWN, IS_UNITARY, TABLE_BITS, TARGETS, Op
from qfleet.wire.program.program import Program


def check_program(program: Program) -> None:
    """Check every row of a program.

    Raises:
        WireError: an engine can't run a row blindly.
    """
    codes = program.codes
    if not len(codes) == len(program.num_controls) == len(program.num_targets):
        raise WireError(
            f"{len(codes)} codes, {len(program.num_controls)} control and {len(program.num_targets)} target counts"
        )
    if len(codes) > MAX_OPERATIONS:
        raise WireError(f"{len(codes)} operations; at most {MAX_OPERATIONS} are allowed")
    controls = program.num_controls.astype(np.int64)
    targets = program.num_targets.astype(np.int64)
    _require(IS_KNOWN[codes], "has an unknown operation code")
    fixed = TARGETS[codes]
    _require((fixed < 0) | (fixed == targets), "has a wrong number of targets")
    _require((targets > 0) | ~HAS_TABLE[codes], "has a table, but no targets")
    _require((controls == 0) | IS_UNITARY[codes], "has controls, but isn't unitary")

    widths = controls + targets
    if widths.sum() != len(program.operands):
        raise WireError(f"{len(program.operands)} operands where the operations need {widths.sum()}")
    rows = np.repeat(np.arange(len(codes)), widths)
    qubits = program.operands.astype(np.int64)
    if np.count_nonzero(qubits < 0):
        first = np.repeat(np.cumsum(widths) - widths, widths)
        is_control = np.arange(len(rows)) - first < controls[rows]
        qubits = np.where(is_control & (qubits < 0), ~qubits, qubits)
    _require((qubits >= 0) & (qubits < program.num_qubits), "names a qubit that isn't there", rows)
    slots = rows * (MAX_QUBITS + 1) + qubits
    slots.sort()
    if np.count_nonzero(slots[1:] == slots[:-1]):
        raise WireError("an operation names the same qubit twice")

    num_params = ANGLES[codes].sum()
    if num_params != len(program.params):
        raise WireError(f"{len(program.params)} params where the operations need {num_params}")
    if np.count_nonzero(np.isfinite(program.params)) != len(program.params):
        raise WireError("a parameter isn't a finite number")
    measurements = CLBITS[codes].sum()
    if measurements != len(program.clbits):
        raise WireError(f"{len(program.clbits)} clbits for {measurements} measurements")
    if np.count_nonzero((program.clbits < 0) | (program.clbits >= program.num_clbits)):
        raise WireError("a measurement writes a clbit that isn't there")
    _check_tables(program, targets)
    check_flow(program)
    check_formulas(program)
    check_saves(program)
    check_channels(program)


def _check_tables(program: Program, targets: NDArray[np.int64]) -> None:
    takers = HAS_TABLE[program.codes]
    refs = program.table_refs
    num_takers = np.count_nonzero(takers)
    if num_takers != len(refs):
        raise WireError(f"{len(refs)} table references for {num_takers} operations that need one")
    if not (num_takers or program.tables):
        return
    if ((refs < 0) | (refs >= len(program.tables))).any():
        raise WireError("an operation refers to a table that isn't there")
    widths = targets[takers]
    if (widths > MAX_TABLE_QUBITS).any():
        raise WireError(f"a table over {np.max(widths)} qubits; at most {MAX_TABLE_QUBITS} are allowed")
    if (widths[program.codes[takers] == Op.SET_SUPEROP] > MAX_SUPEROP_QUBITS).any():
        raise WireError(f"a superoperator over more than {MAX_SUPEROP_QUBITS} qubits")
    sizes = np.array([table.size for table in program.tables], np.int64)
    expected = 1 << TABLE_BITS[program.codes[takers]] * widths
    if (sizes[refs] != expected).any():
        raise WireError("a table's size doesn't fit its operation's qubits")
    if not all(np.isfinite(table).all() for table in program.tables):
        raise WireError("a table holds something that isn't a finite number")
    for ref in set(refs[program.codes[takers] == Op.SET_DENSITY_MATRIX].tolist()):
        _check_density_matrix(program.tables[ref])


def _check_density_matrix(table: NDArray[np.complex128]) -> None:
    matrix = table.reshape(math.isqrt(table.size), -1)
    # It has too many eigenvalues to be checked blindly; a negative probability is noticed where shots are sampled.
    diagonal = np.diag(matrix).real
    hermitian = np.abs(matrix - matrix.conj().T).max() <= TOLERANCE
    if not hermitian or abs(diagonal.sum() - 1) > TOLERANCE or diagonal.min() < -TOLERANCE:
        raise WireError("a table isn't a density matrix")


def _require(holds: NDArray[np.bool_], what: str, rows: NDArray[np.int64] | None = None) -> None:
    if np.count_nonzero(holds) != len(holds):
        at = int(np.argmin(holds))
        raise WireError(f"operation {at if rows is None else int(rows[at])} {what}")
