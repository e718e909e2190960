# SPDX-License-Identifier: Apache-2.0
"""Random Clifford circuits with measurements, resets and classical control."""

from __future__ import annotations

import math

import numpy as np
from qiskit.circuit import QuantumCircuit
from qiskit.circuit.library import XGate, YGate, ZGate
from qiskit.quantum_info import Operator, random_clifford

ONE = ("h", "s", "sdg", "x", "y", "z", "sx", "sxdg")
TWO = ("cx", "cy", "cz", "swap", "iswap", "dcx", "ecr")


def random_circuit(
    rng: np.random.Generator, qubits: int, clbits: int, length: int, *, flow: bool = True, events: bool = True
) -> QuantumCircuit:
    """Return a random Clifford circuit.

    Args:
        rng: makes it.
        qubits: their number.
        clbits: their number, at least 1.
        length: operations outside of blocks.
        flow: whether blocks depend on clbits.
        events: whether it measures and resets on the way.
    """
    circuit = QuantumCircuit(qubits, clbits)
    for _ in range(length):
        draw = rng.random()
        if events and draw < 0.2:
            _add_event(circuit, rng)
        elif events and flow and draw < 0.3:
            _add_block(circuit, rng)
        else:
            _add_gate(circuit, rng)
    return circuit


def _add_gate(circuit: QuantumCircuit, rng: np.random.Generator) -> None:
    qubits = rng.permutation(circuit.num_qubits)[:2].tolist()
    kind = int(rng.integers(8))
    if kind < 3 or len(qubits) < 2:
        getattr(circuit, str(rng.choice(ONE)))(qubits[0])
    elif kind < 5:
        getattr(circuit, str(rng.choice(TWO)))(*qubits)
    elif kind == 5:
        circuit.rz(int(rng.integers(-4, 5)) * math.pi / 2, qubits[0])
        circuit.rzz(int(rng.integers(-4, 5)) * math.pi / 2, *qubits)
    elif kind == 6:
        circuit.append([XGate, YGate, ZGate][int(rng.integers(3))]().control(1, ctrl_state=0), qubits)
    else:
        circuit.unitary(Operator(random_clifford(2, seed=int(rng.integers(1 << 30)))), qubits)


def _add_event(circuit: QuantumCircuit, rng: np.random.Generator) -> None:
    qubit = int(rng.integers(circuit.num_qubits))
    if rng.random() < 0.7:
        circuit.measure(qubit, int(rng.integers(circuit.num_clbits)))
    else:
        circuit.reset(qubit)


def _add_block(circuit: QuantumCircuit, rng: np.random.Generator) -> None:
    condition = circuit.clbits[int(rng.integers(circuit.num_clbits))], int(rng.integers(2))
    kind, qubit = int(rng.integers(4)), int(rng.integers(circuit.num_qubits))
    if kind == 0:
        with circuit.if_test(condition):
            getattr(circuit, str(rng.choice(("x", "y", "z"))))(qubit)
    elif kind == 1:
        with circuit.if_test(condition) as otherwise:
            _add_gate(circuit, rng)
            _add_event(circuit, rng)
        with otherwise:
            _add_gate(circuit, rng)
    elif kind == 2:
        with circuit.for_loop(range(2)):
            _add_gate(circuit, rng)
            _add_event(circuit, rng)
    else:
        with circuit.while_loop(condition):
            circuit.h(qubit)
            circuit.measure(qubit, condition[0])
