# SPDX-License-Identifier: Apache-2.0
"""Turn matrices, diagonals, states and permutations, which need no definition, into rows."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qiskit.circuit import CircuitInstruction, Qubit
from qiskit.circuit.library import Initialize, StatePreparation, UnitaryGate

from qfleet.lowering.gates import UNITARY, Shape, packed, shape
from qfleet.lowering.meanings import native
from qfleet.lowering.parameters import free_parameters
from qfleet.lowering.refusal import RefusalError, unbound
from qfleet.lowering.rows import Rows, Tables
from qfleet.wire.program.program import Op

#: How far from unitary a matrix may be: the tolerance of Qiskit's own ``UnitaryGate``.
_TOLERANCE = 1e-8

#: Qubits up to which it costs little to ask a gate for its matrix that is only called like a unitary gate.
_SMALL = 4
_NAMES = (UNITARY,)

_COMPLEX = np.dtype(np.complex128)
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

    def __init__(
        self, rows: Rows, tables: Tables, qubit_of: Callable[[Qubit], int], any_differs: Callable[[Iterable[str]], bool]
    ) -> None:
        """`qubit_of` gives a qubit's number; `any_differs` is `qfleet.lowering.operations.Walk.any_differs`."""
        self._rows = rows
        self._tables = tables
        self._qubit_of = qubit_of
        self._any_differs = any_differs
        #: of each gate its position, where its qubits begin in the rows' operands, and its matrix's number in `Tables`;
        #: one list of integers, which the garbage collector has nothing to follow in
        self._gates: list[int] = []
        #: by number of qubits: what the matrix is shaped like, the row, and the numbers of such matrices
        self._kinds: dict[int, tuple[tuple[int, int], Shape, list[int]]] = {}

    def extend(self, block: Sequence[CircuitInstruction], at: int, begin: int) -> int:
        """Append the rows of the gates from ``block[at]`` on, which `check` will check. Returns where the first is that
        is no plain matrix; `begin` is the position of the block."""
        rows, kinds, tables, qubit_of = self._rows, self._kinds, self._tables, self._qubit_of
        for place in range(at, len(block)):
            instruction = block[place]
            if instruction.name != UNITARY:
                return place
            qubits = instruction.qubits
            width = len(qubits)
            # The operation would be slow to make. A gate whose matrix can't be made has none here.
            if (width > _SMALL or self._any_differs(_NAMES)) and native(instruction.operation) is not UnitaryGate:
                return place
            matrix = instruction.matrix
            if matrix is None or not width or matrix.dtype is not _COMPLEX:
                return place
            kind = kinds.get(width)
            if kind is None:
                kind = kinds[width] = (1 << width, 1 << width), packed(Op.UNITARY, 0, width), []
            square, row, numbers = kind
            if matrix.shape != square:
                return place
            number = tables.add(matrix)
            numbers.append(number)
            rows.shapes.append(row)
            self._gates += (begin + place, len(rows.operands), number)
            rows.operands += map(qubit_of, qubits)
            rows.tables.append(number)
        return len(block)

    def check(self) -> None:
        """Raise `RefusalError` if a gate that was appended isn't unitary; it names the first."""
        bad: set[int] = set()
        for square, _, all_numbers in self._kinds.values():
            numbers = list(dict.fromkeys(all_numbers))
            matrices = self._tables.flat(numbers).reshape(len(numbers), *square)
            if numbers and not _are_unitary(matrices):
                bad.update(n for n, matrix in zip(numbers, matrices, strict=True) if not _are_unitary(matrix))
        if not bad:
            return
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
    return Rows([packed(code, 0, num_qubits)], list(range(num_qubits)), tables=[tables.add(table)])


def _is_small(errors: Any) -> bool:
    # NaN is smaller than nothing, so that it is refused too. The sum of squares is there sooner.
    flat = errors.reshape(-1)
    return bool(np.vdot(flat, flat).real < _TOLERANCE**2 or abs(flat).max() < _TOLERANCE)


def _are_unitary(matrices: NDArray[np.complex128]) -> bool:
    """Whether a matrix, or each of a stack of matrices, is unitary."""
    errors = matrices.conj().swapaxes(-1, -2) @ matrices
    size = errors.shape[-1]
    # Less the identity.
    errors.reshape(-1, size * size)[:, :: size + 1] -= 1
    return _is_small(errors)
