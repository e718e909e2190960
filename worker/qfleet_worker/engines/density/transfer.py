# SPDX-License-Identifier: Apache-2.0
"""Transfer matrices: operations as real matrices on expectation values of Paulis.

A Pauli on one qubit is a digit: I 0, X 1, Z 2, Y 3. So bit 0 of a digit stands for X, and bit 1 for Z. The first of
several qubits has the lowest digit of an index. Row i and column j of a transfer matrix is the part of Pauli i in the
image of Pauli j.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from qfleet.wire.program.channels import Channel
from qfleet.wire.program.matrices import ComplexArray, table
from qfleet.wire.program.operations import IS_UNITARY, Op
from qfleet.wire.program.program import Operation

Transfer: TypeAlias = NDArray[np.float64]

#: Most qubits of a transfer matrix.
MOST_QUBITS: Final = 3
#: The Paulis by their digits.
_DIGITS: Final = np.array([[[1, 0], [0, 1]], [[0, 1], [1, 0]], [[1, 0], [0, -1]], [[0, -1j], [1j, 0]]], np.complex128)
#: What a reset does: Z becomes I.
RESET: Final = np.array([[1, 0, 0, 0], [0, 0, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]], np.float64)

#: What a measurement does whose outcome nothing depends on: I and Z stay.
DEPHASED: Final = np.diag([1.0, 0, 1, 0])


class Gate(NamedTuple):
    """A unitary on qubits or wires."""

    #: pairs of a wire and the value (0 or 1) that it must have
    controls: tuple[tuple[int, int], ...]
    targets: tuple[int, ...]
    #: complex128, shape (2**targets,) for a diagonal, else (2**targets, 2**targets)
    table: ComplexArray


@lru_cache(maxsize=MOST_QUBITS + 1)
def _paulis(num_qubits: int) -> NDArray[np.complex128]:
    """Return all Paulis on some qubits, shape (4**n, 2**n, 2**n)."""
    found = np.ones((1, 1, 1), np.complex128)
    for _ in range(num_qubits):
        size = 2 * found.shape[1]
        found = np.einsum("pab,qcd->pqacbd", _DIGITS, found).reshape(-1, size, size)
    return found


def of_operators(operators: NDArray[np.complex128]) -> Transfer:
    """Return the transfer matrix of Kraus operators.

    Args:
        operators: shape (operators, 2**n, 2**n).
    """
    size = operators.shape[1]
    paulis = _paulis(size.bit_length() - 1)
    images = np.zeros_like(paulis)
    for operator in operators:
        images += operator @ paulis @ operator.conj().T
    flat: NDArray[np.complex128] = paulis.conj().reshape(len(paulis), -1) @ images.reshape(len(paulis), -1).T
    return np.ascontiguousarray(flat.real / size)


def of_operation(operation: Operation) -> tuple[tuple[int, ...], Transfer]:
    """Return the qubits and the transfer matrix of a row.

    A measurement is a channel here. The operation has at most `MOST_QUBITS` qubits, its controls among them.
    """
    if operation.channel is not None:
        return operation.targets, of_channel(operation.channel)
    if operation.code is Op.RESET:
        return operation.targets, RESET
    return (operation.targets, DEPHASED) if operation.code is Op.MEASURE else of_gate(operation)


def of_operations(operations: Sequence[Operation], num_qubits: int) -> Transfer:
    """Return the transfer matrices of unitaries and channels on as many qubits.

    Returns:
        Shape (operations, 4**num_qubits, 4**num_qubits).
    """
    found = np.empty((len(operations), 4**num_qubits, 4**num_qubits))
    gates = []
    for place, operation in enumerate(operations):
        if IS_UNITARY[operation.code]:
            gates.append(place)
        else:
            found[place] = of_operation(operation)[1]
    if gates:
        each = [_unitary(table(operations[at]), [int(q >= 0) for q in operations[at].controls]) for at in gates]
        found[gates] = of_unitaries(np.array(each))
    return found


def of_unitaries(unitaries: NDArray[np.complex128]) -> Transfer:
    """Return the transfer matrices of many unitaries, shape (unitaries, 2**n, 2**n)."""
    size = unitaries.shape[1]
    paulis = _paulis(size.bit_length() - 1)
    images = unitaries[:, None] @ paulis @ unitaries.conj().transpose(0, 2, 1)[:, None]
    flat = paulis.conj().reshape(len(paulis), -1) @ images.reshape(len(images), len(paulis), -1).transpose(0, 2, 1)
    return np.ascontiguousarray(flat.real / size)


def of_gate(operation: Operation) -> tuple[tuple[int, ...], Transfer]:
    """Return the qubits of a unitary operation, and its transfer matrix.

    The operation has at most `MOST_QUBITS` qubits, its controls among them.
    """
    qubits = operation.targets + tuple([max(qubit, ~qubit) for qubit in operation.controls])
    values = tuple([int(qubit >= 0) for qubit in operation.controls])
    if operation.table is None:
        return qubits, _of_named(operation.code, len(operation.targets), operation.params, values)
    return qubits, _of_table(table(operation), values)


@lru_cache(maxsize=256)
def _of_named(code: Op, num_targets: int, params: tuple[float, ...], values: tuple[int, ...]) -> Transfer:
    return _of_table(table(Operation(code, (), tuple(range(num_targets)), params, None, -1)), values)


def _of_table(entries: ComplexArray, values: Sequence[int]) -> Transfer:
    return of_operators(_unitary(entries, values)[None])


def _unitary(entries: ComplexArray, values: Sequence[int]) -> NDArray[np.complex128]:
    """Return the matrix of a diagonal or a matrix with controls.

    The controls are behind the targets. `values` are theirs.
    """
    size = len(entries) << len(values)
    matrix = np.eye(size, dtype=np.complex128)
    first = len(entries) * sum(value << bit for bit, value in enumerate(values))
    held = slice(first, first + len(entries))
    matrix[held, held] = np.diag(entries) if entries.ndim == 1 else entries
    return matrix


@lru_cache(maxsize=256)
def of_channel(channel: Channel) -> Transfer:
    """Return the transfer matrix of a channel."""
    branches, count = channel.branches(), channel.num_targets
    with_masks = [branch for branch in branches if branch.has_masks]
    masks = np.array([branch[1:4] for branch in with_masks], np.int64)
    chances = np.array([branch.probability for branch in with_masks])
    each = np.stack([_of_masks(masks >> target & 1) for target in range(count)])
    others = chances[:, None, None]
    for target in range(1, count):
        size = 4 * others.shape[1]
        others = np.einsum("bij,bkl->bikjl", each[target], others).reshape(-1, size, size)
    # Over all branches at once: products of all targets for each branch would be large.
    found = np.tensordot(others, each[0], (0, 0)).transpose(0, 2, 1, 3).reshape(4**count, 4**count)
    for branch in branches:
        if not branch.has_masks:
            found = found + branch.probability * of_operators(branch.operators)
    return np.ascontiguousarray(found)


def _of_masks(bits: NDArray[np.int64]) -> Transfer:
    """Return transfer matrices of Paulis and resets on one qubit.

    Args:
        bits: of X, Z and the reset of each, shape (branches, 3).

    Returns:
        Shape (branches, 4, 4).
    """
    digits = np.arange(4)
    signs = 1.0 - 2 * ((bits[:, :1] & digits >> 1) ^ (bits[:, 1:2] & digits & 1))
    return np.where(bits[:, 2, None, None] == 1, RESET, signs[:, :, None] * np.eye(4))


def of_density_matrix(matrix: NDArray[np.complexfloating], num_qubits: int) -> NDArray[np.float64]:
    """Return the expectation values of all Paulis in a density matrix.

    Args:
        matrix: shape (2**n, 2**n).
        num_qubits: n.

    Returns:
        Shape (4**n,).
    """
    # An axis of 4 for each qubit, from its bits in the row and in the column.
    axes = [axis for qubit in range(num_qubits) for axis in (qubit, num_qubits + qubit)]
    tensor = matrix.astype(np.complex128).reshape((2,) * 2 * num_qubits).transpose(axes).reshape(-1)
    return np.ascontiguousarray(change_basis(tensor, num_qubits, TO_PAULIS).real)


def to_density_matrix(values: NDArray[np.float64], num_qubits: int) -> NDArray[np.complex128]:
    """Return the density matrix of expectation values of all Paulis.

    Returns:
        Shape (4**n,), row by row.
    """
    entries = change_basis(values.astype(np.complex128), num_qubits, FROM_PAULIS)
    axes = [*range(0, 2 * num_qubits, 2), *range(1, 2 * num_qubits, 2)]
    return np.ascontiguousarray(entries.reshape((2,) * 2 * num_qubits).transpose(axes)).reshape(-1)


#: From the entries |row><column| of a matrix on one qubit to Paulis, and back.
TO_PAULIS: Final[NDArray[np.complex128]] = _DIGITS.transpose(0, 2, 1).reshape(4, 4)
FROM_PAULIS: Final[NDArray[np.complex128]] = np.divide(_DIGITS.reshape(4, 4).T, 2)


def change_basis(
    tensor: NDArray[np.complex128], num_qubits: int, matrix: NDArray[np.complex128]
) -> NDArray[np.complex128]:
    """Multiply each of the first axes of a tensor by a matrix.

    Args:
        tensor: has an axis of 4 for each of these qubits, and then others; of any shape.
        num_qubits: the number of these qubits.
        matrix: shape (4, 4).

    Returns:
        A flat array.
    """
    for qubit in range(num_qubits):
        tensor = matrix @ tensor.reshape(4**qubit, 4, -1)
    return tensor.reshape(-1)
