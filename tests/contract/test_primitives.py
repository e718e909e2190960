# SPDX-License-Identifier: Apache-2.0
"""Qiskit's own `BackendSamplerV2` and `BackendEstimatorV2` work over the backends."""

from __future__ import annotations

import numpy as np
import pytest
from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister
from qiskit.circuit import Parameter
from qiskit.primitives import BackendEstimatorV2, BackendSamplerV2, StatevectorEstimator, StatevectorSampler
from qiskit.quantum_info import SparsePauliOp
from reference import assert_drawn_from, outcome_probabilities

from qfleet import FleetProvider
from qfleet.backend import FleetBackend

NAMES = ["automatic", "basic_simulator", "qasm_simulator", "statevector_simulator"]


@pytest.fixture(params=NAMES)
def backend(provider: FleetProvider, request: pytest.FixtureRequest) -> FleetBackend:
    return provider.get_backend(request.param)


def ansatz() -> QuantumCircuit:
    circuit = QuantumCircuit(3, metadata={"of": "the user"})
    circuit.ry(Parameter("a"), 0)
    circuit.cx(0, 1)
    circuit.rx(Parameter("b"), 2)
    circuit.cz(1, 2)
    circuit.ry(0.3, [1, 2])
    return circuit


def test_sampler(backend: FleetBackend) -> None:
    circuit = ansatz()
    circuit.measure_all()
    points = np.array([[[0.1, 0.2], [1.0, 2.0]], [[0.5, 0.5], [3.0, 0.1]], [[0, 0], [2.5, 2.5]]])
    sampler = BackendSamplerV2(backend=backend, options={"seed_simulator": 3})
    pub = sampler.run([(circuit, points)], shots=3000).result()[0]
    assert pub.data.meas.shape == points.shape[:-1] == (3, 2)
    assert (pub.data.meas.num_shots, pub.data.meas.num_bits) == (3000, 3)
    assert pub.metadata == {"shots": 3000, "circuit_metadata": {"of": "the user"}}
    for index in np.ndindex(points.shape[:-1]):
        expected = outcome_probabilities(circuit.assign_parameters(points[index].tolist()))
        assert_drawn_from(pub.data.meas.get_counts(index), expected)


def test_sampler_takes_several_pubs_with_shots_of_their_own(backend: FleetBackend) -> None:
    coin = QuantumCircuit(1)
    coin.h(0)
    coin.measure_all()
    registers = QuantumCircuit(QuantumRegister(3), ClassicalRegister(2, "low"), ClassicalRegister(1, "high"))
    registers.x([1, 2])
    registers.measure([0, 1, 2], [0, 1, 2])
    middle = QuantumCircuit(1, 2)
    middle.h(0)
    middle.measure(0, 0)
    middle.x(0)
    middle.measure(0, 1)
    result = BackendSamplerV2(backend=backend).run([(coin, None, 70), registers, (middle, None, 90)], shots=50).result()
    assert [pub.metadata["shots"] for pub in result] == [70, 50, 90]
    assert result[0].data.meas.num_shots == 70
    assert result[1].data.low.get_counts() == {"10": 50}
    assert result[1].data.high.get_counts() == {"1": 50}
    assert set(result[2].data.c.get_counts()) == {"01", "10"}
    assert result.metadata == StatevectorSampler().run([coin]).result().metadata


def test_sampler_with_a_seed_gives_the_same_bits_again(backend: FleetBackend) -> None:
    circuit = QuantumCircuit(8)
    circuit.h(range(8))
    circuit.measure_all()
    sampler = BackendSamplerV2(backend=backend, options={"seed_simulator": 12})
    first, second = (sampler.run([circuit], shots=100).result()[0].data.meas for _ in range(2))
    other = BackendSamplerV2(backend=backend, options={"seed_simulator": 13}).run([circuit], shots=100).result()[0]
    assert first == second
    assert first != other.data.meas


def test_sampler_without_clbits_and_with_more_than_64(backend: FleetBackend) -> None:
    empty = QuantumCircuit(1)
    empty.h(0)
    wide = QuantumCircuit(2, 90)
    wide.x(0)
    wide.measure([0, 1, 0], [89, 70, 3])
    with pytest.warns(UserWarning, match="no output classical registers"):
        result = BackendSamplerV2(backend=backend).run([empty, wide], shots=5).result()
    assert list(result[0].data.keys()) == []
    assert result[1].data.c.get_counts() == {"1" + "0" * 85 + "1000": 5}


@pytest.mark.parametrize("abelian_grouping", [True, False])
def test_estimator(backend: FleetBackend, abelian_grouping: bool) -> None:
    observables = [SparsePauliOp(["ZZI", "XIX", "IYY"], [0.5, 1, -0.3]), SparsePauliOp("ZII"), SparsePauliOp("III")]
    points = np.array([[0.1, 0.2], [1.0, 2.0], [3.0, -0.4]])[:, None, :]
    pubs = [(ansatz(), observables, points), (ansatz(), observables[0], [1.2, 0.3])]
    exact = StatevectorEstimator().run(pubs).result()
    options = {"seed_simulator": 5, "abelian_grouping": abelian_grouping}
    found = BackendEstimatorV2(backend=backend, options=options).run(pubs, precision=0.02).result()
    for ours, theirs in zip(found, exact, strict=True):
        assert ours.data.evs.shape == theirs.data.evs.shape
        # Seven standard errors; what is certain has none.
        assert np.all(np.abs(ours.data.evs - theirs.data.evs) <= 7 * ours.data.stds + 1e-12)
        assert np.all(ours.data.stds < 0.05)
        assert ours.metadata["target_precision"] == 0.02
    assert np.any(found[0].data.stds > 0)
