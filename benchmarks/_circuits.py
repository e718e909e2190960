# SPDX-License-Identifier: Apache-2.0
"""The families of circuits that the engine is measured with, by number of qubits."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import numpy as np
from qiskit import QuantumCircuit
from qiskit.circuit.library import quantum_volume


def qft(num_qubits: int) -> QuantumCircuit:
    """The quantum Fourier transform of a product state."""
    circuit = QuantumCircuit(num_qubits)
    for qubit, angle in enumerate(np.random.default_rng(1).uniform(0, 3, num_qubits)):
        circuit.ry(float(angle), qubit)
    for target in reversed(range(num_qubits)):
        circuit.h(target)
        for control in reversed(range(target)):
            circuit.cp(math.pi / 2 ** (target - control), control, target)
    for qubit in range(num_qubits // 2):
        circuit.swap(qubit, num_qubits - 1 - qubit)
    return circuit


def ghz(num_qubits: int) -> QuantumCircuit:
    """A chain of CNOTs."""
    circuit = QuantumCircuit(num_qubits)
    circuit.h(0)
    for qubit in range(num_qubits - 1):
        circuit.cx(qubit, qubit + 1)
    return circuit


def volume(num_qubits: int) -> QuantumCircuit:
    """As many layers as qubits of random SU(4) on random pairs."""
    return quantum_volume(num_qubits, num_qubits, seed=7)


def ansatz(num_qubits: int) -> QuantumCircuit:
    """A hardware-efficient ansatz: five layers of RY, RZ and a chain of CNOTs, and one of RY, RZ."""
    rng = np.random.default_rng(3)
    circuit = QuantumCircuit(num_qubits)
    for layer in range(6):
        for qubit in range(num_qubits):
            circuit.ry(float(rng.uniform(0, 6)), qubit)
            circuit.rz(float(rng.uniform(0, 6)), qubit)
        for qubit in range(num_qubits - 1 if layer < 5 else 0):
            circuit.cx(qubit, qubit + 1)
    return circuit


def qaoa(num_qubits: int) -> QuantumCircuit:
    """Five layers of QAOA for maximum cut on a random 3-regular graph."""
    rng, shuffled = np.random.default_rng(4), random.Random(5)
    edges: set[tuple[int, int]] = set()
    while not edges:
        points = [qubit for qubit in range(num_qubits) for _ in range(3)]
        shuffled.shuffle(points)
        pairs = {(min(pair), max(pair)) for pair in zip(points[::2], points[1::2], strict=True)}
        if len(pairs) == len(points) // 2 and all(a != b for a, b in pairs):
            edges = pairs
    circuit = QuantumCircuit(num_qubits)
    circuit.h(range(num_qubits))
    for _ in range(5):
        gamma, beta = rng.uniform(0, 3, 2)
        for a, b in sorted(edges):
            circuit.rzz(float(gamma), a, b)
        circuit.rx(float(beta), range(num_qubits))
    return circuit


def ising(num_qubits: int) -> QuantumCircuit:
    """Ten Trotter steps of the transverse-field Ising chain."""
    circuit = QuantumCircuit(num_qubits)
    for _ in range(10):
        for first in (0, 1):
            for qubit in range(first, num_qubits - 1, 2):
                circuit.rzz(0.2, qubit, qubit + 1)
        circuit.rx(0.3, range(num_qubits))
    return circuit


def clifford_t(num_qubits: int) -> QuantumCircuit:
    """Twenty random Clifford+T gates per qubit."""
    rng = random.Random(11)
    circuit = QuantumCircuit(num_qubits)
    for _ in range(20 * num_qubits):
        kind = rng.random()
        control, target = rng.sample(range(num_qubits), 2)
        if kind < 0.35:
            circuit.cx(control, target)
        elif kind < 0.6:
            circuit.h(target)
        elif kind < 0.8:
            circuit.s(target)
        else:
            circuit.t(target)
    return circuit


FAMILIES: dict[str, Callable[[int], QuantumCircuit]] = {
    "qft": qft,
    "ghz": ghz,
    "volume": volume,
    "ansatz": ansatz,
    "qaoa": qaoa,
    "ising": ising,
    "clifford_t": clifford_t,
}


def exists(family: str, num_qubits: int) -> bool:
    """Whether a family has a circuit of this size: 3-regular graphs have an even number of nodes."""
    return family != "qaoa" or (num_qubits >= 4 and num_qubits % 2 == 0)


def sizes(text: str) -> list[int]:
    """``2-6,10`` as a list of numbers."""
    numbers: list[int] = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        numbers.extend(range(int(first), int(last or first) + 1))
    return numbers
