# SPDX-License-Identifier: Apache-2.0
"""Expectation values of Paulis, by numpy alone.

Paulis with the same X mask share one product of the state with itself, bits flipped. For several of them, a
Walsh-Hadamard transform of the product gives the sums for all Z masks at once.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qfleet.wire.program.matrices import ComplexArray
from qfleet_worker.engines.states.paulis import PauliGroups, group_paulis

#: Amplitudes that are worked on at a time, as a power of 2.
BLOCK_BITS = 14
#: Terms with one X mask from which on a transform is faster than a sum for each.
TRANSFORM = 8


def expectation(
    amplitudes: ComplexArray,
    x_masks: NDArray[np.integer],
    z_masks: NDArray[np.integer],
    coefficients: NDArray[np.complexfloating],
) -> complex:
    """Return the expectation value of a sum of Paulis.

    Args:
        amplitudes: the state, shape (2**n,).
        x_masks: shape (terms,); bit i of a mask is bit i of the state's index.
        z_masks: the same for Z.
        coefficients: shape (terms,).
    """
    return complex(np.dot(expectation_values(amplitudes, group_paulis(x_masks, z_masks)), coefficients))


def expectation_values(amplitudes: ComplexArray, paulis: PauliGroups) -> NDArray[np.float64]:
    """Return the expectation value of each Pauli, shape (terms,).

    The values are in the order that the Paulis had before they were grouped.

    Args:
        amplitudes: the state, shape (2**n,).
        paulis: their masks are over the state's index.
    """
    sums = np.zeros(len(paulis.order))
    size = min(len(amplitudes), 1 << BLOCK_BITS)
    low = np.arange(size)
    for group, x in enumerate(paulis.x_masks.tolist()):
        terms = slice(int(paulis.starts[group]), int(paulis.starts[group + 1]))
        z_masks, imaginary = paulis.z_masks[terms], paulis.imaginary[terms]
        for base in range(0, len(amplitudes), size):
            other = amplitudes[base ^ (x & ~(size - 1)) :][:size]
            if x & (size - 1):
                other = other[low ^ (x & (size - 1))]
            product = (amplitudes[base : base + size] * other.conj()).astype(np.complex128, copy=False)
            if len(z_masks) < TRANSFORM:
                found = np.array([np.dot(product, _signs(z & (size - 1), size)) for z in z_masks.tolist()])
            else:
                found = _transformed(product)[z_masks & (size - 1)]
            parts = np.where(imaginary, found.imag, found.real)
            odd = np.bitwise_count((z_masks & base).astype(np.uint64)) & 1
            sums[terms] += np.where(odd, -parts, parts)
    found = np.empty(len(sums))
    found[paulis.order] = sums * paulis.signs
    return found


def _signs(mask: int, size: int) -> NDArray[np.float64]:
    """Return (-1)**popcount(mask & j) for each j below `size`."""
    signs = np.ones(1)
    while len(signs) < size:
        signs = np.concatenate([signs, -signs if mask & len(signs) else signs])
    return signs


def _transformed(values: NDArray[np.complex128]) -> NDArray[np.complex128]:
    """Return the sums of the values times the signs of every mask."""
    half = 1
    while half < len(values):
        pairs = values.reshape(-1, 2, half)
        values = np.stack([pairs[:, 0] + pairs[:, 1], pairs[:, 0] - pairs[:, 1]], axis=1).reshape(-1)
        half *= 2
    return values
