# SPDX-License-Identifier: Apache-2.0
"""How are a few qubits simulated in few calls of machine code?

For up to 12 qubits what Python does around a circuit takes longer than the circuit. So a program of unitary operations
only is read and compiled in one call, and run in another.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from qfleet.wire.program.operations import EXCHANGES, HAS_TABLE, IS_UNITARY, Op
from qfleet.wire.program.program import Program
from qfleet_worker.engines.statevector.compiler.binding import size_of
from qfleet_worker.engines.statevector.compiler.cache import Cache, structure
from qfleet_worker.engines.statevector.compiler.tables import MAX_DIAGONAL, MAX_TABLE, Tables, compile_rows
from qfleet_worker.engines.statevector.kernels import gates as kernels
from qfleet_worker.engines.statevector.machine_code.registry import compiled_for

#: Qubits at most.
MAX_QUBITS = 12

_DIAGONAL = int(Op.DIAGONAL)
_NO_TABLE = np.zeros(1, np.complex128)
_NO_STARTS = np.zeros(1, np.int64)


def compile_small(program: Program, lane_bits: int, cache: Cache) -> Tables | None:
    """A program's tables, at some angles; ``None`` for a program that doesn't suit this way."""
    num_qubits = program.num_qubits
    if num_qubits > MAX_QUBITS:
        return None
    key = ("small", lane_bits, *structure(program))
    tables: Tables | None = cache.get(key)
    if tables is not None:
        return tables
    table, starts = _NO_TABLE, _NO_STARTS
    if program.tables:
        sizes = [len(each) for each in program.tables]
        if max(sizes) > MAX_TABLE:
            return None
        starts = np.cumsum([0, *sizes[:-1]])
        table = np.concatenate(program.tables)
    suits, *members = _compile(
        program.codes.astype(np.int64), program.num_controls.astype(np.int64), program.num_targets.astype(np.int64),
        program.operands.astype(np.int64), program.params.astype(np.float64), program.table_refs.astype(np.int64),
        table, starts, num_qubits, lane_bits,
    )  # fmt: skip
    if not suits:
        return None
    tables = Tables(*members)
    cache.put(key, tables, size_of(tables))
    return tables


@compiled_for(
    "(int64[::1], int64[::1], int64[::1], int64[::1], float64[::1], int64[::1], complex128[::1], int64[::1], "
    "int64, int64)"
)
def _compile(codes: NDArray[Any], num_controls: NDArray[Any], num_targets: NDArray[Any], operands: NDArray[Any],
              params: NDArray[Any], table_refs: NDArray[Any], table: NDArray[Any], starts: NDArray[Any],
              num_qubits: int, lane_bits: int) -> tuple[Any, ...]:  # fmt: skip
    """Whether a program may be run in this way, and its `Tables`."""
    rows = len(codes)
    suits = True
    num_wires = max(num_qubits, lane_bits)
    table_at = np.empty(rows, np.int64)
    ends = np.arange(num_qubits)
    entries = terms = used = operand = 0
    for row in range(rows):
        code, targets = codes[row], num_targets[row]
        if not IS_UNITARY[code] or targets > (MAX_DIAGONAL if code == _DIAGONAL else kernels.MAX_TARGETS):
            suits = False
            rows = 0
            break
        terms += 1 << targets
        if targets <= kernels.MAX_TARGETS:
            entries += 1 << 2 * targets
        if HAS_TABLE[code]:
            table_at[row] = starts[table_refs[used]]
            used += 1
        elif num_controls[row] == 0 and EXCHANGES[code]:
            a, b = operands[operand], operands[operand + 1]
            ends[a], ends[b] = ends[b], ends[a]
        operand += num_controls[row] + targets
    wires = np.empty(num_qubits, np.int64)
    for qubit in range(num_qubits):
        wires[ends[qubit]] = qubit
    tables = compile_rows(
        codes[:rows], num_controls, num_targets, operands, params, table_at, table, wires, num_wires, lane_bits,
        num_wires, num_wires, entries, terms,
    )  # fmt: skip
    return suits, *tables
