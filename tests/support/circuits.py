# SPDX-License-Identifier: Apache-2.0
"""Circuits that the tests of jobs run."""

from __future__ import annotations

from qiskit import QuantumCircuit


def bell(name: str = "bell") -> QuantumCircuit:
    """Two qubits, the outcomes 00 and 11."""
    circuit = QuantumCircuit(2, name=name)
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.measure_all()
    return circuit


def endless(name: str = "endless") -> QuantumCircuit:
    """A circuit that, run with `ENDLESS_SHOTS`, takes minutes, in little memory: nearly each shot is its own branch."""
    qubits = 16
    circuit = QuantumCircuit(qubits, qubits * 3, name=name)
    for layer in range(3):
        for qubit in range(qubits):
            circuit.ry(0.7 + qubit, qubit)
            circuit.cx(qubit, (qubit + 1) % qubits)
        circuit.measure(range(qubits), range(layer * qubits, (layer + 1) * qubits))
    return circuit


ENDLESS_SHOTS = 500_000


def wide(qubits: int, name: str = "wide", layers: int = 1) -> QuantumCircuit:
    """A circuit whose qubits are all entangled."""
    circuit = QuantumCircuit(qubits, 1, name=name)
    for layer in range(layers):
        for qubit in range(qubits):
            circuit.ry(0.3 + qubit + layer, qubit)
        for qubit in range(qubits - 1):
            circuit.cx(qubit, qubit + 1)
    circuit.measure(0, 0)
    return circuit
