# SPDX-License-Identifier: Apache-2.0
"""What is the mean of a sum of Paulis? In machine code.

As in `qfleet_worker.engines.numpy_engine.paulis`, terms with the same X mask share a product. Where there are several,
it is transformed in blocks that stay in the first cache; where there are few, each is an inner product of vectors. The
state is gone through in pairs of chunks that stay in the second cache, for all terms that pair the same chunks.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from qfleet_worker.engines.numpy_engine.gates import ComplexArray
from qfleet_worker.engines.numpy_engine.paulis import observable
from qfleet_worker.engines.statevector.dots import (
    MIN_ELEMENTS,
    dot_row,
    mix_eight,
    mix_two,
    product_row,
    sign_tables,
)
from qfleet_worker.engines.statevector.machine_code import machine_code
from qfleet_worker.engines.statevector.threads import Crew

#: Amplitudes of a block and of a chunk, as powers of 2.
BLOCK_BITS = 9
CHUNK_BITS = 14
#: X masks that are worked on together, for threads to have something to share.
GROUPS = 32
#: Terms with one X mask from which on a transform is faster than an inner product for each.
TRANSFORM = 4


def expectation(
    amplitudes: ComplexArray,
    x_masks: NDArray[np.integer],
    z_masks: NDArray[np.integer],
    coefficients: NDArray[np.complexfloating],
    crew: Crew,
) -> complex:
    """The mean of a sum of Paulis in a state of shape (2**n,); bit i of a mask is bit i of an index.

    Term t is ``i**popcount(x & z) * X**x * Z**z``. Work is shared by a `crew`, however large it is with one result.
    """
    sums = observable(x_masks, z_masks, coefficients)
    num_bits = len(amplitudes).bit_length() - 1
    chunk_bits = min(CHUNK_BITS, num_bits)
    high = sums.x_masks >> chunk_bits
    changes = np.flatnonzero(high[1:] != high[:-1]) + 1
    batches = np.unique(np.concatenate([changes, np.arange(0, len(high), GROUPS)]))
    bounds = np.append(batches, len(high)).astype(np.int64)
    chunks = 1 << (num_bits - chunk_bits)
    found = np.zeros(len(batches) * chunks, np.complex128)
    floats = amplitudes.view(amplitudes.real.dtype)
    # Vectors are worked on several at a time.
    transform = TRANSFORM if len(floats) >= MIN_ELEMENTS[floats.itemsize] else -1
    signs, lane_signs = sign_tables(floats.dtype)
    crew.share(
        len(found),
        lambda begin, end: _sum_up(
            floats, num_bits, chunk_bits, sums.x_masks, sums.starts, sums.z_masks, sums.factors, sums.imaginary,
            bounds, transform, signs, lane_signs, found, begin, end,
        ),
    )  # fmt: skip
    return complex(found.sum())


@machine_code
def _odd(number: int) -> bool:
    """Whether an odd number of bits are set."""
    number ^= number >> 32
    number ^= number >> 16
    number ^= number >> 8
    number ^= number >> 4
    return (0x6996 >> (number & 15)) & 1 == 1


@machine_code
def _sum_up(
    floats: NDArray[Any], num_bits: int, chunk_bits: int, x_masks: NDArray[Any], starts: NDArray[Any],
    z_masks: NDArray[Any], factors: NDArray[Any], imaginary: NDArray[Any], bounds: NDArray[Any], transform: int,
    signs: NDArray[Any], lane_signs: NDArray[Any], found: NDArray[Any], begin: int, end: int,
) -> None:  # fmt: skip
    """The parts ``begin`` to ``end - 1`` of a mean: each is a batch of X masks on one pair of chunks."""
    block_bits = min(BLOCK_BITS, num_bits)
    size = 1 << block_bits
    low = size - 1
    chunks = 1 << (num_bits - chunk_bits)
    sums = np.empty(size, floats.dtype)
    for part in range(begin, end):
        batch, first = part // chunks, (part % chunks) << chunk_bits
        last = first + (1 << chunk_bits)
        total = 0j
        some = False
        for group in range(bounds[batch], bounds[batch + 1]):
            begin_term, end_term = starts[group], starts[group + 1]
            if 0 <= transform <= end_term - begin_term:
                total += _transformed(floats, first, last, x_masks[group], sums, z_masks, factors, imaginary,
                                      begin_term, end_term)  # fmt: skip
            else:
                some = True
        # X masks that pair the same blocks follow each other: two blocks stay in the first cache for all their terms.
        for base in range(first, last if some else first, size):
            for group in range(bounds[batch], bounds[batch + 1]):
                x, begin_term, end_term = x_masks[group], starts[group], starts[group + 1]
                weight = _weight(base, x & ~low)
                if weight == 0 or 0 <= transform <= end_term - begin_term:
                    continue
                if transform < 0:
                    total += weight * _few(floats, base, x, size, z_masks, factors, imaginary, begin_term, end_term)
                    continue
                lanes = _lanes(floats, x)
                flip = 2 * ((x & low) - lanes)
                for term in range(begin_term, end_term):
                    z, kind = z_masks[term], int(imaginary[term])
                    value = weight * dot_row(
                        floats, 2 * base, 2 * (base ^ x & ~low), 2 * size, flip, lanes, kind, signs, lane_signs, z & low
                    )
                    total += factors[term] * (-value if _odd(z & base) else value)
        found[part] = total


@machine_code
def _weight(base: int, partner: int) -> float:
    """How often a block counts. Of two that are each other's partner one is enough, since its twin gives the same."""
    if partner == 0:
        return 1.0
    return 0.0 if base ^ partner < base else 2.0


