# SPDX-License-Identifier: Apache-2.0
"""What are the means of Paulis, by numpy alone?

Pauli t is ``i**popcount(x & z) * X**x * Z**z``. Those with the same X mask share one product of the state with itself,
bits flipped; where there are several, a Walsh-Hadamard transform of it gives the sums for all Z masks at once. Paulis
are put into groups by their X masks once, and then looked at in any number of states.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qfleet_worker.engines.gates.matrices import ComplexArray

#: Amplitudes that are worked on at a time, as a power of 2.
BLOCK_BITS = 14
#: Terms with one X mask from which on a transform is faster than a sum for each.
TRANSFORM = 8


class Paulis(NamedTuple):
    """Paulis in groups, in ascending order of the X masks."""

    #: int64, shape (terms,): the place that each had before
    order: NDArray[np.int64]
    #: int64, shape (terms,)
    z_masks: NDArray[np.int64]
    #: float64, shape (terms,): what the real or the imaginary part of a sum is multiplied by
    signs: NDArray[np.float64]
    #: whether it is the imaginary part, shape (terms,)
    imaginary: NDArray[np.bool_]
    #: int64, shape (groups,): the distinct X masks
    x_masks: NDArray[np.int64]
    #: int64, shape (groups + 1,): where the terms of each begin
    starts: NDArray[np.int64]


def grouped(x_masks: NDArray[np.integer], z_masks: NDArray[np.integer]) -> Paulis:
    """Paulis by their masks, each of shape (terms,); bit i of a mask is bit i of a state's index."""
    x, z = x_masks.astype(np.int64), z_masks.astype(np.int64)
    order = np.argsort(x, kind="stable")
    x, z = x[order], z[order]
    ys = np.bitwise_count((x & z).astype(np.uint64)) & 3
    # i**ys times a sum that is real for an even number of Y, else imaginary.
    firsts = np.flatnonzero(np.concatenate([[True], x[1:] != x[:-1]])) if len(x) else np.zeros(0, np.int64)
    return Paulis(
        order=order,
        z_masks=z,
        signs=np.array([1.0, -1.0, -1.0, 1.0])[ys],
        imaginary=(ys & 1).astype(np.bool_),
        x_masks=x[firsts],
        starts=np.append(firsts, len(x)).astype(np.int64),
    )


def expectation(
    amplitudes: ComplexArray,
    x_masks: NDArray[np.integer],
    z_masks: NDArray[np.integer],
    coefficients: NDArray[np.complexfloating],
) -> complex:
    """The mean of a sum of Paulis in a state of shape (2**n,)."""
    return complex(np.dot(means(amplitudes, grouped(x_masks, z_masks)), coefficients))


def means(amplitudes: ComplexArray, paulis: Paulis) -> NDArray[np.float64]:
    """The mean of each Pauli in a state of shape (2**n,); shape (terms,), in the order before they were grouped."""
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
    """(-1)**popcount(mask & j) for each j below `size`."""
    signs = np.ones(1)
    while len(signs) < size:
        signs = np.concatenate([signs, -signs if mask & len(signs) else signs])
    return signs


def _transformed(values: NDArray[np.complex128]) -> NDArray[np.complex128]:
    """The sums of the values times the signs of every mask."""
    half = 1
    while half < len(values):
        pairs = values.reshape(-1, 2, half)
        values = np.stack([pairs[:, 0] + pairs[:, 1], pairs[:, 0] - pairs[:, 1]], axis=1).reshape(-1)
        half *= 2
    return values
