# SPDX-License-Identifier: Apache-2.0
"""The method matrix_product_state, from the user to the worker and back."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.quantum_info import SparsePauliOp, Statevector

from qfleet import EstimatorV2, FleetProvider, SamplerV2

METHOD = "matrix_product_state"


def ghz(num_qubits: int) -> QuantumCircuit:
    """Return a circuit that measures a GHZ state."""
    circuit = QuantumCircuit(num_qubits)
    circuit.h(0)
    for qubit in range(num_qubits - 1):
        circuit.cx(qubit, qubit + 1)
    circuit.measure_all()
    return circuit


def ring(num_qubits: int, layers: int) -> QuantumCircuit:
    """Return a circuit with gates between neighbours on a ring."""
    circuit = QuantumCircuit(num_qubits)
    for layer in range(layers):
        for qubit in range(num_qubits):
            circuit.ry(0.3 + 0.1 * qubit + layer, qubit)
            circuit.rzz(0.4 + 0.2 * layer, qubit, (qubit + 1) % num_qubits)
    return circuit


def test_wide_counts_memory_and_metadata(provider: FleetProvider) -> None:
    backend = provider.get_backend("automatic")
    result = backend.run(ghz(150), shots=500, memory=True, seed_simulator=1, method=METHOD).result()
    counts = result.get_counts()
    assert set(counts) == {"0" * 150, "1" * 150}
    assert min(counts.values()) > 150
    assert Counter(result.get_memory()) == counts
    metadata = result.results[0].metadata
    assert metadata["method"] == METHOD
    assert metadata["engine"] == "mps"
    assert metadata[METHOD] == {"truncation_error": 0.0, "largest_bond_dimension": 2}


def test_the_state_and_what_is_saved_of_it(provider: FleetProvider) -> None:
    aer = pytest.importorskip("qiskit_aer")
    assert aer
    circuit = ring(7, 3)
    exact = Statevector(circuit)
    operator = SparsePauliOp(["ZIXIIYZ", "IIIIIII", "XXIIIII"], [0.5, 1, 2])
    circuit.save_expectation_value(operator, range(7))
    circuit.save_probabilities([2, 5], "some")
    circuit.save_amplitudes([3, 77])
    circuit.save_density_matrix([6, 0])
    data = provider.get_backend("automatic").run(circuit, shots=1, method=METHOD).result().data(0)
    assert data["expectation_value"] == pytest.approx(exact.expectation_value(operator).real, abs=1e-12)
    assert data["some"] == pytest.approx(exact.probabilities([2, 5]), abs=1e-12)
    assert np.abs(data["amplitudes"] - exact.data[[3, 77]]).max() < 1e-12
    state = provider.get_backend("statevector_simulator").run(ring(7, 3), method=METHOD).result().get_statevector()
    assert np.abs(state.data - exact.data).max() < 1e-12


def test_primitives_say_what_was_cut_off(provider: FleetProvider) -> None:
    backend = provider.get_backend("automatic")
    circuit = ring(12, 3)
    observable = SparsePauliOp.from_sparse_list([("ZZ", [at, (at + 1) % 12], 1) for at in range(12)], 12)
    exact = Statevector(circuit).expectation_value(observable).real
    pub = EstimatorV2(mode=backend, options={"method": METHOD}).run([(circuit, observable)]).result()[0]
    assert float(pub.data.evs) == pytest.approx(exact, abs=1e-10)
    assert pub.metadata[METHOD]["truncation_error"] == pytest.approx(0, abs=1e-12)
    cut = backend.with_options(matrix_product_state_max_bond_dimension=6, method=METHOD)
    pub = EstimatorV2(mode=cut).run([(circuit, observable)]).result()[0]
    error = pub.metadata[METHOD]["truncation_error"]
    assert pub.metadata[METHOD]["largest_bond_dimension"] == 6
    assert 1e-6 < error < 0.1
    assert 1e-6 < abs(float(pub.data.evs) - exact) < 24 * math.sqrt(error)
    circuit.measure_all()
    sampled = SamplerV2(mode=cut, seed=1).run([circuit], shots=50).result()[0]
    assert sampled.data.meas.num_shots == 50
    assert sampled.metadata[METHOD]["largest_bond_dimension"] == 6


def test_feedback_and_reset(provider: FleetProvider) -> None:
    """A state is teleported along 30 qubits, with corrections by what was measured."""
    circuit = QuantumCircuit(31, 31)
    circuit.ry(0.8, 0)
    for qubit in range(0, 30, 2):
        circuit.h(qubit + 1)
        circuit.cx(qubit + 1, qubit + 2)
        circuit.cx(qubit, qubit + 1)
        circuit.h(qubit)
        circuit.measure(qubit, qubit)
        circuit.measure(qubit + 1, qubit + 1)
        with circuit.if_test((circuit.clbits[qubit + 1], 1)):
            circuit.x(qubit + 2)
        with circuit.if_test((circuit.clbits[qubit], 1)):
            circuit.z(qubit + 2)
        circuit.reset(qubit)
    circuit.ry(-0.8, 30)
    circuit.measure(30, 30)
    counts = provider.get_backend("automatic").run(circuit, shots=12, method=METHOD).result().get_counts()
    assert {key[0] for key in counts} == {"0"}
    assert len(counts) == 12


def test_seeds_and_blocks_of_shots(provider: FleetProvider) -> None:
    backend = provider.get_backend("automatic")
    circuit = ring(10, 2)
    circuit.measure_all()
    given = {"shots": 700, "seed_simulator": 5, "method": METHOD}
    whole = backend.run(circuit, **given).result().get_counts()
    assert backend.run(circuit, max_shot_size=99, **given).result().get_counts() == whole


def test_a_state_that_is_saved_can_be_set_in_another_circuit(provider: FleetProvider) -> None:
    pytest.importorskip("qiskit_aer")
    backend = provider.get_backend("automatic")
    circuit = ring(40, 1)
    circuit.swap(3, 30)
    circuit.save_matrix_product_state()
    circuit.save_state("again", pershot=True)
    circuit.save_expectation_value(SparsePauliOp.from_sparse_list([("ZXZ", [2, 3, 30], 1)], 40), range(40))
    data = backend.run(circuit, shots=2, method=METHOD).result().data(0)
    tensors, values = data["matrix_product_state"]
    assert len(tensors) == 40
    assert len(values) == 39
    assert [len(each) for each in data["again"]] == [2, 2]
    assert all(np.sum(each**2) == pytest.approx(1) for each in values)
    other = QuantumCircuit(40)
    other.set_matrix_product_state(data["matrix_product_state"])
    other.save_expectation_value(SparsePauliOp.from_sparse_list([("ZXZ", [2, 3, 30], 1)], 40), range(40))
    again = backend.run(other, method=METHOD).result().data(0)
    assert again["expectation_value"] == pytest.approx(data["expectation_value"], abs=1e-9)


@pytest.mark.parametrize("pershot", [False, True])
@pytest.mark.parametrize("conditional", [False, True])
def test_states_of_different_bonds_are_saved_together(
    provider: FleetProvider, pershot: bool, conditional: bool
) -> None:
    pytest.importorskip("qiskit_aer")
    circuit = QuantumCircuit(3, 1)
    circuit.h(0)
    circuit.measure(0, 0)
    with circuit.if_test((circuit.clbits[0], 1)):
        circuit.h(1)
        circuit.cx(1, 2)
    circuit.save_matrix_product_state(pershot=pershot, conditional=conditional)
    given = {"shots": 60, "seed_simulator": 4, "method": METHOD, "max_shot_size": 13}
    data = provider.get_backend("automatic").run(circuit, **given).result().data(0)["matrix_product_state"]
    found = [
        each for values in (data.values() if conditional else [data]) for each in (values if pershot else [values])
    ]
    assert len(found) == (60 if pershot else 1 + conditional)
    assert {len(values[1]) for _, values in found} <= {1, 2}
    if pershot or conditional:
        assert {len(values[1]) for _, values in found} == {1, 2}
