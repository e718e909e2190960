# SPDX-License-Identifier: Apache-2.0
"""Engines save the values that Aer saves, where it is installed."""

from __future__ import annotations

import pytest
from engines import SAVING_ENGINES
from in_process import run_in_process
from qiskit import QuantumCircuit
from saved_values import (
    OPERATOR,
    STATES,
    assert_same,
    prefix,
)

from qfleet_worker.engines.contract import Simulator


@pytest.fixture(params=SAVING_ENGINES)
def engine(request: pytest.FixtureRequest) -> Simulator:
    return SAVING_ENGINES[request.param]()


@pytest.mark.parametrize("conditional", [False, True])
@pytest.mark.parametrize("pershot", [False, True])
def test_whole_data_as_aer_gives_them(engine: Simulator, pershot: bool, conditional: bool) -> None:
    aer = pytest.importorskip("qiskit_aer")
    how = {"pershot": pershot, "conditional": conditional}
    circuit = prefix()
    circuit.save_state(**how)
    circuit.save_statevector("sv", **how)
    circuit.save_statevector_dict("ket", **how)
    circuit.save_amplitudes(STATES, **how)
    circuit.save_amplitudes_squared(STATES, **how)
    circuit.save_probabilities([2, 0], **how)
    circuit.save_probabilities_dict([1], "dict", **how)
    circuit.save_expectation_value(OPERATOR, [1, 2, 0], **how)
    circuit.save_expectation_value(OPERATOR, [0, 2, 1], "accum", unnormalized=True, **how)
    circuit.save_expectation_value_variance(OPERATOR, [2, 0, 1], **how)
    circuit.save_density_matrix([2, 0], **how)
    circuit.measure(1, 0)
    simulator = aer.AerSimulator(method="statevector")
    # One shot: Aer's random numbers are others, so that runs are compared that found the same.
    seen = set()
    for seed in range(30):
        ours = run_in_process(circuit, engine, shots=1, seed_simulator=seed).data(0)
        theirs = next(
            data
            for other in range(200)
            if (data := simulator.run(circuit, shots=1, seed_simulator=other).result().data(0))["counts"]
            == ours["counts"]
        )
        assert_same(ours, theirs)
        seen.update(ours["counts"])
        if len(seen) > 2:
            return
    pytest.fail(f"only {seen} were found")


def test_a_unitary_as_aer_gives_it(engine: Simulator) -> None:
    aer = pytest.importorskip("qiskit_aer")
    circuit = QuantumCircuit(3)
    circuit.h(0)
    circuit.cx(0, 2)
    circuit.save_unitary()
    circuit.x(1)
    circuit.save_unitary("later", pershot=True)
    assert_same(run_in_process(circuit, engine).data(0), aer.AerSimulator().run(circuit).result().data(0))
