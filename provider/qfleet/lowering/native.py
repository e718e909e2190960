# SPDX-License-Identifier: Apache-2.0
"""What are matrices, diagonals, states and permutations, which need no definition, as rows?"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qiskit.circuit import CircuitInstruction
from qiskit.circuit.library import Initialize, StatePreparation

from qfleet.lowering.gates import UNITARY, Shape, shape
from qfleet.lowering.parameters import free_parameters
from qfleet.lowering.refusal import RefusalError, unbound
from qfleet.lowering.rows import Rows, Tables
from qfleet.wire.program import Op

#: How far from unitary a matrix may be: the tolerance of Qiskit's own ``UnitaryGate``.
_TOLERANCE = 1e-8

_COMPLEX = np.dtype(np.complex128)
#: Members of an enumeration are slow to look up.
_UNITARY_CODE = Op.UNITARY
_NOT_UNITARY = "its matrix isn't unitary"

_HALF = math.sqrt(0.5)
#: One-qubit states by their letter in a label.
_LETTERS: dict[str, list[complex]] = {
    "0": [1, 0],
    "1": [0, 1],
    "+": [_HALF, _HALF],
    "-": [_HALF, -_HALF],
    "r": [_HALF, _HALF * 1j],
    "l": [_HALF, -_HALF * 1j],
}


def unitary_rows(matrix: Any, tables: Tables, num_qubits: int) -> Rows:
    """One row for a matrix of shape (2**num_qubits, 2**num_qubits)."""
    matrix = np.asarray(matrix, np.complex128)
    size = 1 << num_qubits
    if matrix.shape != (size, size):
        raise RefusalError(f"its matrix has the shape {matrix.shape} where {num_qubits} qubits need {(size, size)}")
    if not _are_unitary(matrix):
        raise RefusalError(_NOT_UNITARY)
    if not num_qubits:
        return Rows(phase=float(np.angle(matrix[0, 0])))
    return _table_row(Op.UNITARY, matrix, tables, num_qubits)


class UnitaryGates:
    """The unitary gates of one circuit: checked together, since a check by itself takes longer than its row."""

    def __init__(self, rows: Rows, tables: Tables) -> None:
        self._rows = rows
        self._tables = tables
        #: of each gate its position, where its qubits begin in the rows' operands, and its matrix's number in `Tables`;
        #: one list of integers, which the garbage collector has nothing to follow in
        self._gates: list[int] = []
        #: by number of qubits: what the matrix is shaped like, and the row
        self._kinds: dict[int, tuple[tuple[int, int], Shape]] = {}

    def append(self, instruction: CircuitInstruction, position: int, operands: list[int]) -> bool:
        """Append the row of a gate, which `check` will check; ``False`` for one that is no plain matrix."""
        # The operation would be slow to make. A gate whose matrix can't be made has none here.
        matrix = instruction.matrix
        width = len(operands)
        kind = self._kinds.get(width)
        if kind is None:
            kind = self._kinds[width] = (1 << width, 1 << width), (_UNITARY_CODE, 0, width)
        if matrix is None or not width or matrix.dtype is not _COMPLEX or matrix.shape != kind[0]:
            return False
        number = self._tables.add(matrix)
        rows = self._rows
        rows.shapes.append(kind[1])
        self._gates += (position, len(rows.operands), number)
        rows.operands += operands
        rows.tables.append(number)
        return True

    def check(self) -> None:
        """Raise `RefusalError` if a gate that was appended isn't unitary; it names the first."""
        if not self._gates:
            return
        sizes: dict[int, list[int]] = {}
        for number in dict.fromkeys(self._gates[2::3]):
            sizes.setdefault(math.isqrt(len(self._tables[number])), []).append(number)
        bad: set[int] = set()
        for size, numbers in sizes.items():
            matrices = self._tables.flat(numbers).reshape(-1, size, size)
            if not _are_unitary(matrices):
                bad.update(n for n, matrix in zip(numbers, matrices, strict=True) if not _are_unitary(matrix))
        for at, number in enumerate(self._gates[2::3]):
            if number in bad:
                position, start, _ = self._gates[3 * at : 3 * at + 3]
                width = len(self._tables[number]).bit_length() // 2
                refusal = RefusalError(_NOT_UNITARY)
                refusal.found_at(UNITARY, position, self._rows.operands[start : start + width])
                raise refusal


