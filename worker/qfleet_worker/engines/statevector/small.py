# SPDX-License-Identifier: Apache-2.0
"""How are a few qubits simulated in one call of machine code?

For up to 12 qubits what Python does around a circuit takes longer than the circuit. So a program of unitary operations
only is read, compiled and run in one go.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from qfleet.wire.program import NON_UNITARY_OPS, TABLE_OPS, Op, Program
from qfleet_worker.engines.numpy_engine.gates import ComplexArray
from qfleet_worker.engines.statevector import kernels
from qfleet_worker.engines.statevector.compile import MAX_DIAGONAL, compile_rows
from qfleet_worker.engines.statevector.diagonals import ROW_BITS
from qfleet_worker.engines.statevector.execute import run_operations

#: Qubits at most.
MAX_QUBITS = 12

_SWAP, _ISWAP, _DIAGONAL = int(Op.SWAP), int(Op.ISWAP), int(Op.DIAGONAL)
_BREAKS = np.zeros(256, np.bool_)
_BREAKS[[int(op) for op in NON_UNITARY_OPS]] = True
_TAKES_TABLE = np.zeros(256, np.bool_)
_TAKES_TABLE[[int(op) for op in TABLE_OPS]] = True
_NO_TABLE = np.zeros(1, np.complex128)
_NO_STARTS = np.zeros(1, np.int64)


def simulate(program: Program, dtype: np.dtype[np.complexfloating]) -> tuple[ComplexArray, float] | None:
    """The amplitudes of a program, and their squared norm; ``None`` for a program that doesn't suit this way."""
    num_qubits = program.num_qubits
    if num_qubits > MAX_QUBITS:
        return None
    table, starts = _NO_TABLE, _NO_STARTS
    if program.tables:
        sizes = [len(each) for each in program.tables]
        starts = np.cumsum([0, *sizes[:-1]])
        table = np.concatenate(program.tables)
    double = dtype == np.complex128
    lane_bits = 2 if double else 3
    state = np.empty(1 << max(num_qubits, lane_bits), dtype)
    floats = state.view(np.float64 if double else np.float32)
    norm_squared = _simulate(
        _aligned(program.codes), _aligned(program.num_controls), _aligned(program.num_targets),
        _aligned(program.operands), _aligned(program.params), _aligned(program.table_refs), table, starts, num_qubits,
        lane_bits, floats,
    )  # fmt: skip
    if norm_squared < 0:
        return None
    return state[: 1 << num_qubits], norm_squared


def _aligned(array: NDArray[Any]) -> NDArray[Any]:
    """An array that machine code may read; those decoded from the wire lie anywhere."""
    return array if array.flags.aligned else array.copy()


@njit(cache=True, nogil=True)
def _simulate(codes: NDArray[Any], num_controls: NDArray[Any], num_targets: NDArray[Any], operands: NDArray[Any],
              params: NDArray[Any], table_refs: NDArray[Any], table: NDArray[Any], starts: NDArray[Any],
              num_qubits: int, lane_bits: int, state: NDArray[Any]) -> float:  # fmt: skip
    """The squared norm of the final state, or -1 for a program that has to be run in another way."""
    rows = len(codes)
    num_wires = max(num_qubits, lane_bits)
    table_at = np.empty(rows, np.int64)
    ends = np.arange(num_qubits)
    pool_size = terms = used = operand = 0
    for row in range(rows):
        code, targets = codes[row], np.int64(num_targets[row])
        if _BREAKS[code] or targets > (MAX_DIAGONAL if code == _DIAGONAL else kernels.MAX_TARGETS):
            return -1.0
        terms += 1 << targets
        if targets <= kernels.MAX_TARGETS:
            pool_size += 1 << 2 * targets
        if _TAKES_TABLE[code]:
            table_at[row] = starts[table_refs[used]]
            used += 1
        elif num_controls[row] == 0 and (code == _SWAP or code == _ISWAP):
            a, b = operands[operand], operands[operand + 1]
            ends[a], ends[b] = ends[b], ends[a]
        operand += np.int64(num_controls[row]) + targets
    wires = np.empty(num_qubits, np.int64)
    for qubit in range(num_qubits):
        wires[ends[qubit]] = qubit
    _, ops, coefs64, ints, diagonals, out_terms, factors, tables64, high_tables, phase = compile_rows(
        codes.astype(np.int64), num_controls.astype(np.int64), num_targets.astype(np.int64),
        operands.astype(np.int64), params.astype(np.float64), table_at, table, wires, num_wires, lane_bits, num_wires,
        num_wires, pool_size, terms,
    )  # fmt: skip
    coefs, tables = coefs64.astype(state.dtype), tables64.astype(state.dtype)
    low_bits = min(num_wires, ROW_BITS)
    row_room = np.empty(2 << low_bits, state.dtype)
    mixed = np.empty(2 << low_bits, state.dtype)
    high_row = np.empty(2 << (num_wires - low_bits), np.float64)
    weights = np.empty((num_wires, 2), np.complex128)
    state[:] = 0
    state[0] = phase.real
    state[1] = phase.imag
    run_operations(
        state, 0, num_wires, 0, ops, 0, len(ops), coefs, ints, diagonals, out_terms, factors, tables, high_tables,
        row_room, mixed, high_row, weights,
    )  # fmt: skip
    total = 0.0
    for value in state:
        total += np.float64(value) * np.float64(value)
    # A norm that isn't a number is none that could be taken for the other answer.
    return total
