# SPDX-License-Identifier: Apache-2.0
"""Two-qubit matrices that get zeros have the product that they had."""

from __future__ import annotations

import drafts
import engine_oracle as oracle
import numpy as np
import pytest
from engine_oracle import op
from hypothesis import given, settings
from hypothesis import strategies as st

from qfleet.wire.program.operations import Op
from qfleet_worker.engines.statevector.compiler.draft import AT, KIND, SHAPE, SIZE
from qfleet_worker.engines.statevector.compiler.fusion import classify
from qfleet_worker.engines.statevector.compiler.schmidt import zero_first_columns
from qfleet_worker.engines.statevector.compiler.shapes import SCHMIDT

#: The first test compiles what it calls.
pytestmark = pytest.mark.timeout(600)


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 2**32), num_qubits=st.integers(2, 5))
def test_matrices_among_other_gates(seed: int, num_qubits: int) -> None:
    rng = np.random.default_rng(seed)
    operations = []
    for _ in range(int(rng.integers(2, 14))):
        pair, kind = rng.permutation(num_qubits)[:2].tolist(), rng.random()
        if kind < 0.75:
            operations.append(op(Op.UNITARY, pair, table=oracle.random_table(rng, Op.UNITARY, 2)))
        elif kind < 0.85:
            # Column 0 has one singular value, or two that are equal.
            angle = float(rng.choice([0.0, np.pi / 2, np.pi, 1e-9, 0.3]))
            operations.append(op(Op.XX_MINUS_YY, pair, [angle, 0.2]))
        else:
            operations.append(op(Op.X, pair[:1], controls=pair[1:]))
    program = oracle.program(num_qubits, 0, operations)
    fixed = rng.random(len(program.params)) < 0.5
    draft = drafts.fused(program, fixed, True)
    expected = drafts.draft_matrix(draft, program.params)
    zero_first_columns(draft)
    assert np.abs(drafts.draft_matrix(draft, program.params) - expected).max() < 1e-12


def test_all_but_the_last_matrices_get_zeros() -> None:
    rng = np.random.default_rng(1)
    pairs = [[0, 1], [2, 3], [1, 2], [3, 0], [0, 1], [2, 3]]
    program = oracle.program(
        4, 0, [op(Op.UNITARY, pair, table=oracle.random_table(rng, Op.UNITARY, 2)) for pair in pairs]
    )
    draft = drafts.fused(program, np.zeros(0, np.bool_), True)
    zero_first_columns(draft)
    classify(draft)
    gates = drafts.gates_of(draft)
    assert (gates[:, SHAPE] & SCHMIDT != 0).tolist() == [True, True, True, True, False, False]
    assert [np.count_nonzero(draft.pool[gate[AT] : gate[AT] + 16 : 4] == 0) for gate in gates[:4]] == [2] * 4
    assert gates[:, KIND].tolist() == [1] * 6
    assert gates[:, SIZE].tolist() == [2] * 6
