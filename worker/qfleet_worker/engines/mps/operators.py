# SPDX-License-Identifier: Apache-2.0
"""Gates as matrix product operators.

A factor of an operator has the shape (left bond, 2, 2, right bond), with the indices of the result and of the argument.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from qfleet.wire.program.matrices import ComplexArray

#: Singular values of an operator below this part of the largest are rounding errors.
_ROUNDING = 1e-13
_IDENTITY = np.eye(2, dtype=np.complex128)


def factors_of(matrix: ComplexArray) -> list[ComplexArray]:
    """Return the factors of a matrix, that of the highest bit first.

    Args:
        matrix: shape (2**qubits, 2**qubits).
    """
    qubits = len(matrix).bit_length() - 1
    # Indices of the result and of the argument by turns, the highest bit first.
    turns = [axis for bit in range(qubits) for axis in (bit, qubits + bit)]
    tensor = matrix.reshape((2,) * 2 * qubits).transpose(turns)
    factors: list[ComplexArray] = []
    rest = tensor.reshape(1, -1).astype(np.complex128)
    for _ in range(qubits - 1):
        vectors, values, others = np.linalg.svd(rest.reshape(4 * len(rest), -1), full_matrices=False)
        kept = max(1, int(np.count_nonzero(values > _ROUNDING * values[0])))
        roots = np.sqrt(values[:kept])
        factors.append((vectors[:, :kept] * roots).reshape(len(rest), 2, 2, kept))
        rest = roots[:, None] * others[:kept]
    return [*factors, rest.reshape(-1, 2, 2, 1)]


def on_wires(controls: Mapping[int, int], targets: Sequence[int], matrix: ComplexArray) -> list[ComplexArray]:
    """Return the factors of a gate on scattered wires.

    There is one for each wire from the first to the last.

    Args:
        controls: the value of each control where the gate acts.
        targets: the wires of the matrix; the first is the lowest bit of its index.
        matrix: shape (2**targets, 2**targets).
    """
    order = sorted(targets)
    part = matrix - np.eye(len(matrix)) if controls else matrix
    own = dict(zip(order, factors_of(reordered(part, targets, order[::-1])), strict=True))
    every = [*controls, *targets]
    factors = []
    bond = 1
    for wire in range(min(every), max(every) + 1):
        if wire in own:
            factors.append(own[wire])
            bond = own[wire].shape[3]
        else:
            here = np.diag([1 - controls[wire], controls[wire]]) if wire in controls else _IDENTITY
            factors.append(_passed(bond, here))
    return _with_identity(factors) if controls else factors


def factors_of_state(amplitudes: ComplexArray, wires: Sequence[int]) -> list[ComplexArray]:
    """Return the factors that give wires in |0> a state.

    Args:
        amplitudes: shape (2**wires,).
        wires: of the bits of an amplitude's index, the lowest first.
    """
    order = sorted(wires)
    number = len(wires)
    tensor = amplitudes.reshape((2,) * number)
    rest = tensor.transpose([number - 1 - list(wires).index(wire) for wire in order]).reshape(1, -1)
    factors = []
    bond = 1
    for wire in range(order[0], order[-1] + 1):
        if wire not in wires:
            factors.append(_passed(bond, _IDENTITY))
            continue
        left = rest.reshape(2 * bond, -1)
        if left.shape[1] > 1:
            vectors, values, others = np.linalg.svd(left, full_matrices=False)
            kept = max(1, int(np.count_nonzero(values > _ROUNDING * values[0])))
            left, rest = vectors[:, :kept], values[:kept, None] * others[:kept]
        factor = np.zeros((bond, 2, 2, left.shape[1]), np.complex128)
        factor[:, :, 0] = left.reshape(bond, 2, -1)
        factors.append(factor)
        bond = left.shape[1]
    return factors


def rank_of(factors: Sequence[ComplexArray]) -> int:
    """Return the largest bond of factors."""
    return int(max([factor.shape[3] for factor in factors]))


def _passed(bond: int, matrix: ComplexArray) -> ComplexArray:
    """Return a factor that a bond passes, with a matrix."""
    factor: ComplexArray = np.einsum("ab,st->astb", np.eye(bond), matrix).astype(np.complex128)
    return factor


def _with_identity(factors: Sequence[ComplexArray]) -> list[ComplexArray]:
    """Return the factors of an operator plus the identity."""
    found = []
    for place, factor in enumerate(factors):
        left, right = int(place > 0), int(place < len(factors) - 1)
        whole = np.zeros((len(factor) + left, 2, 2, factor.shape[3] + right), np.complex128)
        whole[-1, :, :, -1] = _IDENTITY
        whole[: len(factor), :, :, : factor.shape[3]] += factor
        found.append(whole)
    return found


def reordered(matrix: ComplexArray, wires: Sequence[int], order: Sequence[int]) -> ComplexArray:
    """Return a matrix with its bits in another order.

    Args:
        matrix: shape (2**wires, 2**wires).
        wires: of its bits, the lowest first.
        order: the same wires, of the bits of the result, the lowest first.
    """
    if list(wires) == list(order):
        return matrix
    number = len(wires)
    axes = [number - 1 - list(wires).index(wire) for wire in reversed(order)]
    tensor = matrix.reshape((2,) * 2 * number).transpose([*axes, *[number + axis for axis in axes]])
    return np.ascontiguousarray(tensor).reshape(len(matrix), -1)
