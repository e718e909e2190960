# SPDX-License-Identifier: Apache-2.0
"""The tensors of a matrix product state in one array.

They are in G. Vidal's form (Physical Review Letters 91, 147902, 2003), as Aer has it: a tensor for each qubit, and for
each bond the singular values between two qubits. The array begins with the number of qubits and the size of each bond.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from qfleet.wire.errors import WireError
from qfleet.wire.limits import MAX_QUBITS


def pack(
    tensors: Sequence[NDArray[np.complexfloating]], values: Sequence[NDArray[np.floating]]
) -> NDArray[np.complex128]:
    """Return tensors and singular values in one array.

    Args:
        tensors: one for each qubit, shape (left bond, 2, right bond).
        values: those of each bond between two qubits.
    """
    sizes = [len(tensors), *[len(each) for each in values]]
    return np.concatenate([sizes, *[each.reshape(-1) for each in (*tensors, *values)]]).astype(np.complex128)


def packed_size(bonds: Iterable[float]) -> float:
    """Return the length of the array.

    Args:
        bonds: the sizes of all bonds, the outer two included.
    """
    sizes = np.fromiter(bonds, np.float64)
    return len(sizes) - 1 + float(2 * sizes[:-1] @ sizes[1:]) + float(sizes[1:-1].sum())


def unpack(packed: NDArray[np.complex128]) -> tuple[list[NDArray[np.complex128]], list[NDArray[np.float64]]]:
    """Return the tensors and the singular values of an array; see `pack`.

    What follows behind them is ignored.

    Raises:
        WireError: the array is too short, or its sizes aren't possible.
    """
    number = _size(packed, 0, MAX_QUBITS)
    bonds = [1, *[_size(packed, at, len(packed)) for at in range(1, number)], 1]
    if packed_size(bonds) > len(packed):
        raise WireError(f"{len(packed)} numbers aren't the tensors of {number} qubits")
    tensors, values, at = [], [], number
    for left, right in pairwise(bonds):
        tensors.append(packed[at : at + 2 * left * right].reshape(left, 2, right))
        at += 2 * left * right
    for bond in bonds[1:-1]:
        values.append(packed[at : at + bond].real.copy())
        at += bond
    return tensors, values


def _size(packed: NDArray[np.complex128], at: int, most: int) -> int:
    """Return a size from the beginning of the array, checked."""
    number = float(packed[at].real) if at < len(packed) else 0.0
    if not (1 <= number <= most and number == int(number)):
        raise WireError("the sizes of a matrix product state aren't possible")
    return int(number)
