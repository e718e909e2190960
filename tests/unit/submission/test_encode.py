# SPDX-License-Identifier: Apache-2.0
"""The record of an encoded circuit, and refusals of what no Redis value holds."""

from __future__ import annotations

import numpy as np
import pytest
from qiskit import QuantumCircuit

from qfleet.errors import CapacityError
from qfleet.ledger import NoiseRecord
from qfleet.lowering.lower import lower
from qfleet.noise import Channel, NoiseModel
from qfleet.options import RunOptions
from qfleet.submission.encode import encode_lowered, lower_circuit
from qfleet.wire.messages.request import Output


def dense(qubits: int) -> QuantumCircuit:
    circuit = QuantumCircuit(qubits, 1, name="dense")
    circuit.unitary(np.eye(2**qubits), range(qubits))
    circuit.measure(0, 0)
    return circuit


@pytest.mark.parametrize(
    ("output", "what"),
    [(Output.COUNTS, "its program takes 4 MiB"), (Output.STATEVECTOR, "its result would take 2 MiB")],
)
def test_what_is_larger_than_a_value_of_redis(output: Output, what: str) -> None:
    circuit = dense(9) if output == Output.COUNTS else QuantumCircuit(17, name="dense")
    options = RunOptions()
    program = lower_circuit(circuit, options, output)
    assert encode_lowered(circuit, program, options, output).record.name == "dense"
    with pytest.raises(CapacityError, match=f"'dense': {what}, and a Redis value holds") as caught:
        encode_lowered(circuit, program, options, output, largest_value=2**20)
    assert caught.value.available_bytes == 2**20


def test_the_record_has_the_noise_that_the_circuit_meets() -> None:
    circuit = QuantumCircuit(3, 3)
    circuit.x([0, 1])
    circuit.cx(0, 1)
    circuit.y(2)
    circuit.measure(range(3), range(3))
    model = (
        NoiseModel()
        .add(Channel.pauli({"Z": 0.1}), "x")
        .add(Channel.pauli({"XX": 0.2, "ZZ": 0.05}), "cx")
        .add(Channel.depolarizing(0.5), ["h", "z"])
        .add_readout([[0.9, 0.1], [0, 1]], [0, 2])
    )

    def noise(model: NoiseModel | None) -> NoiseRecord | None:
        program = lower(circuit, Output.COUNTS, noise=model)
        return encode_lowered(circuit, program, RunOptions(), Output.COUNTS).record.noise

    assert noise(model) == NoiseRecord(channels=2, places=3, readouts=2, errors_per_shot=pytest.approx(0.45))
    assert noise(NoiseModel().add_readout([[0.9, 0.1], [0, 1]], 1)) == NoiseRecord(0, 0, 1, 0.0)
    assert noise(NoiseModel().add(Channel.depolarizing(0.5), "h")) is None
    assert noise(None) is None
    # Damping counts by its jumps, half as likely as its strength in a mixed state.
    damped = noise(NoiseModel().add(Channel.amplitude_damping(0.1), "x").add(Channel.pauli({"XX": 0.2}), "cx"))
    assert damped == NoiseRecord(channels=2, places=3, readouts=0, errors_per_shot=pytest.approx(2 * 0.05 + 0.2))
