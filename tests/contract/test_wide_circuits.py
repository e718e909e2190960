# SPDX-License-Identifier: Apache-2.0
"""Circuits of more qubits than a number has bits, from the circuit to the counts."""

from __future__ import annotations

import math

import numpy as np
import pytest
from aer_like import LikeAer, expval
from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister, transpile
from qiskit.circuit import Parameter
from qiskit.primitives import BackendSamplerV2
from qiskit.quantum_info import SparsePauliOp

from qfleet import EstimatorV2, FleetProvider, SamplerV2
from qfleet.backend import FleetBackend
from qfleet.errors import JobFailedError
from qfleet.noise import Channel, NoiseModel

WIDTHS = [63, 64, 65, 128, 129, 1000]


@pytest.fixture
def backend(provider: FleetProvider) -> FleetBackend:
    return provider.get_backend()


def marked(num_qubits: int, *, measured: bool = True) -> tuple[QuantumCircuit, str]:
    """Return a circuit with one outcome, and that outcome."""
    bits = np.random.default_rng(num_qubits).integers(0, 2, num_qubits)
    circuit = QuantumCircuit(num_qubits, name="marked")
    circuit.x([qubit for qubit in range(num_qubits) if bits[qubit]])
    if measured:
        circuit.measure_all()
    return circuit, "".join(map(str, bits[::-1]))


def ghz(num_qubits: int) -> QuantumCircuit:
    circuit = QuantumCircuit(num_qubits)
    circuit.h(0)
    for qubit in range(num_qubits - 1):
        circuit.cx(qubit, qubit + 1)
    return circuit


@pytest.mark.parametrize("width", WIDTHS)
def test_counts_and_memory(backend: FleetBackend, width: int) -> None:
    circuit, outcome = marked(width)
    result = backend.run(circuit, shots=20, memory=True).result()
    assert result.get_counts() == {outcome: 20}
    assert result.get_memory() == [outcome] * 20
    circuit = ghz(width)
    circuit.measure_all()
    counts = backend.run(circuit, shots=2000, seed_simulator=5, max_shot_size=700).result().get_counts()
    assert counts.keys() == {"0" * width, "1" * width}
    assert 850 < counts["0" * width] < 1150
    assert counts == backend.run(circuit, shots=2000, seed_simulator=5).result().get_counts()


def test_registers_of_wide_circuits(backend: FleetBackend) -> None:
    first, second = ClassicalRegister(70, "first"), ClassicalRegister(3, "second")
    circuit = QuantumCircuit(QuantumRegister(100, "q"), first, second)
    circuit.x([0, 69, 99])
    circuit.measure(range(70), first)
    circuit.measure([99, 98, 99], second)
    assert backend.run(circuit, shots=5).result().get_counts() == {"101 1" + "0" * 68 + "1": 5}


def test_a_condition_on_a_wide_register(backend: FleetBackend) -> None:
    circuit = QuantumCircuit(QuantumRegister(90), ClassicalRegister(89, "c"), ClassicalRegister(1, "d"))
    circuit.x([0, 88])
    circuit.measure(range(89), range(89))
    with circuit.if_test((circuit.cregs[0], 1 | 1 << 88)):
        circuit.x(89)
    circuit.measure(89, 89)
    assert backend.run(circuit, shots=5).result().get_counts() == {"1 1" + "0" * 87 + "1": 5}


@pytest.mark.parametrize("width", WIDTHS)
def test_samplers(provider: FleetProvider, backend: FleetBackend, width: int) -> None:
    circuit, outcome = marked(width)
    for sampler in (SamplerV2(provider), BackendSamplerV2(backend=backend)):
        bits = sampler.run([circuit], shots=30).result()[0].data.meas
        assert (bits.num_bits, bits.num_shots) == (width, 30)
        assert bits.get_counts() == {outcome: 30}


