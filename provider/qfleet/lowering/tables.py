# SPDX-License-Identifier: Apache-2.0
"""Turn matrices, diagonals, states and permutations into rows."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qiskit.circuit import CircuitInstruction, Qubit
from qiskit.circuit.library import Initialize, StatePreparation, UnitaryGate

from qfleet.lowering.gates import UNITARY, Shape, pack_shape, shape_of
from qfleet.lowering.meanings import meaning_of
from qfleet.lowering.parameters import free_parameters
from qfleet.lowering.refusal import RefusalError, unbound
from qfleet.lowering.rows import Rows, Tables
from qfleet.wire.program.operations import Op

#: Largest deviation of a matrix from unitarity: the tolerance of Qiskit's own ``UnitaryGate``.
_TOLERANCE = 1e-8

#: Most qubits for which reading the matrix of any gate named like a unitary gate is cheap.
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
    """Return one row for a matrix of shape (2**num_qubits, 2**num_qubits). Raises `RefusalError`."""
    matrix = np.asarray(matrix, np.complex128)
    size = 1 << num_qubits
    if matrix.shape != (size, size):
        raise RefusalError(f"its matrix has the shape {matrix.shape}; {num_qubits} qubits need {(size, size)}")
    if not _are_unitary(matrix):
        raise RefusalError(_NOT_UNITARY)
    if not num_qubits:
        return Rows(phase=float(np.angle(matrix[0, 0])))
    return _table_row(Op.UNITARY, matrix, tables, num_qubits)


class UnitaryGates:
    """The unitary gates of one circuit, checked together.

    A check of one gate takes longer than its row.
    """

    def __init__(
        self,
        rows: Rows,
        tables: Tables,
        qubit_of: Callable[[Qubit], int],
        any_may_differ: Callable[[Iterable[str]], bool],
    ) -> None:
        """Collect the unitary gates of a circuit.

        Args:
            rows: the rows that get those of the gates.
            tables: the tables that get the gates' matrices.
            qubit_of: returns a qubit's number.
            any_may_differ: see `qfleet.lowering.context.LoweringContext.any_may_differ`.
        """
        self._rows = rows
        self._tables = tables
        self._qubit_of = qubit_of
        self._any_may_differ = any_may_differ
        #: For each gate its position, the start of its qubits in the rows' operands, and its matrix's number in
        #: `Tables`: one flat list of integers, which costs the garbage collector nothing.
        self._gates: list[int] = []
        #: By number of qubits: the matrix's shape, the row's shape, and the numbers of the matrices.
        self._kinds: dict[int, tuple[tuple[int, int], Shape, list[int]]] = {}

    def extend(self, block: Sequence[CircuitInstruction], at: int, begin: int) -> int:
        """Append the rows of unitary gates, without a check of their matrices.

        Args:
            block: instructions of the circuit.
            at: index in `block` of the first gate.
            begin: position of the block in the circuit.

        Returns:
            The index in `block` of the first instruction that isn't a plain matrix.
        """
        rows, kinds, tables, qubit_of = self._rows, self._kinds, self._tables, self._qubit_of
        for place in range(at, len(block)):
            instruction = block[place]
            if instruction.name != UNITARY:
                return place
            qubits = instruction.qubits
            width = len(qubits)
            # Making the operation is slow. A gate whose matrix can't be made has the matrix None.
            if (width > _SMALL or self._any_may_differ(_NAMES)) and meaning_of(
                instruction.operation
            ) is not UnitaryGate:
                return place
            matrix = instruction.matrix
            if matrix is None or not width or matrix.dtype is not _COMPLEX:
                return place
            kind = kinds.get(width)
            if kind is None:
                kind = kinds[width] = (1 << width, 1 << width), pack_shape(Op.UNITARY, 0, width), []
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
        """Raise `RefusalError` for the first appended gate that isn't unitary."""
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
                refusal.add_place(UNITARY, position, self._rows.operands[start : start + width])
                raise refusal


def diagonal_rows(diagonal: Sequence[complex], tables: Tables, num_qubits: int) -> Rows:
    """Return one row for a diagonal of 2**num_qubits entries. Raises `RefusalError`."""
    entries = _numbers(diagonal)
    if not _is_small(np.abs(entries) - 1):
        raise RefusalError("its diagonal isn't unitary")
    return _table_row(Op.DIAGONAL, entries, tables, num_qubits)


def permutation_rows(pattern: Sequence[int]) -> Rows:
    """Return swaps that give qubit k the state of qubit ``pattern[k]``."""
    rows = Rows()
    place = list(range(len(pattern)))
    holds = list(range(len(pattern)))
    for target, wanted in enumerate(pattern):
        source = place[wanted]
        if source != target:
            rows.shapes.append(shape_of(Op.SWAP))
            rows.operands += [target, source]
            holds[source] = holds[target]
            place[holds[source]] = source
    return rows


