# SPDX-License-Identifier: Apache-2.0
"""A circuit whose counts are asked for and that measures nothing gives a warning; nothing else does."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
from aer_like import LikeAer
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter

from qfleet import EstimatorV2, FleetProvider, SamplerV2


def unmeasured(name: str, clbits: int = 0) -> QuantumCircuit:
    circuit = QuantumCircuit(1, clbits, name=name)
    circuit.h(0)
    return circuit


def measured(name: str = "measured") -> QuantumCircuit:
    circuit = unmeasured(name, 1)
    circuit.measure(0, 0)
    return circuit


def test_it_names_the_circuits_once(provider: FleetProvider) -> None:
    circuits = [unmeasured("first"), measured(), unmeasured("second", 2), unmeasured("first")]
    with pytest.warns(UserWarning, match="nothing is measured in circuit 'first', 'second', so") as caught:
        result = provider.get_backend().run(circuits, shots=10).result()
    assert [warning.filename for warning in caught] == [__file__]
    assert result.get_counts(2) == {"00": 10}


def test_many_circuits_are_counted(provider: FleetProvider) -> None:
    with pytest.warns(UserWarning, match="'c0', 'c1', 'c2', 'c3', 'c4' and 15 others") as caught:
        provider.get_backend().run([unmeasured(f"c{number}") for number in range(20)])
    assert len(caught) == 1


def test_every_backend_that_gives_counts(provider: FleetProvider) -> None:
    for backend in provider.backends():
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            backend.run(unmeasured("c"))
        counts = backend.name not in ("statevector_simulator", "unitary_simulator")
        assert [warning.category for warning in caught] == [UserWarning] * counts, backend.name


def in_a_definition() -> QuantumCircuit:
    circuit = QuantumCircuit(1, 1)
    circuit.append(measured().to_instruction(), [0], [0])
    return circuit


def in_a_block() -> QuantumCircuit:
    circuit = QuantumCircuit(1, 1)
    with circuit.for_loop(range(2)):
        circuit.measure(0, 0)
    return circuit


def stored() -> QuantumCircuit:
    circuit = QuantumCircuit(1, 1)
    circuit.store(circuit.clbits[0], True)
    return circuit


def with_saves() -> QuantumCircuit:
    circuit = unmeasured("saves")
    circuit.append(LikeAer("save_statevector", 1, "single"), [0])
    return circuit


@pytest.mark.parametrize("make", [measured, in_a_definition, in_a_block, stored, with_saves])
def test_what_gives_something_gives_no_warning(provider: FleetProvider, make: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        provider.get_backend().run(make())


def test_other_outputs_and_primitives_give_none(provider: FleetProvider) -> None:
    angle = Parameter("a")
    circuit = QuantumCircuit(1)
    circuit.rx(angle, 0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        provider.get_backend().run(unmeasured("c"), method="unitary")
        EstimatorV2(provider).run([(circuit, "Z", [0.1])])
        SamplerV2(provider).run([unmeasured("c", 1)])


def test_points_of_a_circuit_are_one(provider: FleetProvider) -> None:
    angle = Parameter("a")
    circuit = QuantumCircuit(1, 1, name="scan")
    circuit.rx(angle, 0)
    with pytest.warns(UserWarning, match="circuit 'scan', so") as caught:
        provider.get_backend().run(circuit, parameter_binds=[{angle: [0.1, 0.2]}])
    assert len(caught) == 1
