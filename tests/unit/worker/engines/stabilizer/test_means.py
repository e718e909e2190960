# SPDX-License-Identifier: Apache-2.0
"""Expectation values of Clifford circuits, over all outcomes and over shots."""

from __future__ import annotations

import numpy as np
import pytest
from clifford_circuits import random_circuit
from qiskit import QuantumCircuit
from qiskit.quantum_info import SparseObservable

from qfleet.lowering.lower import lower
from qfleet.lowering.passes.exact_means import without_squares
from qfleet.wire.messages.request import Method, Output, Request
from qfleet.wire.program.program import Program
from qfleet_worker.engines.contract import Experiment, Simulator
from qfleet_worker.engines.numpy.simulator import NumpySimulator
from qfleet_worker.engines.stabilizer.simulator import StabilizerSimulator


def saved(simulator: Simulator, method: Method, program: Program, shots: int = 1) -> np.ndarray:
    """Return the numbers that a program saves, as means over its shots."""
    outcome = simulator.run(Experiment(program, shots, 1, 0, Request(Output.EXPECTATION_VALUES, method), 1))
    return np.frombuffer(outcome.saved[-1].values, "<f8") / shots


@pytest.mark.parametrize("seed", range(20))
def test_exact_means_are_those_of_statevectors(seed: int) -> None:
    rng = np.random.default_rng(seed)
    size = int(rng.integers(2, 6))
    circuit = random_circuit(rng, size, 2, 12)
    observables = [SparseObservable("".join(rng.choice(list("IXYZ"), size))) for _ in range(8)]
    program = without_squares(lower(circuit, Output.EXPECTATION_VALUES, observables=observables))
    ours = saved(StabilizerSimulator(), "stabilizer", program)
    assert ours == pytest.approx(saved(NumpySimulator(), "statevector", program), abs=1e-9)


def test_wide_observables_after_feedback() -> None:
    size = 130
    circuit = QuantumCircuit(size, 1)
    circuit.h(0)
    circuit.cx(range(size - 1), range(1, size))
    circuit.measure(3, 0)
    with circuit.if_test((circuit.clbits[0], 1)):
        circuit.x(range(size))
    circuit.h(0)
    observables = [
        SparseObservable("Z" * size),
        SparseObservable("Z" * (size - 1) + "X"),
        SparseObservable.from_sparse_list([("ZZ", [1, size - 1], 2.0), ("X", [0], 3.0)], size),
    ]
    program = lower(circuit, Output.EXPECTATION_VALUES, observables=observables)
    means, squares = saved(StabilizerSimulator(), "stabilizer", program, 100).reshape(2, -1).tolist()
    assert (means, squares) == ([0, 1, 5], [0, 1, 25])
    exact = saved(StabilizerSimulator(), "stabilizer", without_squares(program))
    assert exact.tolist() == pytest.approx([0, 1, 5])


@pytest.mark.parametrize("again", [0, 1])
def test_a_loop_ends_whichever_outcome_repeats_it(again: int) -> None:
    circuit = QuantumCircuit(2, 1)
    circuit.h(0)
    circuit.measure(0, 0)
    with circuit.while_loop((circuit.clbits[0], again)):
        circuit.h(0)
        circuit.cx(0, 1)
        circuit.measure(0, 0)
    observables = [SparseObservable("IZ"), SparseObservable("ZI")]
    program = without_squares(lower(circuit, Output.EXPECTATION_VALUES, observables=observables))
    means = saved(StabilizerSimulator(), "stabilizer", program)
    assert means[0] == pytest.approx(2 * again - 1)
    assert means == pytest.approx(saved(NumpySimulator(), "statevector", program), abs=1e-9)