@pytest.mark.parametrize("width", WIDTHS)
def test_expectation_values(provider: FleetProvider, width: int) -> None:
    circuit, outcome = marked(width, measured=False)
    signs = [1 - 2 * int(bit) for bit in reversed(outcome)]
    labels = ["Z" * width, "I" * (width - 1) + "Z", "Z" + "I" * (width - 1), "X" + "I" * (width - 1)]
    weighted = SparsePauliOp.from_sparse_list([("Z", [k], k + 1.0) for k in range(width)], num_qubits=width)
    wanted = [math.prod(signs), signs[0], signs[-1], 0, sum((k + 1) * sign for k, sign in enumerate(signs))]
    observables = [*[SparsePauliOp(label) for label in labels], weighted]
    found = EstimatorV2(provider).run([(circuit, observables)]).result()[0].data
    assert found.evs == pytest.approx(wanted)
    observables = [SparsePauliOp("X" * width), SparsePauliOp("Z" * width), SparsePauliOp("Y" * width)]
    found = EstimatorV2(provider).run([(ghz(width), observables)]).result()[0].data
    y = 0 if width % 2 else (-1) ** (width // 2)
    assert found.evs == pytest.approx([1, 1 - width % 2, y])


def test_saves_of_wide_circuits(backend: FleetBackend) -> None:
    circuit = ghz(130)
    circuit.append(expval(SparsePauliOp(["X" * 130, "Z" * 130, "Y" * 130], [1, 2, 0.5])), range(130))
    circuit.append(expval(SparsePauliOp(["ZZ", "ZI"], [1, 3]), label="two"), [0, 129])
    circuit.append(LikeAer("save_probabilities", 3, "average"), [5, 70, 129])
    data = backend.run(circuit, shots=10).result().data()
    assert data["expectation_value"] == pytest.approx(1 + 2 - 0.5)
    assert data["two"] == pytest.approx(1)
    assert data["probabilities"] == pytest.approx([0.5, 0, 0, 0, 0, 0, 0, 0.5])


def test_transpiling_to_a_backend_keeps_wide_circuits(backend: FleetBackend) -> None:
    circuit, outcome = marked(129)
    for level in range(4):
        done = transpile(circuit, backend, optimization_level=level)
        assert backend.run(done, shots=3).result().get_counts() == {outcome: 3}


def test_noise_on_wide_circuits(backend: FleetBackend) -> None:
    circuit, _ = marked(100)
    noise = NoiseModel().add(Channel.pauli({"X": 0.25}), "x").add_readout([[0.9, 0.1], [0, 1]], [3])
    counts = backend.run(circuit, shots=4000, seed_simulator=1, noise_model=noise).result().get_counts()
    ones = np.zeros(100)
    for outcome, count in counts.items():
        ones += count / 4000 * np.array([bit == "1" for bit in reversed(outcome)])
    bits = np.random.default_rng(100).integers(0, 2, 100)
    wanted = np.where(bits == 1, 0.75, 0.0)
    wanted[3] = 0.9 * wanted[3] + 0.1 if bits[3] == 0 else wanted[3] + 0.1 * (1 - wanted[3])
    assert np.abs(ones - wanted).max() < 6 * 0.5 / math.sqrt(4000)


def test_a_point_that_is_no_clifford_circuit_fails_by_itself(provider: FleetProvider) -> None:
    """More angles than a client looks at: the worker says which point it is."""
    angle = Parameter("a")
    circuit = QuantumCircuit(2, 1)
    circuit.rx(angle, 0)
    for _ in range(200):
        circuit.s(1)
        circuit.rz(angle, 1)
    circuit.measure(0, 0)
    values = np.zeros(6000)
    values[4321] = 0.3
    backend = provider.get_backend()
    job = backend.run(circuit, parameter_binds=[{angle: values}], method="stabilizer", shots=2)
    with pytest.raises(JobFailedError, match=r"operation 0, rx\(0\.3\) on qubit 0, isn't a Clifford gate"):
        job.result()
    assert sum(experiment.success for experiment in job.result(partial=True).results) == 5999
