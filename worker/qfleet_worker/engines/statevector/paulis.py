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
from qfleet_worker.engines.statevector.dots import MIN_ELEMENTS, dot_row, mix_eight, mix_two, product_row
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
    crew.share(
        len(found),
        lambda begin, end: _sum_up(
            floats, num_bits, chunk_bits, sums.x_masks, sums.starts, sums.z_masks, sums.factors, sums.imaginary,
            bounds, transform, found, begin, end,
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
    found: NDArray[Any], begin: int, end: int,
) -> None:  # fmt: skip
    """The parts ``begin`` to ``end - 1`` of a mean: each is a batch of X masks on one pair of chunks."""
    block_bits = min(BLOCK_BITS, num_bits)
    size = 1 << block_bits
    low = size - 1
    chunk = (1 << chunk_bits) - 1
    chunks = 1 << (num_bits - chunk_bits)
    sums = np.empty(size, floats.dtype)
    signs = np.empty(2 * size, floats.dtype)
    for part in range(begin, end):
        batch, first = part // chunks, (part % chunks) << chunk_bits
        total = 0j
        for group in range(bounds[batch], bounds[batch + 1]):
            x = x_masks[group]
            # Of two blocks that are each other's partner, one is enough: its twin gives the same.
            top = 0
            if x & ~low:
                top = 1
                while x >> 1 >= top:
                    top <<= 1
            if first & top & ~chunk:
                continue
            weight = 2.0 if top else 1.0
            begin_term, end_term = starts[group], starts[group + 1]
            lanes = x & (3 if floats.itemsize == 8 else 7)
            flip = 2 * ((x & low) - lanes)
            partner = x & ~low
            if transform < 0:
                for base in range(first, first + chunk + 1, size):
                    if not base & top:
                        total += weight * _few(floats, base, x, size, z_masks, factors, imaginary, begin_term, end_term)
            elif end_term - begin_term >= transform:
                for kind in range(2):
                    count = 0
                    for term in range(begin_term, end_term):
                        count += imaginary[term] == (kind == 1)
                    if count == 0:
                        continue
                    for base in range(first, first + chunk + 1, size):
                        if base & top:
                            continue
                        product_row(floats, 2 * base, 2 * (base ^ partner), 2 * size, flip, lanes, kind, sums)
                        _transform(sums)
                        for term in range(begin_term, end_term):
                            if imaginary[term] == (kind == 1):
                                z = z_masks[term]
                                value = weight * sums[z & low]
                                total += factors[term] * (-value if _odd(z & base) else value)
            else:
                for term in range(begin_term, end_term):
                    z, kind = z_masks[term], int(imaginary[term])
                    _fill_signs(signs, z & low, kind)
                    value = 0.0
                    for base in range(first, first + chunk + 1, size):
                        if base & top:
                            continue
                        row = dot_row(floats, 2 * base, 2 * (base ^ partner), 2 * size, flip, lanes, kind, signs)
                        value += -row if _odd(z & base) else row
                    total += factors[term] * (weight * value)
        found[part] = total


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
def _transform(values: NDArray[Any]) -> None:
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


@machine_code
def _fill_signs(signs: NDArray[Any], mask: int, imaginary: int) -> None:
    """(-1)**popcount(mask & j) for both parts of amplitude j; the real part's is the opposite if `imaginary`."""
    signs[0] = -1.0 if imaginary else 1.0
    signs[1] = 1.0
    half = 1
    while 2 * half < len(signs):
        sign = -1.0 if mask & half else 1.0
        for at in range(2 * half):
            signs[2 * half + at] = sign * signs[at]
        half *= 2
