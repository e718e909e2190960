# SPDX-License-Identifier: Apache-2.0
"""Gates on more wires than a transfer matrix has."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qfleet.wire.program.matrices import ComplexArray
from qfleet_worker.engines.density.kernels import to_front
from qfleet_worker.engines.density.transfer import FROM_PAULIS, TO_PAULIS, Gate, change_basis


def apply_wide(paulis: NDArray[np.float64], gate: Gate) -> None:
    """Apply a gate to a density matrix, in place.

    Its wires become rows and columns of a complex matrix meanwhile.

    Args:
        paulis: the expectation values of all Paulis, shape (4**n,).
        gate: a unitary on any number of wires.
    """
    wires = (*gate.targets, *[wire for wire, _ in gate.controls])
    count = len(wires)
    moved = to_front(paulis, wires)
    entries = change_basis(moved.reshape(-1).astype(np.complex128), count, FROM_PAULIS)
    tensor = entries.reshape((2,) * 2 * count + (-1,))
    # The last wire is first, and of each wire the row.
    for side, matrix in ((0, gate.table), (1, gate.table.conj())):
        axes = [2 * (count - 1 - place) + side for place in range(count)]
        _multiply(tensor, matrix, axes[: len(gate.targets)], axes[len(gate.targets) :], [v for _, v in gate.controls])
    moved[...] = change_basis(tensor.reshape(-1), count, TO_PAULIS).real.reshape(moved.shape)


def _multiply(
    tensor: ComplexArray, matrix: ComplexArray, targets: list[int], controls: list[int], values: list[int]
) -> None:
    """Multiply a tensor by a diagonal or a matrix where controls hold.

    Args:
        tensor: has an axis of 2 for each target and each control.
        matrix: shape (2**targets,) or (2**targets, 2**targets).
        targets: their axes, the lowest bit first.
        controls: their axes.
        values: those that the controls must have.
    """
    held = dict(zip(controls, values, strict=True))
    part = tensor[tuple([held.get(axis, slice(None)) for axis in range(tensor.ndim)])]
    kept = [axis for axis in range(tensor.ndim) if axis not in held]
    axes = [kept.index(axis) for axis in reversed(targets)]
    part = part.transpose([*axes, *[axis for axis in range(part.ndim) if axis not in axes]])
    if matrix.ndim == 1:
        part *= matrix.reshape((2,) * len(targets) + (1,) * (part.ndim - len(targets)))
    else:
        part[...] = (matrix @ part.reshape(len(matrix), -1)).reshape(part.shape)
