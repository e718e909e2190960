# SPDX-License-Identifier: Apache-2.0
"""Sums that expectation values of Paulis consist of, in machine code.

They are sums of products of amplitudes. Terms with the same X mask share a product. Where there are several, it is
transformed in blocks that stay in the first cache; where there are few, each is an inner product of vectors.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from qfleet_worker.engines.machine_code.registry import compiled_for, inner_code, structure
from qfleet_worker.engines.statevector.kernels.bits import is_odd, popcount
from qfleet_worker.engines.statevector.kernels.dots import MIN_BYTES, dot_row, mix_eight, mix_two, product_row

#: Amplitudes of a block and of a chunk, as powers of 2.
BLOCK_BITS = 9
CHUNK_BITS = 14


@structure(x_masks="int64[::1]", starts="int64[::1]", z_masks="int64[::1]", imaginary="boolean[::1]")
class Terms(NamedTuple):
    """Paulis, grouped by their X masks."""

    #: int64, shape (groups,): the X mask of each group
    x_masks: NDArray[np.int64]
    #: int64, shape (groups + 1,): where each group's terms begin
    starts: NDArray[np.int64]
    #: int64, shape (terms,)
    z_masks: NDArray[np.int64]
    #: bool, shape (terms,): whether the imaginary part of the product counts
    imaginary: NDArray[np.bool_]


@structure(transform="int64", signs="{real}[:, ::1]", lane_signs="{real}[:, ::1]")
class Signs(NamedTuple):
    """The signs that tell terms of one group apart."""

    #: terms of a group from which on it is transformed; -1 for a state that is too small for vectors
    transform: int
    #: see `dots.sign_tables`
    signs: NDArray[Any]
    lane_signs: NDArray[Any]


class _Part(NamedTuple):
    """Some amplitudes and some groups, each from and to."""

    first: int
    last: int
    begin: int
    end: int


@compiled_for("{real}[::1]", "Terms", "int64[::1]", "Signs", "float64[:, ::1]", "int64", "int64")
def sum_up(
    floats: NDArray[Any], terms: Terms, bounds: NDArray[Any], signs: Signs, sums: NDArray[Any], begin: int, end: int
) -> None:
    """Add up the parts ``begin`` to ``end - 1`` of expectation values.

    Each part is some groups on a slice of the state.

    Args:
        floats: the amplitudes' real and imaginary parts, shape (2 * 2**bits,).
        terms: the Paulis.
        bounds: int64, shape (batches + 1,): where each batch of groups begins. Part p is batch ``p // slices`` on the
            slice ``p % slices``.
        signs: how terms are told apart.
        sums: float64, shape (slices, terms): what is added to.
        begin: the first part.
        end: the one after the last.
    """
    num_bits = popcount(len(floats) // 2 - 1)
    chunk_bits = min(CHUNK_BITS, num_bits)
    block = np.empty(1 << min(BLOCK_BITS, num_bits), floats.dtype)
    chunks = 1 << (num_bits - chunk_bits)
    slices = len(sums)
    for number in range(begin, end):
        batch, place = number // slices, number % slices
        for chunk in range(place * chunks // slices, (place + 1) * chunks // slices):
            part = _Part(chunk << chunk_bits, (chunk + 1) << chunk_bits, bounds[batch], bounds[batch + 1])
            _add_chunk(floats, part, terms, signs, block, sums[place])


@compiled_for("{real}[::1]", "Terms", "Signs", "float64[:, ::1]", "int64", "int64")
def sum_up_states(floats: NDArray[Any], terms: Terms, signs: Signs, sums: NDArray[Any], begin: int, end: int) -> None:
    """Add up expectation values in the states ``begin`` to ``end - 1``.

    Each state is a chunk of its own.

    Args:
        floats: the states' real and imaginary parts, one state after the other.
        terms: the Paulis.
        signs: how terms are told apart.
        sums: float64, shape (states, terms): what is added to.
        begin: the first state.
        end: the one after the last.
    """
    length = len(floats) // len(sums)
    size = length // 2
    block = np.empty(min(1 << BLOCK_BITS, size), floats.dtype)
    part = _Part(0, size, 0, len(terms.x_masks))
    for state in range(begin, end):
        _add_chunk(floats[state * length : (state + 1) * length], part, terms, signs, block, sums[state])


@inner_code
def _add_chunk(
    floats: NDArray[Any], part: _Part, terms: Terms, signs: Signs, block: NDArray[Any], sums: NDArray[Any]
) -> None:
    """Add the products of some amplitudes to some groups' sums.

    Amplitudes are multiplied by their partners. `block` is room for a block of amplitudes.
    """
    transform, size = signs.transform, len(block)
    low = size - 1
    some = False
    for group in range(part.begin, part.end):
        if 0 <= transform <= terms.starts[group + 1] - terms.starts[group]:
            _add_transformed(floats, part, group, terms, block, sums)
        else:
            some = True
    # X masks that pair the same blocks follow each other: two blocks stay in the first cache for all their terms.
    for base in range(part.first, part.last if some else part.first, size):
        for group in range(part.begin, part.end):
            x, begin_term, end_term = terms.x_masks[group], terms.starts[group], terms.starts[group + 1]
            weight = _weight(base, x & ~low)
            if weight == 0 or 0 <= transform <= end_term - begin_term:
                continue
            if transform < 0:
                _add_few(floats, base, size, group, terms, weight, sums)
                continue
            lanes = _lanes(floats, x)
            flip = 2 * ((x & low) - lanes)
            gap = _gap(floats, x, low)
            count = size if gap else 2 * size
            weight = 2.0 if gap else weight
            for term in range(begin_term, end_term):
                z, kind = terms.z_masks[term], int(terms.imaginary[term])
                value = weight * dot_row(
                    floats, 2 * base, 2 * (base ^ x & ~low), count, gap, flip, lanes, kind, signs.signs,
                    signs.lane_signs, z & low,
                )  # fmt: skip
                sums[term] += -value if is_odd(z & base) else value


@inner_code
def _weight(base: int, partner: int) -> float:
    """Return how often a block counts.

    Of two that are each other's partner one is enough, since its twin gives the same.
    """
    if partner == 0:
        return 1.0
    return 0.0 if base ^ partner < base else 2.0


@inner_code
def _gap(floats: NDArray[Any], x: int, low: int) -> int:
    """Return how many elements of a block lie between those that suffice.

    Where amplitudes of a block are each other's partners, one of two is enough; 0 if all are read.
    """
    if x & ~low:
        return 0
    highest = x
    for shift in (1, 2, 4, 8):
        highest |= highest >> shift
    gap = highest + 1
    return gap if gap * floats.itemsize >= MIN_BYTES else 0


@inner_code
def _lanes(floats: NDArray[Any], x: int) -> int:
    """Return the bits of an X mask that lie inside a vector."""
    return x & (3 if floats.itemsize == 8 else 7)


@inner_code
def _add_transformed(
    floats: NDArray[Any], part: _Part, group: int, terms: Terms, block: NDArray[Any], sums: NDArray[Any]
) -> None:
    """Add the transformed products of some amplitudes to a group's sums.

    The products are transformed block by block.
    """
    x, begin, end = terms.x_masks[group], terms.starts[group], terms.starts[group + 1]
    size = len(block)
    low = size - 1
    lanes = _lanes(floats, x)
    flip = 2 * ((x & low) - lanes)
    for kind in range(2):
        count = 0
        for term in range(begin, end):
            count += terms.imaginary[term] == (kind == 1)
        if count == 0:
            continue
        for base in range(part.first, part.last, size):
            weight = _weight(base, x & ~low)
            if weight == 0:
                continue
            product_row(floats, 2 * base, 2 * (base ^ x & ~low), 2 * size, flip, lanes, kind, block)
            _walsh(block)
            for term in range(begin, end):
                if terms.imaginary[term] == (kind == 1):
                    z = terms.z_masks[term]
                    value = weight * block[z & low]
                    sums[term] += -value if is_odd(z & base) else value


@inner_code
def _add_few(
    floats: NDArray[Any], base: int, size: int, group: int, terms: Terms, weight: float, sums: NDArray[Any]
) -> None:
    """Add the products of less than a vector to a group's sums."""
    x = terms.x_masks[group]
    for index in range(base, base + size):
        a, b = 2 * index, 2 * (index ^ x)
        real = np.float64(floats[a]) * floats[b] + np.float64(floats[a + 1]) * floats[b + 1]
        imag = np.float64(floats[a + 1]) * floats[b] - np.float64(floats[a]) * floats[b + 1]
        for term in range(terms.starts[group], terms.starts[group + 1]):
            value = weight * (imag if terms.imaginary[term] else real)
            sums[term] += -value if is_odd(terms.z_masks[term] & index) else value


@inner_code
def _walsh(values: NDArray[Any]) -> None:
    """Complete a Walsh-Hadamard transform in place.

    Each vector by itself is transformed already.
    """
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
