# SPDX-License-Identifier: Apache-2.0
"""A program goes through the listed passes. A pass with nothing to do returns the program itself."""

from __future__ import annotations

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.quantum_info import SparseObservable

from qfleet.lowering.lower import lower
from qfleet.lowering.passes.pipeline import PASSES, Wanted, run_passes
from qfleet.wire.program.operations import Op
from qfleet.wire.program.saves import SaveKind


def bell(num_qubits: int = 2) -> QuantumCircuit:
    circuit = QuantumCircuit(num_qubits)
    circuit.h(0)
    circuit.cx(0, 1)
    return circuit


@pytest.mark.parametrize("output", ["counts", "statevector", "unitary", "bits"])
def test_a_pass_with_nothing_to_do_returns_the_program_itself(output) -> None:
    program = lower(bell())
    for run in PASSES:
        assert run(program, Wanted(output)) is program
    assert run_passes(program, Wanted(output)) is program


@pytest.mark.parametrize(("output", "num_qubits"), [("counts", 2), ("bits", 2), ("statevector", 5), ("unitary", 5)])
def test_idle_qubits_stay_where_amplitudes_are_the_output(output, num_qubits) -> None:
    assert lower(bell(5), output).num_qubits == num_qubits


@pytest.mark.parametrize("measured", [False, True])
def test_expectation_values_are_saved_before_idle_qubits_go(measured) -> None:
    circuit = bell(5)
    if measured:
        circuit.reset(0)
    program = lower(circuit, "means", observables=[SparseObservable("IIIZZ"), SparseObservable("ZIIIX")])
    assert program.num_qubits == 2
    assert program.codes[-1] == Op.SAVE
    kind = SaveKind.EXPECTATION_VALUES_AND_SQUARES if measured else SaveKind.EXPECTATION_VALUES
    assert [save.kind for save in program.saves] == [kind]
    np.testing.assert_array_equal(program.saves[0].sums(), [0, 1, 2])
