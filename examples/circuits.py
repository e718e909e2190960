# SPDX-License-Identifier: Apache-2.0
"""Four circuits that textbooks start with, built with Qiskit."""

from __future__ import annotations

from math import asin, pi, sqrt

from qiskit import QuantumCircuit
from qiskit.circuit import ParameterVector

__all__ = ["ghz", "grover", "qft", "variational"]


def ghz(qubits: int) -> QuantumCircuit:
    """Return the circuit of a GHZ state.

    All qubits give 0 in half of the shots, and all give 1 in the others.
    """
    circuit = QuantumCircuit(qubits, name=f"ghz_{qubits}")
    circuit.h(0)
    for qubit in range(1, qubits):
        circuit.cx(qubit - 1, qubit)
    circuit.measure_all()
    return circuit


def qft(qubits: int, value: int) -> QuantumCircuit:
    """Return a circuit that reads `value` back by a Fourier transform.

    It writes the value into phases first.
    """
    circuit = QuantumCircuit(qubits, name=f"qft_{qubits}")
    circuit.h(range(qubits))
    for qubit in range(qubits):
        circuit.p(2 * pi * value * 2**qubit / 2**qubits, qubit)
    circuit.compose(_fourier(qubits).inverse(), inplace=True)
    circuit.measure_all()
    return circuit


def _fourier(qubits: int) -> QuantumCircuit:
    circuit = QuantumCircuit(qubits)
    for target in reversed(range(qubits)):
        circuit.h(target)
        for control in reversed(range(target)):
            circuit.cp(pi / 2 ** (target - control), control, target)
    for low in range(qubits // 2):
        circuit.swap(low, qubits - 1 - low)
    return circuit


def grover(marked: str) -> QuantumCircuit:
    """Return Grover's search for one bitstring.

    After the best number of rounds, nearly all shots give it.
    """
    qubits = len(marked)
    circuit = QuantumCircuit(qubits, name=f"grover_{marked}")
    circuit.h(range(qubits))
    for _ in range(round(pi / (4 * asin(1 / sqrt(2**qubits))) - 0.5)):
        _flip_sign(circuit, marked)
        circuit.h(range(qubits))
        _flip_sign(circuit, "0" * qubits)
        circuit.h(range(qubits))
    circuit.measure_all()
    return circuit


def _flip_sign(circuit: QuantumCircuit, outcome: str) -> None:
    # the last character of a bitstring is qubit 0
    zeros = [qubit for qubit, bit in enumerate(reversed(outcome)) if bit == "0"]
    last = circuit.num_qubits - 1
    if zeros:
        circuit.x(zeros)
    circuit.h(last)
    circuit.mcx(list(range(last)), last)
    circuit.h(last)
    if zeros:
        circuit.x(zeros)


def variational(qubits: int, layers: int) -> QuantumCircuit:
    """Return layers of rotations and entangling gates, with fixed angles.

    A variational eigensolver uses such circuits.
    """
    angles = ParameterVector("θ", qubits * (layers + 1))
    circuit = QuantumCircuit(qubits)
    for layer in range(layers + 1):
        for qubit in range(qubits):
            circuit.ry(angles[layer * qubits + qubit], qubit)
        if layer < layers:
            for qubit in range(qubits - 1):
                circuit.cx(qubit, qubit + 1)
    circuit.measure_all()
    bound = circuit.assign_parameters([0.3 + 0.2 * index for index in range(len(angles))])
    bound.name = f"variational_{qubits}"
    return bound
