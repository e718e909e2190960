# SPDX-License-Identifier: Apache-2.0
"""Answers of a state that is held as an array."""

from __future__ import annotations

import numpy as np
import pytest

from qfleet.wire.program.matrices import ComplexArray
from qfleet_worker.engines.numpy.paulis import expectation_values
from qfleet_worker.engines.states.dense import DenseAnswers
from qfleet_worker.engines.states.paulis import KEPT_TERMS, PauliGroups


@pytest.mark.parametrize(("terms", "grouped"), [(KEPT_TERMS, 1), (KEPT_TERMS + 1, 3)])
def test_observables_are_grouped_once_for_all_parameter_sets(terms: int, grouped: int) -> None:
    """Groups of many terms aren't kept, and each set of terms has its own state."""
    seen: list[PauliGroups] = []

    def of_paulis(state: ComplexArray, paulis: PauliGroups) -> np.ndarray:
        seen.append(paulis)
        return expectation_values(state, paulis)

    x = np.zeros(terms, np.uint64)
    z = np.arange(terms, dtype=np.uint64) & np.uint64(1)
    for angle in (0.1, 0.2, 0.3):
        state = np.array([np.cos(angle), np.sin(angle)], np.complex128)
        found = DenseAnswers(state, [0], {}, of_paulis).expectation_values([0], x.copy(), z.copy())
        assert found == pytest.approx(np.where(z, np.cos(2 * angle), 1))
    assert len({id(paulis) for paulis in seen}) == grouped
