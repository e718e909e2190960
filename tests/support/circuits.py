# SPDX-License-Identifier: Apache-2.0
"""Circuits that several tests run."""

from __future__ import annotations

from qiskit import ClassicalRegister, QuantumCircuit


def bell_state(num_clbits: int = 0, name: str = "bell") -> QuantumCircuit:
    """Return a circuit that entangles two qubits and measures neither of them."""
    circuit = QuantumCircuit(2, num_clbits, name=name)
    circuit.h(0)
    circuit.cx(0, 1)
    return circuit


def bell(name: str = "bell", *, register: str = "meas") -> QuantumCircuit:
    """Return a circuit with the outcomes 00 and 11.

    Args:
        name: the circuit's name.
        register: the name of its classical register.
    """
    circuit = bell_state(name=name)
    circuit.add_register(ClassicalRegister(2, register))
    circuit.measure([0, 1], [0, 1])
    return circuit


def endless(name: str = "endless") -> QuantumCircuit:
    """Return a circuit that takes minutes with `ENDLESS_SHOTS`.

    It needs little memory, since most shots branch.
    """
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
    """Return a circuit that entangles all qubits and measures one of them."""
    circuit = QuantumCircuit(qubits, 1, name=name)
    for layer in range(layers):
        for qubit in range(qubits):
            circuit.ry(0.3 + qubit + layer, qubit)
        for qubit in range(qubits - 1):
            circuit.cx(qubit, qubit + 1)
    circuit.measure(0, 0)
    return circuit


def superposed(num_qubits: int, name: str = "wide") -> QuantumCircuit:
    """Return a circuit that acts on each qubit and measures none."""
    circuit = QuantumCircuit(num_qubits, name=name)
    circuit.ry(0.3, range(num_qubits))
    return circuit
