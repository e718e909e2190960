# SPDX-License-Identifier: Apache-2.0
"""Read the tensors of Aer's ``set_matrix_product_state``, as gates.

The gates are applied one after the other, each to a qubit and to those behind it that hold a bond: C. Schön and others,
Physical Review Letters 95, 110503 (2005).
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from qfleet.lowering.refusal import RefusalError

#: Values of a bond at most: a gate acts on as many qubits as hold it, and one more.
_MOST_VALUES: Final = 128
_TOLERANCE: Final = 1e-6


class Gate(NamedTuple):
    """A unitary gate on neighbouring qubits."""

    first: int
    #: shape (2**qubits, 2**qubits)
    matrix: NDArray[np.complex128]


def preparation(given: Any, num_qubits: int) -> Iterator[Gate]:
    """Yield gates that take |0...0> to a matrix product state.

    Args:
        given: pairs of matrices, for the values of each qubit, and the singular values of each bond, as Aer saves them.
        num_qubits: the qubits of the instruction.

    Raises:
        RefusalError: it isn't a state of norm 1 of these qubits, or its bonds are too large.
    """
    tensors = _right_isometries(_tensors(given, num_qubits))
    for qubit, tensor in enumerate(tensors):
        left, _, right = tensor.shape
        width = max((left - 1).bit_length(), (right - 1).bit_length() + 1)
        # The value of the qubit is the lowest bit, and that of the bond behind it the others.
        columns = np.zeros((left, 1 << width), np.complex128)
        columns[:, 0 : 2 * right : 2], columns[:, 1 : 2 * right : 2] = tensor[:, 0], tensor[:, 1]
        yield Gate(qubit, _completed(columns.T))


def _tensors(given: Any, num_qubits: int) -> list[NDArray[np.complex128]]:
    """Return the tensors, each with the singular values behind it."""
    try:
        pairs, values = given
        tensors = [np.stack([np.asarray(each, np.complex128) for each in pair], axis=1) for pair in pairs]
        found = [np.asarray(each, np.float64) for each in values]
        scaled = [tensor * each for tensor, each in zip(tensors, [*found, np.ones(1)], strict=True)]
        bonds = [1, *[len(each) for each in found], 1]
    except (TypeError, ValueError) as exc:
        raise RefusalError(f"its matrix product state can't be read: {exc}") from exc
    shapes = [(left, 2, right) for left, right in pairwise(bonds)]
    if len(scaled) != num_qubits or [tensor.shape for tensor in scaled] != shapes:
        raise RefusalError(f"its matrix product state has other shapes than {num_qubits} qubits need")
    if max(bonds) > _MOST_VALUES:
        raise RefusalError(
            f"a bond of its matrix product state has {max(bonds)} values; at most {_MOST_VALUES} can be set"
        )
    if not all(np.isfinite(tensor).all() for tensor in scaled):
        raise RefusalError("its matrix product state has something that isn't a finite number")
    return scaled


def _right_isometries(tensors: list[NDArray[np.complex128]]) -> list[NDArray[np.complex128]]:
    """Return tensors of the state that are isometries to the left."""
    found: list[NDArray[np.complex128]] = []
    rest = np.ones((1, 1))
    for tensor in reversed(tensors):
        whole = tensor @ rest
        right, triangle = np.linalg.qr(whole.reshape(len(whole), -1).T)
        found.insert(0, right.T.reshape(-1, 2, whole.shape[2]))
        rest = triangle.T
    norm = abs(rest[0, 0])
    if abs(norm - 1) > _TOLERANCE:
        raise RefusalError(f"the norm of its matrix product state is {norm:.6g}; a norm of 1 is needed")
    found[0] = found[0] * (rest[0, 0] / norm)
    return found


def _completed(columns: NDArray[np.complex128]) -> NDArray[np.complex128]:
    """Return a unitary matrix that begins with orthonormal columns."""
    number = columns.shape[1]
    whole, triangle = np.linalg.qr(columns, mode="complete")
    # A decomposition may turn each column by a phase.
    whole[:, :number] *= np.diag(triangle) / abs(np.diag(triangle))
    return whole
