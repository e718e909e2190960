# SPDX-License-Identifier: Apache-2.0
"""Matrices of a gate's own become rows, or are refused by what is wrong with them."""

import numpy as np
import pytest
from numpy.typing import NDArray
from qiskit import QuantumCircuit
from qiskit.circuit import Gate
from qiskit.circuit import library as lib
from refusals import refused

from qfleet.lowering.lower import lower
from qfleet.wire.program.operations import Op


class Own(Gate):
    """A gate without a definition."""

    def __init__(self, matrix: NDArray[np.complex128], num_qubits: int) -> None:
        super().__init__("own", num_qubits, [])
        self.matrix = matrix

    def to_matrix(self) -> NDArray[np.complex128]:
        return self.matrix


def only(gate: Gate) -> QuantumCircuit:
    circuit = QuantumCircuit(gate.num_qubits)
    circuit.append(gate, range(gate.num_qubits))
    return circuit


@pytest.mark.parametrize("gate", [Own(np.array([[1j]]), 0), lib.UnitaryGate([[1j]])], ids=["own", "unitary"])
def test_a_matrix_on_no_qubits_is_a_phase(gate: Gate) -> None:
    (row,) = lower(only(gate))
    assert (row.code, row.targets, row.params) == (Op.GLOBAL_PHASE, (), (np.pi / 2,))


def test_a_matrix_of_a_gates_own_that_is_not_unitary() -> None:
    assert "'own' at position 0 (qubit 0), which qfleet doesn't run: its matrix isn't unitary" in refused(
        only(Own(np.diag([1, 2]), 1))
    )


def test_a_unitary_gate_whose_matrix_was_changed_to_another_size() -> None:
    gate = lib.UnitaryGate(np.eye(2))
    gate.params[0] = np.eye(4, dtype=complex)
    assert "'unitary' at position 0 (qubit 0), which qfleet doesn't run: its matrix has the shape (4, 4)" in refused(
        only(gate)
    )


def test_no_memory_for_a_matrix_is_no_refusal() -> None:
    class Large(Gate):
        def to_matrix(self) -> NDArray[np.complex128]:
            raise MemoryError

    with pytest.raises(MemoryError):
        lower(only(Large("large", 1, [])))


def test_an_initial_state_on_no_qubits_is_a_phase() -> None:
    (row,) = lower(QuantumCircuit(), initial_state=np.array([1j]))
    assert (row.code, row.targets, row.params) == (Op.GLOBAL_PHASE, (), (np.pi / 2,))
