# SPDX-License-Identifier: Apache-2.0
"""Every operation does what Qiskit's gate of that name does, controlled or not, wherever it acts."""

from __future__ import annotations

import engine_oracle as oracle
import numpy as np
import pytest
from engine_oracle import UNITARY_OPS, sample_gate

from qfleet.wire.program import matrices as gates
from qfleet.wire.program.operations import Op


@pytest.mark.parametrize("code", UNITARY_OPS, ids=lambda code: code.name)
def test_table_is_qiskits_matrix(code: Op) -> None:
    operation = sample_gate(code, list(range(oracle.width(code))))
    table = gates.table(operation)
    full = np.diag(table) if table.ndim == 1 else table
    assert full == pytest.approx(oracle.matrix(operation), abs=1e-14)


@pytest.mark.parametrize("code", [code for code in UNITARY_OPS if oracle.width(code) == 1], ids=lambda code: code.name)
def test_plain_numbers_are_the_table(code: Op) -> None:
    operation = sample_gate(code, [0])
    assert np.reshape(gates.one_qubit(operation), (2, 2)) == pytest.approx(oracle.matrix(operation), abs=1e-14)


@pytest.mark.parametrize("table", [[1, 1j], [1, 0, 0, 1j]])
def test_tables_on_one_qubit(table: list[complex]) -> None:
    operation = oracle.op(Op.DIAGONAL if len(table) == 2 else Op.UNITARY, [0], table=table)
    assert gates.one_qubit(operation) == (1, 0, 0, 1j)
