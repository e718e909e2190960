# SPDX-License-Identifier: Apache-2.0
"""What are the means of Paulis? In machine code.

As in `qfleet_worker.engines.numpy.paulis`, terms with the same X mask share a product. Where there are several,
it is transformed in blocks that stay in the first cache; where there are few, each is an inner product of vectors. The
state is gone through in pairs of chunks that stay in the second cache, for all terms that pair the same chunks.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from qfleet_worker.engines.gates.matrices import ComplexArray
from qfleet_worker.engines.states.paulis import PauliGroups, group_paulis
from qfleet_worker.engines.statevector.kernels.dots import MIN_ELEMENTS, sign_tables
from qfleet_worker.engines.statevector.kernels.pauli_sums import sum_up, sum_up_points
from qfleet_worker.engines.statevector.runtime.threads import Crew

#: Amplitudes of a chunk, as a power of 2.
CHUNK_BITS = 14
#: X masks that are worked on together, for threads to have something to share.
GROUPS = 32
#: Slices of the chunks, each of which is added up on its own, at most.
SLICES = 64
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
    return complex(np.dot(means(amplitudes, group_paulis(x_masks, z_masks), crew), coefficients))


def means(amplitudes: ComplexArray, paulis: PauliGroups, crew: Crew) -> NDArray[np.float64]:
    """The mean of each Pauli in a state of shape (2**n,); shape (terms,), in the order before they were grouped.

    Work is shared by a `crew`, however large it is with one result.
    """
    num_bits = len(amplitudes).bit_length() - 1
    chunk_bits = min(CHUNK_BITS, num_bits)
    chunks = 1 << (num_bits - chunk_bits)
    slices = min(chunks, SLICES)
    high = paulis.x_masks >> chunk_bits
    changes = np.flatnonzero(high[1:] != high[:-1]) + 1
    batches = np.unique(np.concatenate([changes, np.arange(0, len(high), GROUPS)]))
    bounds = np.append(batches, len(high)).astype(np.int64)
    sums = np.zeros((slices, len(paulis.order)))
    floats = amplitudes.view(amplitudes.real.dtype)
    transform = _transform_from(floats)
    signs, lane_signs = sign_tables(floats.dtype)
    crew.share(
        len(batches) * slices,
        lambda begin, end: sum_up(
            floats, num_bits, chunk_bits, paulis.x_masks, paulis.starts, paulis.z_masks, paulis.imaginary, bounds,
            transform, signs, lane_signs, sums, begin, end,
        ),
    )  # fmt: skip
    return _in_order(sums.sum(axis=0), paulis)


def means_at_points(states: ComplexArray, paulis: PauliGroups, crew: Crew) -> NDArray[np.float64]:
    """The same in each of many small states, shape (points, 2**n), contiguous; shape (points, terms)."""
    num_bits = states.shape[1].bit_length() - 1
    sums = np.zeros((len(states), len(paulis.order)))
    floats = states.reshape(-1).view(states.real.dtype)
    transform = _transform_from(floats[: 2 << num_bits])
    signs, lane_signs = sign_tables(floats.dtype)
    crew.share(
        len(states),
        lambda begin, end: sum_up_points(
            floats, num_bits, paulis.x_masks, paulis.starts, paulis.z_masks, paulis.imaginary, transform, signs,
            lane_signs, sums, begin, end,
        ),
    )  # fmt: skip
    return _in_order(sums, paulis)


def _transform_from(floats: NDArray[Any]) -> int:
    """Terms with one X mask from which on they are transformed; -1 where vectors are too long for the state."""
    # Vectors are worked on several at a time.
    return TRANSFORM if len(floats) >= MIN_ELEMENTS[floats.itemsize] else -1


def _in_order(sums: NDArray[np.float64], paulis: PauliGroups) -> NDArray[np.float64]:
    found = np.empty_like(sums)
    found[..., paulis.order] = sums * paulis.signs
    return found