@machine_code
def _lanes(floats: NDArray[Any], x: int) -> int:
    """The bits of an X mask that lie inside a vector."""
    return x & (3 if floats.itemsize == 8 else 7)


@machine_code
def _transformed(
    floats: NDArray[Any], first: int, last: int, x: int, sums: NDArray[Any], z_masks: NDArray[Any],
    factors: NDArray[Any], imaginary: NDArray[Any], begin: int, end: int,
) -> complex:  # fmt: skip
    """The terms ``begin`` to ``end - 1``, all with the X mask `x`, on the amplitudes from `first` to `last`."""
    size = len(sums)
    low = size - 1
    lanes = _lanes(floats, x)
    flip = 2 * ((x & low) - lanes)
    total = 0j
    for kind in range(2):
        count = 0
        for term in range(begin, end):
            count += imaginary[term] == (kind == 1)
        if count == 0:
            continue
        for base in range(first, last, size):
            weight = _weight(base, x & ~low)
            if weight == 0:
                continue
            product_row(floats, 2 * base, 2 * (base ^ x & ~low), 2 * size, flip, lanes, kind, sums)
            _walsh(sums)
            for term in range(begin, end):
                if imaginary[term] == (kind == 1):
                    z = z_masks[term]
                    value = weight * sums[z & low]
                    total += factors[term] * (-value if _odd(z & base) else value)
    return total


@machine_code
def _few(
    floats: NDArray[Any], base: int, x: int, size: int, z_masks: NDArray[Any], factors: NDArray[Any],
    imaginary: NDArray[Any], begin: int, end: int,
) -> complex:  # fmt: skip
    """The terms ``begin`` to ``end - 1``, all with the X mask `x`, for fewer amplitudes than vectors need."""
    total = 0j
    for index in range(base, base + size):
        a, b = 2 * index, 2 * (index ^ x)
        real = np.float64(floats[a]) * floats[b] + np.float64(floats[a + 1]) * floats[b + 1]
        imag = np.float64(floats[a + 1]) * floats[b] - np.float64(floats[a]) * floats[b + 1]
        for term in range(begin, end):
            value = imag if imaginary[term] else real
            total += factors[term] * (-value if _odd(z_masks[term] & index) else value)
    return total


@machine_code
def _walsh(values: NDArray[Any]) -> None:
    """The Walsh-Hadamard transform of what is transformed vector by vector, in place."""
    width = 8 if values.itemsize == 8 else 16
    half = width
    while 8 * half <= len(values):
        for start in range(0, len(values), 8 * half):
            for at in range(start, start + half, width):
                mix_eight(values, at, half)
        half *= 8
    while half < len(values):
        for start in range(0, len(values), 2 * half):
            for at in range(start, start + half, width):
                mix_two(values, at, half)
        half *= 2
