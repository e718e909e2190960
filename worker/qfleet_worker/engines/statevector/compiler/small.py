# SPDX-License-Identifier: Apache-2.0
"""Programs of a few qubits, compiled in one call of machine code.

For up to 12 qubits what Python does around a circuit takes longer than the circuit. So a program of unitary operations
only is read and compiled in one call, and run in another.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from qfleet.wire.program.program import Program
from qfleet_worker.engines.gates import codes
from qfleet_worker.engines.machine_code.registry import compiled_for, inner_code
from qfleet_worker.engines.statevector.compiler.binding import size_of
from qfleet_worker.engines.statevector.compiler.cache import Cache, structure
from qfleet_worker.engines.statevector.compiler.fixed_angles import fixed_angles
from qfleet_worker.engines.statevector.compiler.gate_table import GATES, HAS_TABLE, IS_STEP, GateTable
from qfleet_worker.engines.statevector.compiler.rows import MAX_DIAGONAL, MAX_TABLE, Rows, count_entries
from qfleet_worker.engines.statevector.compiler.tables import Limits, compile_rows
from qfleet_worker.engines.statevector.kernels.kinds import MAX_TARGETS
from qfleet_worker.engines.statevector.kernels.layout import Tables

#: Qubits at most.
MAX_QUBITS = 12

_NO_TABLE = np.zeros(1, np.complex128)
_NO_STARTS = np.zeros(1, np.int64)


def compile_small(program: Program, lane_bits: int, cache: Cache, max_qubits: int = MAX_QUBITS) -> Tables | None:
    """Return a program's tables, at some angles.

    Args:
        program: the program.
        lane_bits: index bits that lie inside of a vector.
        cache: has the tables of programs that were compiled before.
        max_qubits: qubits at most.

    Returns:
        ``None`` for a program that doesn't suit this way.
    """
    num_qubits = program.num_qubits
    if num_qubits > max_qubits:
        return None
    fixed = fixed_angles(program)
    key = ("small", lane_bits, *structure(program, fixed))
    kept: Tables | None = cache.get(key)
    if kept is not None:
        return kept
    table, starts = _NO_TABLE, _NO_STARTS
    if program.tables:
        sizes = [len(each) for each in program.tables]
        if max(sizes) > MAX_TABLE:
            return None
        starts = np.cumsum([0, *sizes[:-1]])
        table = np.concatenate(program.tables)
    rows = Rows(
        program.codes.astype(np.int64), program.num_controls.astype(np.int64), program.num_targets.astype(np.int64),
        program.operands.astype(np.int64), program.params.astype(np.float64), fixed,
        program.table_refs.astype(np.int64), table,
    )  # fmt: skip
    suits, tables = _compile(rows, GATES, starts, num_qubits, lane_bits)
    if not suits:
        return None
    cache.put(key, tables, size_of(tables))
    return tables


@compiled_for("Rows", "GateTable", "int64[::1]", "int64", "int64")
def _compile(
    given: Rows, gates: GateTable, starts: NDArray[Any], num_qubits: int, lane_bits: int
) -> tuple[bool, Tables]:
    """Compile a program, if it suits.

    Args:
        given: the operations; in place of where each table begins, the number of the table of each row that has one.
        gates: what is known of the operations.
        starts: int64, shape (tables,): where each table begins.
        num_qubits: qubits of the program.
        lane_bits: index bits that lie inside of a vector.

    Returns:
        Whether it suits, and its tables; those of no operation if it doesn't.
    """
    suits = _suits(given, gates)
    number = len(given.codes) if suits else 0
    num_wires = max(num_qubits, lane_bits)
    table_at = np.zeros(number, np.int64)
    ends = np.arange(num_qubits)
    used = operand = 0
    for row in range(number):
        code, controls = given.codes[row], given.num_controls[row]
        if gates.codes[code, HAS_TABLE]:
            table_at[row] = starts[given.table_at[used]]
            used += 1
        elif controls == 0 and (code == codes.SWAP or code == codes.ISWAP):
            a, b = given.operands[operand], given.operands[operand + 1]
            ends[a], ends[b] = ends[b], ends[a]
        operand += controls + given.num_targets[row]
    wires = np.empty(num_qubits, np.int64)
    for qubit in range(num_qubits):
        wires[ends[qubit]] = qubit
    rows = Rows(
        given.codes[:number], given.num_controls, given.num_targets, given.operands, given.params, given.fixed,
        table_at, given.table,
    )  # fmt: skip
    entries, terms = count_entries(rows, gates)
    limits = Limits(num_wires, lane_bits, num_wires, num_wires, entries, terms, 1)
    return suits, compile_rows(rows, gates, wires, limits)


@inner_code
def _suits(rows: Rows, gates: GateTable) -> bool:
    """Tell whether all operations are unitary and have a kernel."""
    for row in range(len(rows.codes)):
        code = rows.codes[row]
        most = MAX_DIAGONAL if code == codes.DIAGONAL else MAX_TARGETS
        if gates.codes[code, IS_STEP] or rows.num_targets[row] > most:
            return False
    return True
