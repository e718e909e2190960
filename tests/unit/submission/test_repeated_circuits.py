# SPDX-License-Identifier: Apache-2.0
"""A circuit that is sent again is encoded once, and one that differs in anything is encoded anew."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from math import nextafter

import numpy as np
import pytest
from qiskit.circuit import ClassicalRegister, Gate, Measure, Parameter, QuantumCircuit, QuantumRegister
from qiskit.circuit.library import HGate, UnitaryGate
from qiskit.quantum_info import SparseObservable

from qfleet.errors import InvalidOptionError, UnsupportedCircuitError
from qfleet.lowering.meanings import may_differ
from qfleet.noise import Channel, NoiseModel
from qfleet.options import RunOptions
from qfleet.submission import repeated_circuits
from qfleet.submission.encode import EncodedCircuit, encode_lowered, lower_circuit
from qfleet.submission.repeated_circuits import encode_circuit
from qfleet.wire.messages.request import Output

OPTIONS = RunOptions()


@pytest.fixture(autouse=True)
def lowered(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Yield the names of the circuits that were lowered."""
    names: list[str] = []

    def counted(circuit: QuantumCircuit, *arguments: object) -> object:
        names.append(circuit.name)
        return lower_circuit(circuit, *arguments)  # type: ignore[arg-type]

    repeated_circuits._kept.clear()
    monkeypatch.setattr(repeated_circuits, "lower_circuit", counted)
    # Classes of other tests give gates other meanings.
    monkeypatch.setattr(repeated_circuits, "may_differ", lambda _name: False)
    yield names
    repeated_circuits._kept.clear()


def circuit(angle: object = 0.5, name: str = "first") -> QuantumCircuit:
    made = QuantumCircuit(2, 2, name=name)
    made.h(0)
    made.rx(angle, 1)
    made.cx(0, 1)
    made.barrier()
    made.measure([0, 1], [0, 1])
    return made


def fresh(given: QuantumCircuit, options: RunOptions = OPTIONS, output: Output = Output.COUNTS) -> EncodedCircuit:
    return encode_lowered(given, lower_circuit(given, options, output), options, output)


def test_an_equal_circuit_is_encoded_once(lowered: list[str]) -> None:
    free = Parameter("a")
    for angle in (0.5, free, 2 * free):
        first = encode_circuit(circuit(angle), OPTIONS, Output.COUNTS)
        other = circuit(angle, "second")
        again = encode_circuit(other, OPTIONS, Output.COUNTS)
        assert again.record.name == "second"
        assert again == fresh(other)
        assert again.blob is first.blob
    assert lowered == ["first"] * 3


def other_gate(given: QuantumCircuit) -> None:
    given.x(0)


def other_phase(given: QuantumCircuit) -> None:
    given.global_phase = 0.25


def variable(given: QuantumCircuit) -> None:
    given.add_var("seen", False)


def own_measurement(given: QuantumCircuit) -> None:
    *_, last = given.data
    given.data.pop()
    changed = Measure().to_mutable()
    changed.definition = QuantumCircuit(1, 1)
    given.append(changed, last.qubits, last.clbits)


@pytest.mark.parametrize("change", [other_gate, other_phase, variable, own_measurement])
def test_a_changed_circuit_is_encoded_anew(change: Callable[[QuantumCircuit], None], lowered: list[str]) -> None:
    given = circuit()
    encode_circuit(given, OPTIONS, Output.COUNTS)
    change(given)
    assert encode_circuit(given, OPTIONS, Output.COUNTS) == fresh(given)
    assert len(lowered) == 2


def test_other_angles_parameters_and_orders_of_bits(lowered: list[str]) -> None:
    qubits, clbits = QuantumRegister(2), ClassicalRegister(2)
    orders = [QuantumCircuit(list(qubits)[::step], list(clbits)) for step in (1, -1)]
    for each in orders:
        each.h(qubits[0])
        each.measure(qubits[0], clbits[0])
    given = [circuit(), circuit(nextafter(0.5, 1)), circuit(Parameter("a")), circuit(Parameter("a")), *orders]
    for each in given:
        assert encode_circuit(each, OPTIONS, Output.COUNTS) == fresh(each)
    assert len(lowered) == len(given)


