# SPDX-License-Identifier: Apache-2.0
"""Sums of products of amplitudes that expectation values of Paulis consist of, in machine code.

Terms with the same X mask share a product. Where there are several, it is transformed in blocks that stay in the first
cache; where there are few, each is an inner product of vectors.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from qfleet_worker.engines.statevector.kernels.bits import is_odd
from qfleet_worker.engines.statevector.kernels.dots import dot_row, mix_eight, mix_two, product_row
from qfleet_worker.engines.statevector.machine_code.registry import compiled_for, machine_code

#: Amplitudes of a block, as a power of 2.
BLOCK_BITS = 9


@compiled_for(
    "({real}[::1], int64, int64, int64[::1], int64[::1], int64[::1], boolean[::1], int64[::1], int64, "
    "{real}[:, ::1], {real}[:, ::1], float64[:, ::1], int64, int64)"
)
def sum_up(
    floats: NDArray[Any], num_bits: int, chunk_bits: int, x_masks: NDArray[Any], starts: NDArray[Any],
    z_masks: NDArray[Any], imaginary: NDArray[Any], bounds: NDArray[Any], transform: int, signs: NDArray[Any],
    lane_signs: NDArray[Any], found: NDArray[Any], begin: int, end: int,
) -> None:  # fmt: skip
    """The parts ``begin`` to ``end - 1`` of the means: each is a batch of X masks on a slice of the chunks."""
    sums = np.empty(1 << min(BLOCK_BITS, num_bits), floats.dtype)
    chunks = 1 << (num_bits - chunk_bits)
    slices = len(found)
    for part in range(begin, end):
        batch, place = part // slices, part % slices
        for chunk in range(place * chunks // slices, (place + 1) * chunks // slices):
            _add_chunk(
                floats, chunk << chunk_bits, (chunk + 1) << chunk_bits, x_masks, starts, z_masks, imaginary,
                bounds[batch], bounds[batch + 1], transform, signs, lane_signs, sums, found[place],
            )  # fmt: skip


@compiled_for(
    "({real}[::1], int64, int64[::1], int64[::1], int64[::1], boolean[::1], int64, {real}[:, ::1], "
    "{real}[:, ::1], float64[:, ::1], int64, int64)"
)
def sum_up_points(
    floats: NDArray[Any], num_bits: int, x_masks: NDArray[Any], starts: NDArray[Any], z_masks: NDArray[Any],
    imaginary: NDArray[Any], transform: int, signs: NDArray[Any], lane_signs: NDArray[Any], found: NDArray[Any],
    begin: int, end: int,
) -> None:  # fmt: skip
    """The means in the states ``begin`` to ``end - 1``, which lie one after the other and are a chunk each."""
    sums = np.empty(1 << min(BLOCK_BITS, num_bits), floats.dtype)
    length = 2 << num_bits
    for point in range(begin, end):
        _add_chunk(
            floats[point * length : (point + 1) * length], 0, 1 << num_bits, x_masks, starts, z_masks, imaginary, 0,
            len(x_masks), transform, signs, lane_signs, sums, found[point],
        )  # fmt: skip


@machine_code
def _add_chunk(
    floats: NDArray[Any], first: int, last: int, x_masks: NDArray[Any], starts: NDArray[Any], z_masks: NDArray[Any],
    imaginary: NDArray[Any], begin: int, end: int, transform: int, signs: NDArray[Any], lane_signs: NDArray[Any],
    sums: NDArray[Any], found: NDArray[Any],
) -> None:  # fmt: skip
    """Add what the amplitudes from `first` to `last` and their partners give, for the X masks ``begin`` to ``end - 1``.

    `sums` is room to work in, for a block of amplitudes.
    """
    size = len(sums)
    low = size - 1
    some = False
    for group in range(begin, end):
        begin_term, end_term = starts[group], starts[group + 1]
        if 0 <= transform <= end_term - begin_term:
            _add_transformed(floats, first, last, x_masks[group], sums, z_masks, imaginary, begin_term, end_term, found)
        else:
            some = True
    # X masks that pair the same blocks follow each other: two blocks stay in the first cache for all their terms.
    for base in range(first, last if some else first, size):
        for group in range(begin, end):
            x, begin_term, end_term = x_masks[group], starts[group], starts[group + 1]
            weight = _weight(base, x & ~low)
            if weight == 0 or 0 <= transform <= end_term - begin_term:
                continue
            if transform < 0:
                _add_few(floats, base, x, size, z_masks, imaginary, begin_term, end_term, weight, found)
                continue
            lanes = _lanes(floats, x)
            flip = 2 * ((x & low) - lanes)
            for term in range(begin_term, end_term):
                z, kind = z_masks[term], int(imaginary[term])
                value = weight * dot_row(
                    floats, 2 * base, 2 * (base ^ x & ~low), 2 * size, flip, lanes, kind, signs, lane_signs, z & low
                )
                found[term] += -value if is_odd(z & base) else value


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
def _add_transformed(
    floats: NDArray[Any], first: int, last: int, x: int, sums: NDArray[Any], z_masks: NDArray[Any],
    imaginary: NDArray[Any], begin: int, end: int, found: NDArray[Any],
) -> None:  # fmt: skip
    """Add to the terms ``begin`` to ``end - 1``, all with the X mask `x`, what the amplitudes from `first` on give."""
    size = len(sums)
    low = size - 1
    lanes = _lanes(floats, x)
    flip = 2 * ((x & low) - lanes)
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
                    found[term] += -value if is_odd(z & base) else value


@machine_code
def _add_few(
    floats: NDArray[Any], base: int, x: int, size: int, z_masks: NDArray[Any], imaginary: NDArray[Any], begin: int,
    end: int, weight: float, found: NDArray[Any],
) -> None:  # fmt: skip
    """Add to the terms ``begin`` to ``end - 1``, all with the X mask `x`, for fewer amplitudes than vectors need."""
    for index in range(base, base + size):
        a, b = 2 * index, 2 * (index ^ x)
        real = np.float64(floats[a]) * floats[b] + np.float64(floats[a + 1]) * floats[b + 1]
        imag = np.float64(floats[a + 1]) * floats[b] - np.float64(floats[a]) * floats[b + 1]
        for term in range(begin, end):
            value = weight * (imag if imaginary[term] else real)
            found[term] += -value if is_odd(z_masks[term] & index) else value


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