def initialize_rows(operation: Initialize, tables: Tables) -> Rows:
    """Return the rows of an initialization.

    There is one row for amplitudes, or one for each qubit of a label.

    Raises:
        RefusalError: the state doesn't fit the qubits.
    """
    params, num_qubits = operation.params, operation.num_qubits
    if has_amplitudes(operation):
        return amplitude_rows(params, tables, num_qubits)
    letters = params if isinstance(params[0], str) else f"{int(params[0].real):0{num_qubits}b}"
    if len(letters) != num_qubits:
        raise RefusalError(f"its state {''.join(letters)!r} doesn't fit {num_qubits} qubits")
    # A table of the whole state would be exponential in the label's length.
    rows = Rows()
    for qubit, letter in enumerate(reversed(letters)):
        rows.splice(amplitude_rows(_LETTERS[letter], tables, 1), [qubit], [])
    return rows


def amplitude_rows(amplitudes: Iterable[complex], tables: Tables, num_qubits: int) -> Rows:
    """Return one row that initializes its qubits to 2**num_qubits amplitudes. Raises `RefusalError`."""
    state = _numbers(amplitudes)
    if not _is_small(np.linalg.norm(state) - 1):
        raise RefusalError("the norm of its amplitudes isn't 1")
    if not num_qubits:
        return Rows(phase=float(np.angle(state[0])))
    return _table_row(Op.INITIALIZE, state, tables, num_qubits)


def superop_rows(matrix: Any, tables: Tables, num_qubits: int) -> Rows:
    """Return one row that sets a superoperator. Raises `RefusalError`."""
    matrix = _numbers(np.asarray(matrix).reshape(-1)).reshape(np.shape(matrix))
    size = 1 << 2 * num_qubits
    if matrix.shape != (size, size):
        raise RefusalError(f"its superoperator has the shape {matrix.shape}; {num_qubits} qubits need {(size, size)}")
    if not np.isfinite(matrix).all():
        raise RefusalError("its superoperator has an entry that isn't a finite number")
    return _table_row(Op.SET_SUPEROP, matrix, tables, num_qubits)


def density_rows(matrix: Any, tables: Tables, num_qubits: int) -> Rows:
    """Return one row that gives its qubits a density matrix. Raises `RefusalError`."""
    matrix = _numbers(np.asarray(matrix).reshape(-1)).reshape(np.shape(matrix))
    size = 1 << num_qubits
    if matrix.shape != (size, size):
        raise RefusalError(f"its density matrix has the shape {matrix.shape}; {num_qubits} qubits need {(size, size)}")
    if not _is_small(matrix - matrix.conj().T) or not _is_small(np.trace(matrix) - 1):
        raise RefusalError("its matrix isn't a density matrix: it isn't Hermitian, or its trace isn't 1")
    if np.linalg.eigvalsh(matrix)[0] < -_TOLERANCE:
        raise RefusalError("its matrix isn't a density matrix: it has a negative eigenvalue")
    return _table_row(Op.SET_DENSITY_MATRIX, matrix, tables, num_qubits)


def has_amplitudes(operation: Initialize | StatePreparation) -> bool:
    """Tell whether the parameters are amplitudes.

    A label has fewer letters, and an integer stands alone.
    """
    return bool(len(operation.params) == 1 << operation.num_qubits)


def _numbers(values: Iterable[complex]) -> NDArray[np.complex128]:
    free = free_parameters(values)
    if free:
        raise unbound(free)
    return np.array(values, np.complex128)


def _table_row(code: Op, table: NDArray[np.complex128], tables: Tables, num_qubits: int) -> Rows:
    return Rows([pack_shape(code, 0, num_qubits)], list(range(num_qubits)), tables=[tables.add(table)])


def _is_small(errors: Any) -> bool:
    # NaN compares as false, so it is refused too. The sum of squares is the faster test.
    flat = errors.reshape(-1)
    return bool(np.vdot(flat, flat).real < _TOLERANCE**2 or abs(flat).max() < _TOLERANCE)


def _are_unitary(matrices: NDArray[np.complex128]) -> bool:
    """Tell whether a matrix, or each matrix of a stack, is unitary."""
    errors = matrices.conj().swapaxes(-1, -2) @ matrices
    size = errors.shape[-1]
    # Subtract the identity.
    errors.reshape(-1, size * size)[:, :: size + 1] -= 1
    return _is_small(errors)
