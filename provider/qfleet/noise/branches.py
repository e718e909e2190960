# SPDX-License-Identifier: Apache-2.0
"""Combine the branches of channels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from qfleet.noise.matrices import Matrix, embedded
from qfleet.wire.program.channels import Branch

#: Products of branches that are made at once.
_PRODUCTS: Final = 1 << 20


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


def products(ones: Sequence[Branch], others: Sequence[Branch], num_qubits: int) -> list[Branch]:
    """Return a mixture after another one; equal masks are one branch.

    Args:
        ones: the branches that happen first.
        others: the branches that happen then.
        num_qubits: number of qubits of all.
    """
    masks, other_masks = ([each for each in branches if each.has_masks] for branches in (ones, others))
    rest, other_rest = ([each for each in branches if not each.has_masks] for branches in (ones, others))
    return [
        *_products_of_masks(masks, other_masks, num_qubits),
        *[after(one, other, num_qubits) for one in masks for other in other_rest],
        *[after(one, other, num_qubits) for one in rest for other in others],
    ]


def _products_of_masks(ones: Sequence[Branch], others: Sequence[Branch], num_qubits: int) -> list[Branch]:
    """Return products of branches of masks; see `products`."""
    keys, chances = np.zeros(0, np.int64), np.zeros(0)
    # A channel of 8 qubits has 65,536 Paulis: not all products are made at once.
    step = max(1, _PRODUCTS // max(1, len(others)))
    for start in range(0, len(ones), step):
        part = ones[start : start + step]
        new = _keys(part, others, num_qubits)
        products = np.multiply.outer([one.probability for one in part], [other.probability for other in others])
        keys, chances = _merged(np.append(keys, new), np.append(chances, products))
    low = (1 << num_qubits) - 1
    found = []
    for key, chance in zip(keys.tolist(), chances.tolist(), strict=True):
        x, z, reset, flipped = (key >> place * num_qubits & low for place in range(4))
        branch = Branch(chance, x, z, reset)
        found.append(after(branch, Branch(1.0, flipped), num_qubits) if flipped else branch)
    return found


def _keys(ones: Sequence[Branch], others: Sequence[Branch], num_qubits: int) -> NDArray[np.int64]:
    """Return a key of each product of two branches of masks.

    From its lowest bits on, it has the masks of X, Z, of resets, and of X after resets.
    """
    x, z, reset = (np.array(masks, np.int64)[:, None] for masks in zip(*[each[1:4] for each in ones], strict=True))
    then_x, then_z, then_reset = (
        np.array(masks, np.int64) for masks in zip(*[each[1:4] for each in others], strict=True)
    )
    resets = reset | then_reset
    flipped = reset & ~then_reset & then_x
    parts = ((x ^ then_x) & ~resets, (z ^ then_z) & ~resets, resets, flipped)
    keys = [part << place * num_qubits for place, part in enumerate(parts)]
    return np.asarray(keys[0] | keys[1] | keys[2] | keys[3]).reshape(-1)


def _merged(keys: NDArray[np.int64], chances: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return each key once, with the sum of its probabilities."""
    if keys.max(initial=0) < _PRODUCTS:
        sums = np.bincount(keys, chances).astype(np.float64)
        found = np.flatnonzero(sums).astype(np.int64)
        return found, sums[found]
    found, places = np.unique(keys, return_inverse=True)
    return found, np.bincount(places, chances).astype(np.float64)


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
