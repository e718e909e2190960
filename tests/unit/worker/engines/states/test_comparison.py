# SPDX-License-Identifier: Apache-2.0
"""States are compared up to a phase, whichever of their wires have a bit of the index."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from qfleet_worker.engines.states.comparison import ComparableState


def basis_state(order: tuple[int, ...], values: Mapping[int, int] | None = None, at: int = 0) -> ComparableState:
    """Return all wires in |0>, but for those that have a value, and those that `at` says."""
    amplitudes = np.zeros(1 << len(order), np.complex128)
    amplitudes[at] = 1j
    return ComparableState(amplitudes, order, values or {})


def test_a_wire_may_have_a_value_or_a_bit() -> None:
    assert basis_state((2, 0), at=0b10).equals(basis_state((), {2: 1, 1: 0}))
    assert not basis_state((2, 0), at=0b10).equals(basis_state((), {0: 1}))
    assert not basis_state((2, 0)).equals(basis_state((2, 0), {1: 1}))


def test_states_that_are_equal_only_over_too_many_wires_are_not_compared() -> None:
    few, others, many = tuple(range(9)), tuple(range(9, 18)), tuple(range(9, 19))
    assert basis_state(few).equals(basis_state(others))
    assert not basis_state(few).equals(basis_state(many))
