# SPDX-License-Identifier: Apache-2.0
"""Kraus operators, Choi matrices and superoperators.

A Choi matrix here is the sum of ``outer(k, conj(k))`` over the Kraus operators k, each flat in row-major order.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qfleet.errors import NoiseError
from qfleet.wire.limits import MAX_CHANNEL_QUBITS
from qfleet.wire.program.channels import Branch

Matrix = NDArray[np.complex128]

#: Largest deviation of a user's matrices and probabilities from what they must be.
TOLERANCE = 1e-8
#: Eigenvalues of a Choi matrix, whose trace is its channel's number of states, below this are rounding.
ROUNDING = 1e-14


def square_matrix(what: str, matrix: ArrayLike, num_qubits: int | None = None) -> tuple[Matrix, int]:
    """Return a user's matrix, and its number of qubits.

    Args:
        what: the name of the matrix for errors.
        matrix: the matrix, of shape (2**n, 2**n).
        num_qubits: the number of qubits it must have; ``None`` for any.

    Raises:
        NoiseError: it isn't such a matrix of finite numbers.
    """
    try:
        found = np.asarray(matrix, np.complex128)
    except (TypeError, ValueError) as exc:
        raise NoiseError(f"{what} isn't a matrix of numbers: {exc}", entry=what, value=matrix) from exc
    side = found.shape[0] if found.ndim == 2 else 0
    width = side.bit_length() - 1
    if found.shape != (side, side) or side != 1 << width or not 1 <= width <= MAX_CHANNEL_QUBITS:
        raise NoiseError(
            f"{what} has the shape {found.shape}; (2**n, 2**n) for n = 1 to {MAX_CHANNEL_QUBITS} qubits is needed",
            entry=what,
            value=found.shape,
        )
    if num_qubits is not None and width != num_qubits:
        raise NoiseError(f"{what} is for {width} qubits, the first one for {num_qubits}", entry=what, value=width)
    if not np.isfinite(found).all():
        raise NoiseError(f"{what} has an entry that isn't a finite number", entry=what)
    return found, width


def trace_error(operators: Matrix) -> float:
    """Return the largest deviation of ``sum(k^dagger k)`` from the identity."""
    squares = np.einsum("kij,kil->jl", operators.conj(), operators)
    return float(np.abs(squares - np.eye(len(squares))).max())


def trace_preserving(operators: Matrix) -> Matrix:
    """Return operators whose channel preserves the trace, but for rounding."""
    squares = np.einsum("kij,kil->jl", operators.conj(), operators)
    values, vectors = np.linalg.eigh(squares)
    return np.asarray(operators @ ((vectors / np.sqrt(values)) @ vectors.conj().T))


def choi_of(operators: Matrix) -> Matrix:
    """Return the Choi matrix of operators of shape (operators, side, side)."""
    flat = operators.reshape(len(operators), operators.shape[1] * operators.shape[2])
    return np.asarray(flat.T @ flat.conj())


def add_paulis(choi: Matrix, chances: NDArray[np.float64]) -> None:
    """Add random Paulis to a Choi matrix, in place.

    Args:
        choi: the Choi matrix.
        chances: shape (2**n, 2**n): the probability of each Pauli, by its masks of X and Z.
    """
    states = np.arange(len(chances))
    # A Pauli's entry in row i ^ x and column i is (-1)**(z & i), but for its phase.
    signs = 1 - 2.0 * (np.bitwise_count(states[:, None] & states) & 1)
    sums = chances @ signs
    for x in np.flatnonzero(chances.any(axis=1)).tolist():
        places = (states ^ x) * len(states) + states
        choi[places[:, None], places] += sums[x, states[:, None] ^ states]


def operators_of(choi: Matrix) -> Matrix:
    """Return the fewest Kraus operators of a Choi matrix."""
    values, vectors = np.linalg.eigh(choi)
    kept = values > ROUNDING
    side = round(len(choi) ** 0.5)
    return np.asarray((vectors[:, kept] * np.sqrt(values[kept])).T.reshape(-1, side, side))


def choi_of_superop(superop: Matrix) -> Matrix:
    """Return the Choi matrix of a superoperator on column-stacked density matrices."""
    side = round(len(superop) ** 0.5)
    return superop.reshape([side] * 4).transpose(1, 3, 0, 2).reshape(superop.shape)


def superop_of_choi(choi: Matrix) -> Matrix:
    """Return the superoperator, on column-stacked density matrices, of a Choi matrix."""
    side = round(len(choi) ** 0.5)
    return choi.reshape([side] * 4).transpose(2, 0, 3, 1).reshape(choi.shape)


def embedded(matrices: Matrix, at: Sequence[int], num_qubits: int) -> Matrix:
    """Return matrices on some qubits as matrices on more qubits.

    Args:
        matrices: shape (matrices, 2**k, 2**k).
        at: the k qubits, of which the first is the lowest bit of an index.
        num_qubits: number of qubits of the result.
    """
    if tuple(at) == tuple(range(num_qubits)):
        return matrices
    full = np.zeros((len(matrices), 1 << num_qubits, 1 << num_qubits), np.complex128)
    inner = np.zeros(1 << len(at), np.int64)
    for bit, qubit in enumerate(at):
        inner |= (np.arange(len(inner)) >> bit & 1) << qubit
    used = sum(1 << qubit for qubit in at)
    for rest in range(1 << num_qubits):
        if not rest & used:
            full[:, (rest | inner)[:, None], rest | inner] = matrices
    return full


@cache
def paulis(num_qubits: int) -> Matrix:
    """Return all Paulis, flat.

    Pauli ``x | z << num_qubits`` has these masks.

    Returns:
        Read-only, complex128, shape (4**num_qubits, 4**num_qubits).
    """
    low = (1 << num_qubits) - 1
    found = [Branch(1.0, index & low, index >> num_qubits).kraus(num_qubits)[0] for index in range(4**num_qubits)]
    table = np.array(found).reshape(len(found), -1)
    table.flags.writeable = False
    return table


def pauli_of(unitary: Matrix) -> tuple[int, int] | None:
    """Return the masks of X and Z of a Pauli.

    It may have a phase. Other unitaries give ``None``.
    """
    side = len(unitary)
    rows = np.arange(side)
    x = int(np.argmax(np.abs(unitary[:, 0])))
    found = unitary[rows ^ x, rows]
    signs = (found / found[0]).real
    z = sum(1 << bit for bit in range(side.bit_length() - 1) if signs[1 << bit] < 0)
    expected = found[0] * (1 - 2.0 * (np.bitwise_count(rows & z) & 1))
    is_pauli = np.abs(found - expected).max() < 1e-12 and abs(abs(found[0]) - 1) < 1e-12
    return (x, z) if is_pauli else None
