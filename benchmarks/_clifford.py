# SPDX-License-Identifier: Apache-2.0
"""Clifford circuits for measurements, for Qiskit and for stim."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from _noisy import Work
from qiskit import QuantumCircuit
from qiskit.quantum_info import Clifford, random_clifford

#: The chance of an error at each place of a surface code.
ERROR = 1e-3
_ANNOTATIONS = ("DETECTOR", "OBSERVABLE_INCLUDE", "QUBIT_COORDS", "SHIFT_COORDS", "TICK")


def surface_code(distance: int, rounds: int = 10) -> Any:
    """Return a rotated surface code of stim's, with errors everywhere."""
    import stim

    return stim.Circuit.generated(
        "surface_code:rotated_memory_z",
        distance=distance,
        rounds=rounds,
        after_clifford_depolarization=ERROR,
        after_reset_flip_probability=ERROR,
        before_measure_flip_probability=ERROR,
        before_round_data_depolarization=ERROR,
    )


def from_stim(circuit: Any) -> QuantumCircuit:
    """Return Qiskit's circuit, with errors of Aer's as instructions."""
    made = QuantumCircuit(circuit.num_qubits, circuit.num_measurements)
    measured = 0
    for instruction in circuit.flattened():
        name = instruction.name
        qubits = [target.value for target in instruction.targets_copy() if target.is_qubit_target]
        if name in ("M", "MR"):
            clbits = range(measured, measured + len(qubits))
            made.measure(qubits, clbits)
            measured += len(qubits)
            if name == "MR":
                made.reset(qubits)
        elif name in ("H", "R"):
            (made.h if name == "H" else made.reset)(qubits)
        elif name == "CX":
            made.cx(qubits[::2], qubits[1::2])
        elif name not in _ANNOTATIONS:
            error = _error(name, *instruction.gate_args_copy())
            for at in range(0, len(qubits), error.num_qubits):
                made.append(error, qubits[at : at + error.num_qubits])
    return made


@cache
def _error(name: str, chance: float) -> Any:
    """Return an error of stim's as an instruction of Aer's."""
    from qiskit_aer.noise import depolarizing_error, pauli_error

    if name == "X_ERROR":
        return pauli_error([("X", chance), ("I", 1 - chance)]).to_instruction()
    size = {"DEPOLARIZE1": 1, "DEPOLARIZE2": 2}[name]
    # Aer's parameter counts the identity among the errors.
    return depolarizing_error(chance * 4**size / (4**size - 1), size).to_instruction()


def ghz(num_qubits: int) -> QuantumCircuit:
    """Return a GHZ state, measured."""
    circuit = QuantumCircuit(num_qubits)
    circuit.h(0)
    for qubit in range(num_qubits - 1):
        circuit.cx(qubit, qubit + 1)
    circuit.measure_all()
    return circuit


def ghz_of_stim(num_qubits: int) -> Any:
    """Return stim's circuit of a GHZ state, measured."""
    import stim

    circuit = stim.Circuit()
    circuit.append("H", [0])
    for qubit in range(num_qubits - 1):
        circuit.append("CX", [qubit, qubit + 1])
    circuit.append("M", range(num_qubits))
    return circuit


def feedback(num_qubits: int = 200, layers: int = 20, seed: int = 1) -> QuantumCircuit:
    """Return layers of random Clifford gates and measurements with feedback."""
    rng = np.random.default_rng(seed)
    circuit = QuantumCircuit(num_qubits, num_qubits + 10)
    gates = [circuit.h, circuit.s, circuit.sx, circuit.sdg]
    for _ in range(layers):
        for qubit in range(num_qubits):
            gates[int(rng.integers(4))](qubit)
        order = rng.permutation(num_qubits).tolist()
        circuit.cx(order[: num_qubits // 2], order[num_qubits // 2 :])
        for clbit, qubit in enumerate(order[:10]):
            circuit.measure(qubit, num_qubits + clbit)
            with circuit.if_test((circuit.clbits[num_qubits + clbit], 1)):
                circuit.x(order[-1 - clbit])
    circuit.measure(range(num_qubits), range(num_qubits))
    return circuit


def sequences(num_qubits: int = 5, circuits: int = 100, shots: int = 1000) -> Work:
    """Return sequences of random Cliffords with their inverses, and depolarization."""
    from qiskit_aer.noise import NoiseModel, depolarizing_error

    model = NoiseModel()
    model.add_all_qubit_quantum_error(depolarizing_error(1e-3, 1), ["h", "s", "sdg", "x", "y", "z"])
    model.add_all_qubit_quantum_error(depolarizing_error(1e-2, 2), ["cx", "cz", "swap"])
    made, seed = [], 0
    for number in range(circuits):
        circuit, done = QuantumCircuit(num_qubits), Clifford(np.eye(2 * num_qubits, dtype=bool))
        for _ in range(1 + number % 10):
            seed += 1
            clifford = random_clifford(num_qubits, seed=seed)
            done = done.compose(clifford)
            circuit.compose(clifford.to_circuit(), inplace=True)
        circuit.compose(done.adjoint().to_circuit(), inplace=True)
        circuit.measure_all()
        made.append(circuit)
    return Work(made, model, shots)
