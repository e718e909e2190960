# SPDX-License-Identifier: Apache-2.0
"""A comparison of two engines' outcomes of one experiment."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from qfleet.wire.program.saves import Saved
from qfleet_worker.engines.contract import Outcome


def assert_same(outcomes: Sequence[Outcome]) -> None:
    """Assert that outcomes of one experiment are the same, up to rounding.

    The experiment has double precision.
    """
    first, *others = outcomes
    for other in others:
        assert other.outcomes.tobytes() == first.outcomes.tobytes()
        assert other.counts.tolist() == first.counts.tolist()
        assert (other.memory is None) == (first.memory is None)
        if first.memory is not None:
            assert other.memory.tolist() == first.memory.tolist()
        assert (other.amplitudes is None) == (first.amplitudes is None)
        if first.amplitudes is not None:
            assert np.abs(other.amplitudes - first.amplitudes).max() < 1e-10
        assert_same_saves(first.saved, other.saved)


def assert_same_saves(first: Sequence[Saved], other: Sequence[Saved]) -> None:
    """Assert that what was saved is the same, up to rounding."""
    for one, two in zip(first, other, strict=True):
        assert (one.label, one.kind, one.subtype) == (two.label, two.kind, two.subtype)
        (keys, values), (other_keys, other_values) = _in_order(one), _in_order(two)
        assert keys == other_keys
        assert np.allclose(values, other_values, rtol=1e-9, atol=1e-9, equal_nan=True)


def _in_order(saved: Saved) -> tuple[list[tuple[bytes, int]], NDArray[np.float64]]:
    """Return a save's entries in an order that engines share.

    An engine decides which states it keeps apart and in which order. A list's entries follow its shots, others their
    clbits.

    Returns:
        The clbits and the weight of each entry, and the values.
    """
    size = len(saved.values) // 8 // max(saved.entries, 1)
    values = np.frombuffer(saved.values, np.float64).reshape(saved.entries, size)
    width = len(saved.clbits) // max(saved.entries, 1)
    weights = np.frombuffer(saved.weights, np.int64).tolist() or [1] * saved.entries
    keys = [(saved.clbits[width * at : width * (at + 1)], weights[at]) for at in range(saved.entries)]
    order = np.frombuffer(saved.places, np.uint32).tolist() or sorted(range(saved.entries), key=keys.__getitem__)
    return [keys[at] for at in order], values[order]
