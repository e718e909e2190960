# SPDX-License-Identifier: Apache-2.0
"""Circuits for matrix product states, and their runs by Maestro."""

from __future__ import annotations

import numpy as np
from _measure import Run
from qiskit import QuantumCircuit, qasm2, transpile
from qiskit.transpiler.passes import RemoveBarriers


def brickwork(num_qubits: int, layers: int) -> QuantumCircuit:
    """Return layers of random rotations and CX between neighbours, measured."""
    rng = np.random.default_rng(3)
    circuit = QuantumCircuit(num_qubits)
    for layer in range(layers):
        for qubit in range(num_qubits):
            circuit.rx(rng.uniform(0, 2 * np.pi), qubit)
            circuit.rz(rng.uniform(0, 2 * np.pi), qubit)
        for qubit in range(layer % 2, num_qubits - 1, 2):
            circuit.cx(qubit, qubit + 1)
    circuit.measure_all()
    return circuit


def ring(num_qubits: int, layers: int) -> QuantumCircuit:
    """Return QAOA for the largest cut of a ring, measured."""
    rng = np.random.default_rng(1)
    circuit = QuantumCircuit(num_qubits)
    circuit.h(range(num_qubits))
    for _ in range(layers):
        cost, mix = rng.uniform(0.2, 1, 2)
        for qubit in range(num_qubits):
            circuit.rzz(2 * cost, qubit, (qubit + 1) % num_qubits)
        circuit.rx(2 * mix, range(num_qubits))
    circuit.measure_all()
    return circuit


def maestro_counts(circuit: QuantumCircuit, shots: int, bond: int | None) -> Run:
    """Return a run by Qoro's Maestro, which ``OMP_NUM_THREADS`` gives its threads.

    Args:
        circuit: the circuit.
        shots: its shots.
        bond: the most values of a bond; None for no limit.
    """
    import maestro

    config = maestro.SimulatorConfig(
        simulator_type=maestro.SimulatorType.QCSim,
        simulation_type=maestro.SimulationType.MatrixProductState,
        max_bond_dimension=bond,
    )
    # Its parser knows neither RZZ nor barriers before measurements.
    known = transpile(RemoveBarriers()(circuit), basis_gates=["h", "rx", "rz", "cx"], optimization_level=0)
    text = qasm2.dumps(known)
    return lambda: maestro.simple_execute(text, config, shots)
