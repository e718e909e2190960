# SPDX-License-Identifier: Apache-2.0
"""Does a circuit that travels with slots give what it gives when Qiskit binds it first?"""

from __future__ import annotations

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter, ParameterVector
from qiskit.circuit.library import efficient_su2
from qiskit.quantum_info import Operator

from qfleet import FleetProvider
from qfleet.errors import JobFailedError

SEED = 11
THETA, PHI = ParameterVector("theta", 3), Parameter("phi")


def rotations() -> QuantumCircuit:
    circuit = QuantumCircuit(3, 3, name="rotations", global_phase=PHI / 2)
    circuit.h(range(3))
    for qubit, angle in enumerate(THETA):
        circuit.ry(angle, qubit)
        circuit.cp(-angle * PHI, qubit, (qubit + 1) % 3)
    circuit.rzz((THETA[0] - THETA[1]) / 2, 0, 2)
    circuit.u(PHI.sin(), abs(THETA[2]), 0.5, 1)
    circuit.measure(range(3), range(3))
    return circuit


def dynamic() -> QuantumCircuit:
    circuit = QuantumCircuit(2, 2, name="dynamic")
    circuit.ry(THETA[0], 0)
    circuit.measure(0, 0)
    with circuit.if_test((0, True)) as otherwise:
        circuit.rx(THETA[1] + PHI, 1)
    with otherwise:
        circuit.ry(2 * THETA[2], 1)
    with circuit.while_loop((0, False)):
        circuit.rx(PHI, 0)
        circuit.measure(0, 0)
    circuit.measure(1, 1)
    return circuit


def inside() -> QuantumCircuit:
    inner = QuantumCircuit(1, global_phase=THETA[1])
    inner.rx(THETA[0], 0)
    inner.rz(PHI, 0)
    circuit = QuantumCircuit(2, name="inside")
    circuit.h(range(2))
    circuit.append(inner.to_gate().control(1), [0, 1])
    circuit.append(inner.to_gate().inverse(), [0])
    circuit.rx(THETA[2], 1)
    circuit.measure_all()
    return circuit


def points(circuit: QuantumCircuit, number: int = 6) -> dict[Parameter, np.ndarray]:
    rng = np.random.default_rng(3)
    return {parameter: rng.uniform(0.1, 3.0, number) for parameter in circuit.parameters}


def bound(circuit: QuantumCircuit, values: dict[Parameter, np.ndarray]) -> list[QuantumCircuit]:
    columns = list(values.values())
    return [circuit.assign_parameters(dict(zip(values, row, strict=True))) for row in zip(*columns, strict=True)]


@pytest.mark.parametrize("make", [rotations, dynamic, inside])
@pytest.mark.parametrize("options", [{}, {"max_shot_size": 30}, {"max_job_size": 4}, {"precision": "single"}], ids=str)
def test_every_shot_is_the_same(provider: FleetProvider, make, options) -> None:
    circuit = make()
    values = points(circuit)
    backend = provider.get_backend(shots=100, memory=True, seed_simulator=SEED, **options)
    slots = backend.run(circuit, parameter_binds=values).result()
    expected = backend.run(bound(circuit, values)).result()
    assert [each.data.memory for each in slots.results] == [each.data.memory for each in expected.results]
    assert [each.data.counts for each in slots.results] == [each.data.counts for each in expected.results]
    assert [each.seed_simulator for each in slots.results] == [each.seed_simulator for each in expected.results]
    for each, other in zip(slots.results, expected.results, strict=True):
        phase, other_phase = each.header.pop("global_phase"), other.header.pop("global_phase")
        assert phase == pytest.approx(other_phase, abs=1e-14)
        name, other_name = each.header.pop("name"), other.header.pop("name")
        assert name == circuit.name
        assert other_name.startswith(name)
        assert each.header == other.header


def test_unitaries(provider: FleetProvider) -> None:
    circuit = rotations().remove_final_measurements(inplace=False)
    values = points(circuit)
    result = provider.get_backend("unitary_simulator").run(circuit, parameter_binds=values).result()
    for index, each in enumerate(bound(circuit, values)):
        np.testing.assert_allclose(result.get_unitary(index), Operator(each).data, atol=1e-10)


def test_many_points(provider: FleetProvider) -> None:
    circuit = efficient_su2(4, reps=3)
    circuit.measure_all()
    values = points(circuit, 300)
    backend = provider.get_backend(shots=20, seed_simulator=SEED)
    slots = backend.run(circuit, parameter_binds=values).result()
    expected = backend.run(bound(circuit, values)).result()
    assert len(slots.results) == 300
    assert slots.get_counts() == expected.get_counts()
    assert all(each.time_taken > 0 for each in slots.results)


def test_a_point_without_a_value_fails_alone(provider: FleetProvider) -> None:
    circuit = QuantumCircuit(1, name="inverse")
    circuit.h(0)
    circuit.rz(1 / PHI, 0)
    circuit.measure_all()
    job = provider.get_backend().run(circuit, parameter_binds={PHI: [1.0, 0.0, 2.0]})
    with pytest.raises(
        JobFailedError, match=r"circuit 1 \('inverse'\): the formula of an angle of operation 1 \(rz\) gives no real"
    ):
        job.result()
    assert [each.success for each in job.result(partial=True).results] == [True, False, True]
