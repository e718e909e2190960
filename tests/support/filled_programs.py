# SPDX-License-Identifier: Apache-2.0
"""Programs of circuits with parameters, at given values."""

from __future__ import annotations

import msgspec
import numpy as np
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter

from qfleet.lowering.lower import lower
from qfleet.wire.codec.programs import decode_program, encode_program
from qfleet.wire.program.angles import fill
from qfleet.wire.program.program import Program


def filled(circuit: QuantumCircuit, point: dict[Parameter, float]) -> Program:
    """Return the circuit's program with the parameters' values.

    It is encoded and decoded on the way.
    """
    program = decode_program(encode_program(lower(circuit)))
    assert program.num_parameters == circuit.num_parameters
    values = np.array([[point[parameter] for parameter in circuit.parameters]])
    return msgspec.structs.replace(program, params=fill(program, values)[0])


def point_of(circuit: QuantumCircuit) -> dict[Parameter, float]:
    """Return a value for each parameter of a circuit."""
    return {parameter: 0.4 + 0.3 * place for place, parameter in enumerate(circuit.parameters)}