def test_other_wishes(lowered: list[str]) -> None:
    given = circuit()
    for changes in ({}, {"shots": 7}, {"precision": "single"}, {"memory": True}, {"method": "density_matrix"}):
        options = dataclasses.replace(OPTIONS, **changes)  # type: ignore[arg-type]
        assert encode_circuit(given, options, Output.COUNTS) == fresh(given, options)
    encode_circuit(given, dataclasses.replace(OPTIONS, max_memory_mb=1000), Output.COUNTS)
    encode_circuit(given, dataclasses.replace(OPTIONS, max_shot_size=10), Output.COUNTS)
    for bond in (2, 3):
        cut = dataclasses.replace(OPTIONS, method="matrix_product_state", matrix_product_state_max_bond_dimension=bond)
        assert encode_circuit(given, cut, Output.COUNTS).request.bond == bond
    bare = QuantumCircuit(2)
    bare.h(0)
    for label in ("ZZ", "XI"):
        encode_circuit(bare, OPTIONS, Output.EXPECTATION_VALUES, [SparseObservable(label)])
    encode_circuit(bare, OPTIONS, Output.EXPECTATION_VALUES, [SparseObservable("XI")], exact=True)
    assert len(lowered) == 12


def test_circuits_that_may_mean_other_things_are_not_kept(lowered: list[str]) -> None:
    almost = [np.diag([1, np.exp(1e-12j * at)]) for at in range(2)]
    matrices = [QuantumCircuit(1) for _ in almost]
    for each, matrix in zip(matrices, almost, strict=True):
        each.append(UnitaryGate(matrix), [0])
    assert matrices[0] == matrices[1]
    results = [encode_circuit(each, OPTIONS, Output.STATEVECTOR) for each in matrices]
    assert results[0].blob != results[1].blob
    # A model may be changed, and an initial state is compared by nobody.
    model = NoiseModel().add(Channel.depolarizing(0.1, 1), "h")
    for options in (OPTIONS, dataclasses.replace(OPTIONS, noise_model=model), OPTIONS):
        assert encode_circuit(circuit(), options, Output.COUNTS) == fresh(circuit(), options)
    assert len(lowered) == 4


def test_a_class_that_is_defined_later(lowered: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repeated_circuits, "may_differ", may_differ)
    given = QuantumCircuit(1)
    given.h(0)
    plain = encode_circuit(given, OPTIONS, Output.STATEVECTOR)

    class Other(HGate):
        def _define(self) -> None:
            self.definition = QuantumCircuit(1)
            self.definition.x(0)

    other = QuantumCircuit(1)
    other.append(Other(), [0])
    assert other.data == given.data
    assert encode_circuit(other, OPTIONS, Output.STATEVECTOR).blob != plain.blob
    assert len(lowered) == 2


def test_errors_come_again(lowered: list[str]) -> None:
    refused = QuantumCircuit(1)
    refused.append(Gate("unknown", 1, []), [0])
    for _ in range(2):
        with pytest.raises(UnsupportedCircuitError):
            encode_circuit(refused, OPTIONS, Output.COUNTS)
    encode_circuit(circuit(), OPTIONS, Output.COUNTS)
    with pytest.raises(InvalidOptionError, match="surrogate"):
        encode_circuit(circuit(name="\ud800"), OPTIONS, Output.COUNTS)
    assert len(lowered) == 3


def test_only_the_last_circuits_are_kept(lowered: list[str]) -> None:
    many = [circuit(0.01 * at) for at in range(20)]
    for each in [*many, *many[-8:], many[0]]:
        encode_circuit(each, OPTIONS, Output.COUNTS)
    assert len(lowered) == 21
