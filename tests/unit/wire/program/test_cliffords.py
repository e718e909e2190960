# SPDX-License-Identifier: Apache-2.0
"""A Clifford gate is found by its matrix, with what it makes of each Pauli."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import engine_oracle as oracle
import numpy as np
import pytest
from engine_oracle import UNITARY_OPS, op
from numpy.typing import NDArray
from qiskit.quantum_info import Operator, Pauli, SparsePauliOp, Statevector, random_clifford

from qfleet.wire.program.cliffords import Clifford, clifford_of
from qfleet.wire.program.operations import ANGLES, HAS_TABLE, Op
from qfleet.wire.program.program import Operation

#: Angles on the grid of Clifford gates, on finer ones, and on none.
ANGLES_TRIED = (0.0, math.pi / 2, math.pi, -math.pi / 2, 2 * math.pi, 4 * math.pi, math.pi / 4, 0.3)


def pauli(x: int, z: int, qubits: int) -> NDArray[np.complex128]:
    return Pauli(([z >> k & 1 == 1 for k in range(qubits)], [x >> k & 1 == 1 for k in range(qubits)])).to_matrix()


def images_by_matrices(operation: Operation, qubits: int) -> list[tuple[int, int, int]] | None:
    """Look for the image of each generator among the Paulis that Qiskit finds in it."""
    matrix = oracle.full_matrix(operation, qubits)
    found = []
    for qubit in range(qubits):
        for x, z in ((1 << qubit, 0), (0, 1 << qubit)):
            image = SparsePauliOp.from_operator(Operator(matrix @ pauli(x, z, qubits) @ matrix.conj().T), atol=1e-9)
            if len(image) > 1:
                return None
            (only,), (coefficient,) = image.paulis, image.coeffs
            assert coefficient == pytest.approx(round(coefficient.real))
            masks = [sum(int(bit) << k for k, bit in enumerate(bits)) for bits in (only.x, only.z)]
            found.append((*masks, int(coefficient.real < 0)))
    return found


def check(operation: Operation) -> Clifford | None:
    qubits = len(operation.controls) + len(operation.targets)
    found = clifford_of(operation)
    assert (None if found is None else list(found.images)) == images_by_matrices(operation, qubits), operation
    return found


def operations(code: Op, params: Sequence[float]) -> list[Operation]:
    """Return an operation without controls, and with up to two, open and closed."""
    width = oracle.width(code) if code is not Op.GLOBAL_PHASE else 0
    found = []
    for controls in ([], [0], [~0], [0, ~1], [0, 1]):
        targets = range(len(controls), len(controls) + width)
        found.append(op(code, targets, params, controls))
    return found


@pytest.mark.parametrize("code", [code for code in UNITARY_OPS if not HAS_TABLE[code]], ids=lambda code: code.name)
def test_gates_with_few_controls_count_by_their_matrices(code: Op) -> None:
    choices = itertools.product(ANGLES_TRIED, repeat=int(ANGLES[code]))
    rng = np.random.default_rng(code)
    every = list(choices)
    some = every if len(every) < 70 else [every[k] for k in rng.choice(len(every), 60, replace=False)]
    for params in some:
        for operation in operations(code, params):
            if len(operation.controls) + len(operation.targets) <= 5:
                check(operation)


def test_gates_at_other_angles_count_where_they_cancel() -> None:
    for params in ((0.0, 0.3, -0.3), (0.0, 0.3, math.pi / 2 - 0.3), (math.pi, 0.3, 0.3 + math.pi), (math.pi, 0.3, 0.3)):
        assert check(op(Op.U, [0], params)) is not None
    assert check(op(Op.U, [0], (0.0, 0.3, -0.2))) is None
    assert check(op(Op.R, [0], (math.pi, math.pi / 4))) is not None
    assert check(op(Op.R, [0], (0.0, 1.0))) is not None
    assert check(op(Op.RZ, [0], (math.pi / 2 + 1e-12,))) is not None
    assert clifford_of(op(Op.RZ, [0], (math.pi / 2 + 1e-6,))) is None


@pytest.mark.parametrize("qubits", [1, 2, 3, 4, 5])
def test_unitaries_of_clifford_gates_count_whatever_their_phase(qubits: int) -> None:
    rng = np.random.default_rng(qubits)
    for seed in range(4):
        table = random_clifford(qubits, seed=seed).to_matrix() * np.exp(1j * rng.uniform(0, 6))
        assert check(op(Op.UNITARY, range(qubits), table=table)) is not None
        table = table @ np.kron(np.eye(1 << (qubits - 1)), np.diag([1, np.exp(1e-3j)]))
        assert check(op(Op.UNITARY, range(qubits), table=table)) is None


def test_diagonals_count() -> None:
    assert check(op(Op.DIAGONAL, [0, 1], table=[1, 1j, 1j, 1])) is not None
    assert check(op(Op.DIAGONAL, [0, 1], table=[1, 1j, 1j, 1j])) is None
    assert check(op(Op.DIAGONAL, [1], controls=[0], table=[-1, 1])) is not None


def test_many_qubits_are_not_looked_at() -> None:
    assert clifford_of(op(Op.DIAGONAL, range(7), table=[1] * 128)) is None
    assert clifford_of(op(Op.P, [6], [0.0], controls=range(6))) is None


@pytest.mark.parametrize("qubits", [1, 2, 3, 4, 5, 6])
def test_initializations_to_stabilizer_states_count(qubits: int) -> None:
    rng = np.random.default_rng(qubits)
    for seed in range(5):
        state = Statevector(random_clifford(qubits, seed=seed).to_matrix()[:, 0] * np.exp(1j * rng.uniform(0, 6)))
        found = clifford_of(op(Op.INITIALIZE, range(qubits), table=state.data))
        assert found is not None
        for x, z, sign in found.images[1::2]:
            assert state.expectation_value(Operator(pauli(x, z, qubits))) == pytest.approx(1 - 2 * sign)
        # Images keep what commutes, and what doesn't.
        for a, b in itertools.combinations(range(2 * qubits), 2):
            one, other = found.images[a], found.images[b]
            odd = (one.x & other.z).bit_count() + (one.z & other.x).bit_count() & 1
            assert odd == (b == a + 1 and a % 2 == 0)


def test_initializations_to_other_states_do_not_count() -> None:
    assert clifford_of(op(Op.INITIALIZE, [0], table=[0.6, 0.8])) is None
    assert clifford_of(op(Op.INITIALIZE, [0, 1], table=[3**-0.5, 3**-0.5, 3**-0.5, 0])) is None
    assert clifford_of(op(Op.INITIALIZE, [0, 1], table=[0.5, 0.5, 0.5, 0.5 * np.exp(0.1j)])) is None