def diagonal_rows(diagonal: Sequence[complex], tables: Tables, num_qubits: int) -> Rows:
    """One row for a diagonal of 2**num_qubits entries."""
    entries = _numbers(diagonal)
    if not _is_small(np.abs(entries) - 1):
        raise RefusalError("its diagonal isn't unitary")
    if not num_qubits:
        return Rows(phase=float(np.angle(entries[0])))
    return _table_row(Op.DIAGONAL, entries, tables, num_qubits)


def permutation_rows(pattern: Sequence[int]) -> Rows:
    """Swaps after which qubit k has the state that qubit ``pattern[k]`` had."""
    rows = Rows()
    place = list(range(len(pattern)))
    holds = list(range(len(pattern)))
    for target, wanted in enumerate(pattern):
        source = place[wanted]
        if source != target:
            rows.shapes.append(shape(Op.SWAP))
            rows.operands += [target, source]
            holds[source] = holds[target]
            place[holds[source]] = source
    return rows


def initialize_rows(operation: Initialize, tables: Tables) -> Rows:
    """Rows that give qubits the state of an initialization: one row for amplitudes, one per qubit for a label."""
    params, num_qubits = operation.params, operation.num_qubits
    if has_amplitudes(operation):
        return amplitude_rows(params, tables, num_qubits)
    letters = params if isinstance(params[0], str) else f"{int(params[0].real):0{num_qubits}b}"
    if len(letters) != num_qubits:
        raise RefusalError(f"its state {''.join(letters)!r} doesn't fit {num_qubits} qubits")
    # A table of the whole state would grow exponentially with the label.
    rows = Rows()
    for qubit, letter in enumerate(reversed(letters)):
        rows.splice(amplitude_rows(_LETTERS[letter], tables, 1), [qubit], [])
    return rows


def amplitude_rows(amplitudes: Iterable[complex], tables: Tables, num_qubits: int) -> Rows:
    """One row that gives its qubits a state of 2**num_qubits amplitudes."""
    state = _numbers(amplitudes)
    if not _is_small(np.linalg.norm(state) - 1):
        raise RefusalError("its amplitudes don't have the norm 1")
    if not num_qubits:
        return Rows(phase=float(np.angle(state[0])))
    return _table_row(Op.INITIALIZE, state, tables, num_qubits)


def has_amplitudes(operation: Initialize | StatePreparation) -> bool:
    """Whether the parameters are amplitudes: a label has fewer letters, and an integer stands alone."""
    return bool(len(operation.params) == 1 << operation.num_qubits)


def _numbers(values: Iterable[complex]) -> NDArray[np.complex128]:
    free = free_parameters(values)
    if free:
        raise unbound(free)
    return np.array(values, np.complex128)


def _table_row(code: Op, table: NDArray[np.complex128], tables: Tables, num_qubits: int) -> Rows:
    return Rows([(code, 0, num_qubits)], list(range(num_qubits)), tables=[tables.add(table)])


def _is_small(errors: Any) -> bool:
    # NaN is smaller than nothing, so that it is refused too.
    return bool(np.max(np.abs(errors)) < _TOLERANCE)


def _are_unitary(matrices: NDArray[np.complex128]) -> bool:
    """Whether a matrix, or each of a stack of matrices, is unitary."""
    return _is_small(matrices.conj().swapaxes(-1, -2) @ matrices - np.eye(matrices.shape[-1]))
