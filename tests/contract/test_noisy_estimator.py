# SPDX-License-Identifier: Apache-2.0
"""The estimator with noise: exact values, and honest standard errors."""

from __future__ import annotations

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter
from qiskit.quantum_info import Kraus, SparsePauliOp

from qfleet import EstimatorV2, FleetProvider
from qfleet.errors import UnsupportedCircuitError
from qfleet.noise import Channel, NoiseModel

MODEL = (
    NoiseModel()
    .add(Channel.depolarizing(0.03, 2), "cx")
    .add(Channel.amplitude_damping(0.05), "ry")
    .add(Channel.reset(0.02), "rx")
)
OBSERVABLES = [SparsePauliOp(label) for label in ("ZZI", "XIX", "IYZ", "IIZ")]


def ansatz(num_qubits: int = 3) -> QuantumCircuit:
    circuit = QuantumCircuit(num_qubits)
    for layer in range(3):
        for qubit in range(num_qubits):
            circuit.ry(Parameter(f"{layer} {qubit} a"), qubit)
            circuit.rx(0.4 + qubit, qubit)
        for qubit in range(num_qubits - 1):
            circuit.cx(qubit, qubit + 1)
    return circuit


def angles(sets: int, circuit: QuantumCircuit) -> np.ndarray:
    return np.random.default_rng(5).uniform(-3, 3, (sets, circuit.num_parameters))


def test_expectation_values_are_exact_at_precision_0(provider: FleetProvider) -> None:
    aer = pytest.importorskip("qiskit_aer", reason="pip install -e '.[dev]' installs it")
    noise = pytest.importorskip("qiskit_aer.noise")
    model = noise.NoiseModel()
    model.add_all_qubit_quantum_error(noise.depolarizing_error(0.03, 2), ["cx"])
    model.add_all_qubit_quantum_error(noise.amplitude_damping_error(0.05), ["ry"])
    model.add_all_qubit_quantum_error(noise.reset_error(0.02), ["rx"])
    circuit = ansatz()
    points = angles(3, circuit)
    estimator = EstimatorV2(provider.get_backend("automatic", noise_model=MODEL))
    found = estimator.run([(circuit, [[each] for each in OBSERVABLES], points)]).result()[0]
    assert (found.data.stds == 0).all()
    simulator = aer.AerSimulator(method="density_matrix", noise_model=model)
    for at, row in enumerate(points):
        bound = circuit.assign_parameters(row)
        for label, observable in enumerate(OBSERVABLES):
            bound.save_expectation_value(observable, [0, 1, 2], label=str(label))
        data = simulator.run(bound).result().data()
        expected = [data[str(label)] for label in range(len(OBSERVABLES))]
        assert found.data.evs[:, at] == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("method", ["statevector", "density_matrix"])
def test_each_standard_error_is_that_of_its_value(provider: FleetProvider, method: str) -> None:
    """The errors of 200 values in units of the stated ones are normal: their squares add up to about 200."""
    circuit = ansatz()
    pubs = [(circuit, [[each] for each in OBSERVABLES], angles(50, circuit))]
    backend = provider.get_backend("automatic", noise_model=MODEL)
    exact = EstimatorV2(backend).run(pubs).result()[0].data
    found = EstimatorV2(backend, method=method, seed=11).run(pubs, precision=0.05).result()[0].data
    assert (found.stds > 0).all()
    squares = ((found.evs - exact.evs) / found.stds) ** 2
    assert squares.size == 200
    assert abs(squares.sum() - 200) < 5 * np.sqrt(2 * 200)


def test_too_many_qubits_for_exact_values_are_refused_with_a_remedy(provider: FleetProvider) -> None:
    circuit = ansatz(16)
    bound = circuit.assign_parameters(angles(1, circuit)[0])
    estimator = EstimatorV2(provider.get_backend("automatic", noise_model=MODEL))
    with pytest.raises(UnsupportedCircuitError, match=r"noise on 16 qubits.*give a precision above 0"):
        estimator.run([(bound, SparsePauliOp("Z" * 16))])
    with pytest.raises(UnsupportedCircuitError, match="method='statevector' gives no exact expectation values"):
        EstimatorV2(provider.get_backend("automatic", noise_model=MODEL), method="statevector").run(
            [(ansatz().assign_parameters(angles(1, ansatz())[0]), OBSERVABLES[0])]
        )


def test_measurements_in_the_middle_are_exact_at_precision_0(provider: FleetProvider) -> None:
    circuit = QuantumCircuit(2, 1)
    circuit.ry(0.8, 0)
    circuit.measure(0, 0)
    with circuit.if_test((circuit.clbits[0], 1)):
        circuit.x(1)
    circuit.reset(0)
    circuit.h(0)
    pub = EstimatorV2(provider).run([(circuit, [SparsePauliOp("ZI"), SparsePauliOp("IX")])]).result()[0]
    assert pub.data.evs == pytest.approx([np.cos(0.8), 1], abs=1e-12)
    assert (pub.data.stds == 0).all()


def test_noise_on_four_qubits_together_is_refused_at_precision_0_alone(provider: FleetProvider) -> None:
    circuit = QuantumCircuit(4)
    circuit.h(0)
    circuit.append(Kraus(list(Channel.pauli({"IIII": 0.75, "XIIX": 0.25}).to_kraus())).to_instruction(), range(4))
    estimator = EstimatorV2(provider.get_backend("automatic"))
    with pytest.raises(UnsupportedCircuitError, match=r"noise on 4 qubits together, and .*give a precision above 0"):
        estimator.run([(circuit, SparsePauliOp("ZIII"))])
    result = estimator.run([(circuit, SparsePauliOp("ZIII"))], precision=0.05).result()[0]
    assert abs(result.data.evs - 0.5) < 0.25
