# SPDX-License-Identifier: Apache-2.0
"""The method of a job's circuits: by all their values, and refused with what each method says."""

from __future__ import annotations

import math

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter
from qiskit.quantum_info import SparseObservable

from qfleet.errors import CapacityError, UnsupportedCircuitError
from qfleet.noise import Channel, NoiseModel
from qfleet.options import RunOptions
from qfleet.submission import repeated_circuits
from qfleet.submission.prepare import _entries
from qfleet.submission.repeated_circuits import encode_circuit
from qfleet.wire.messages.request import Output


@pytest.fixture(autouse=True)
def nothing_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    repeated_circuits._kept.clear()
    # Classes of other tests give gates other meanings.
    monkeypatch.setattr(repeated_circuits, "may_differ", lambda _name: False)


def entangle(circuit: QuantumCircuit, qubits: range) -> None:
    """Entangle qubits more than a matrix product state may be."""
    for layer in range(26):
        for qubit in qubits[layer % 2 : -1 : 2]:
            circuit.cx(qubit, qubit + 1)


def turned(angle: object, num_qubits: int = 70, name: str = "wide", *, entangled: bool = True) -> QuantumCircuit:
    circuit = QuantumCircuit(num_qubits, 2, name=name)
    circuit.h(range(num_qubits))
    if entangled:
        entangle(circuit, range(num_qubits))
    circuit.rzz(angle, 3, num_qubits - 1)
    circuit.measure([3, num_qubits - 1], [0, 1])
    return circuit


def methods(circuits: list[QuantumCircuit], **options: object) -> list[str]:
    entries = _entries(circuits, RunOptions(**options), Output.COUNTS)  # type: ignore[arg-type]
    return [batch.encoded.request.method for entry in entries for batch in entry.batches]


def test_circuits_that_differ_in_their_angles_have_one_method() -> None:
    assert methods([turned(0.0), turned(math.pi / 2), turned(math.pi)]) == ["stabilizer"] * 3
    with pytest.raises(CapacityError, match=r"stabilizer: .* rzz\(0\.1\) on qubits 3, 69, isn't a Clifford gate at po"):
        methods([turned(0.0), turned(0.1)])
    assert methods([turned(0.0, 30), turned(0.1, 30)]) == ["statevector"] * 2


def test_little_entanglement_goes_with_a_matrix_product_state_where_nothing_else_fits() -> None:
    assert methods([turned(0.1, entangled=False)]) == ["matrix_product_state"]
    assert methods([turned(0.1, 30, entangled=False)]) == ["statevector"]
    with pytest.raises(CapacityError, match="matrix_product_state: its bonds may need more than 1024 values; ask for"):
        methods([turned(0.1)])


def test_parameter_sets_have_one_method() -> None:
    free = Parameter("a")
    values = [0.0, math.pi / 2, 3 * math.pi]
    assert methods([turned(free)], parameter_binds=({free: values},)) == ["stabilizer"]
    with pytest.raises(UnsupportedCircuitError, match=r"'wide' can't be run by .* at point 2; leave"):
        methods([turned(free, 10)], parameter_binds=({free: [0.0, math.pi / 2, 0.1]},), method="stabilizer")


def test_the_method_of_a_kept_circuit_is_that_of_its_values() -> None:
    free = Parameter("a")
    circuit, options = turned(free, 28), RunOptions()
    found = [
        encode_circuit(circuit, options, Output.BITS, values=np.array([[value]])).request.method
        for value in (0.0, 0.1, math.pi, 0.2, 0.0)
    ]
    assert found == ["stabilizer", "statevector", "stabilizer", "statevector", "stabilizer"]
    assert len(repeated_circuits._kept) == 2


def test_qubits_are_named_as_the_circuit_numbers_them() -> None:
    circuit = QuantumCircuit(200, 1, name="some")
    circuit.h(range(100, 150))
    entangle(circuit, range(100, 150))
    circuit.t(149)
    circuit.measure(149, 0)
    text = (
        "'some' can't be run: statevector: its 50 qubits need 2**50 amplitudes, and no machine holds more than 2**39; "
    )
    text += "stabilizer: operation 687, t on qubit 149, isn't a Clifford gate"
    with pytest.raises(CapacityError) as caught:
        methods([circuit])
    assert text in str(caught.value)
    assert (caught.value.number, caught.value.limit) == (50, 39)
    with pytest.raises(UnsupportedCircuitError, match="operation 687, t on qubit 149, isn't a Clifford gate; leave"):
        methods([circuit], method="stabilizer")
    with pytest.raises(CapacityError, match=r"statevector: its 70 qubits need .*; stabilizer: it can run the circuit"):
        methods([turned(0.0)], method="statevector")


def test_other_noise_is_named() -> None:
    circuit = turned(0.0)
    circuit.measure_all()
    noise = NoiseModel().add(Channel.amplitude_damping(0.1), "h")
    with pytest.raises(CapacityError, match="noise on qubit 0, isn't a mixture of Paulis and resets"):
        methods([circuit], noise_model=noise)
    noise = NoiseModel().add(Channel.depolarizing(0.1, 2), "rzz")
    assert methods([circuit], noise_model=noise) == ["stabilizer"]


def test_expectation_values_of_many_qubits() -> None:
    circuit = QuantumCircuit(100)
    circuit.h(range(100))
    observable = [SparseObservable("X" * 100)]
    encoded = encode_circuit(circuit, RunOptions(shots=10**6), Output.EXPECTATION_VALUES, observable)
    assert encoded.request.method == "stabilizer"
    few = QuantumCircuit(4)
    few.h(range(4))
    encoded = encode_circuit(few, RunOptions(shots=10**6), Output.EXPECTATION_VALUES, [SparseObservable("X" * 4)])
    assert encoded.request.method == "statevector"


def test_blocks_of_shots_are_whole_blocks_of_frames() -> None:
    circuit = turned(0.0)
    noise = NoiseModel().add(Channel.depolarizing(0.1, 2), "rzz")
    options = RunOptions(shots=200_000_001, noise_model=noise)
    block = encode_circuit(circuit, options, Output.COUNTS).block
    assert block is not None
    assert block.shots % 1024 == 0
    assert 0.01 < block.seconds < 10
    assert encode_circuit(circuit, RunOptions(shots=1000, noise_model=noise), Output.COUNTS).block is None
