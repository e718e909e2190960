# SPDX-License-Identifier: Apache-2.0
"""Circuits whose program or result no Redis value holds are refused when they are encoded."""

from __future__ import annotations

import numpy as np
import pytest
from qiskit import QuantumCircuit

from qfleet.errors import CapacityError
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
