# SPDX-License-Identifier: Apache-2.0
"""Combine the branches of channels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from qfleet.noise.matrices import Matrix, embedded
from qfleet.wire.program.channels import Branch


def after(first: Branch, second: Branch, num_qubits: int) -> Branch:
    """Return the branch of two branches on the same qubits.

    Its probability is the product of both.

    Args:
        first: the branch that happens first.
        second: the branch that happens then.
        num_qubits: number of qubits of both.
    """
    probability = first.probability * second.probability
    if second.is_identity:
        return first._replace(probability=probability)
    # What was put into |0> stays there, unless an X follows.
    flipped = first.reset_mask & ~second.reset_mask & second.x_mask
    if first.has_masks and second.has_masks and not flipped:
        reset = first.reset_mask | second.reset_mask
        x, z = first.x_mask ^ second.x_mask, first.z_mask ^ second.z_mask
        return Branch(probability, x & ~reset, z & ~reset, reset)
    one, other = first.kraus(num_qubits), second.kraus(num_qubits)
    side = 1 << num_qubits
    products = np.einsum("aij,bjk->abik", other, one).reshape(-1, side, side)
    return Branch(probability, operators=products)


def on(branch: Branch, at: Sequence[int], num_qubits: int) -> Branch:
    """Return a branch on some qubits as one on more.

    Args:
        branch: the branch.
        at: the place of each of its qubits.
        num_qubits: number of qubits of the result.
    """
    if branch.has_masks:
        x, z, reset = [
            sum(1 << qubit for bit, qubit in enumerate(at) if mask >> bit & 1)
            for mask in (branch.x_mask, branch.z_mask, branch.reset_mask)
        ]
        return Branch(branch.probability, x, z, reset)
    return Branch(branch.probability, operators=embedded(branch.operators, at, num_qubits))


def pauli_branch(probability: float, label: str) -> Branch:
    """Return the branch of a Pauli label.

    Its leftmost letter acts on the last qubit.
    """
    x = z = 0
    for letter in label:
        x = x << 1 | (letter in "XY")
        z = z << 1 | (letter in "YZ")
    return Branch(probability, x, z)


def operators_branch(probability: float, operators: Matrix) -> Branch:
    """Return the branch of some Kraus operators."""
    return Branch(probability, operators=operators)
