# SPDX-License-Identifier: Apache-2.0
"""Expectation values of Paulis.

The state is read in pairs of chunks that stay in the second cache, for all terms that pair the same chunks.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from qfleet.wire.program.matrices import ComplexArray
from qfleet_worker.engines.states.paulis import PauliGroups, group_paulis
from qfleet_worker.engines.statevector.kernels.dots import MIN_ELEMENTS, sign_tables
from qfleet_worker.engines.statevector.kernels.pauli_sums import CHUNK_BITS, Signs, Terms, sum_up, sum_up_states
from qfleet_worker.engines.threads import ThreadTeam

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
    team: ThreadTeam,
) -> complex:
    """Return the expectation value of a sum of Paulis.

    Args:
        amplitudes: shape (2**n,).
        x_masks: shape (terms,); bit i is bit i of an index.
        z_masks: the same; term t is ``i**popcount(x & z) * X**x * Z**z``.
        coefficients: shape (terms,).
        team: threads that share the work; the result is the same with any number of them.
    """
    return complex(np.dot(expectation_values(amplitudes, group_paulis(x_masks, z_masks), team), coefficients))


def expectation_values(amplitudes: ComplexArray, paulis: PauliGroups, team: ThreadTeam) -> NDArray[np.float64]:
    """Return the expectation value of each Pauli, shape (terms,).

    The values are in the order that the Paulis had before they were grouped.

    Args:
        amplitudes: shape (2**n,).
        paulis: the Paulis.
        team: threads that share the work; the result is the same with any number of them.
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
    terms, signs = _terms(paulis), _signs(floats)
    team.share(len(batches) * slices, lambda begin, end: sum_up(floats, terms, bounds, signs, sums, begin, end))
    return _in_order(sums.sum(axis=0), paulis)


def expectation_values_of_states(states: ComplexArray, paulis: PauliGroups, team: ThreadTeam) -> NDArray[np.float64]:
    """Return the expectation value of each Pauli in each small state.

    Args:
        states: shape (states, 2**n), contiguous.
        paulis: the Paulis.
        team: threads that share the work.

    Returns:
        Shape (states, terms).
    """
    sums = np.zeros((len(states), len(paulis.order)))
    floats = states.reshape(-1).view(states.real.dtype)
    terms, signs = _terms(paulis), _signs(floats[: 2 * states.shape[1]])
    team.share(len(states), lambda begin, end: sum_up_states(floats, terms, signs, sums, begin, end))
    return _in_order(sums, paulis)


def _terms(paulis: PauliGroups) -> Terms:
    """Return the Paulis as machine code takes them."""
    return Terms(paulis.x_masks, paulis.starts, paulis.z_masks, paulis.imaginary)


def _signs(floats: NDArray[Any]) -> Signs:
    """Return how terms are told apart in a state of this size."""
    # Vectors are worked on several at a time.
    transform = TRANSFORM if len(floats) >= MIN_ELEMENTS[floats.itemsize] else -1
    return Signs(transform, *sign_tables(floats.dtype))


def _in_order(sums: NDArray[np.float64], paulis: PauliGroups) -> NDArray[np.float64]:
    """Return sums as expectation values, in the Paulis' former order.

    It is the order before they were grouped.
    """
    values = np.empty_like(sums)
    values[..., paulis.order] = sums * paulis.signs
    return values
