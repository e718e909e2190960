# SPDX-License-Identifier: Apache-2.0
"""Noisy circuits for measurements, each with its noise model of Aer's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from qiskit import QuantumCircuit, transpile
from qiskit.quantum_info import Clifford, random_clifford

#: Depolarization after gates on one and on two qubits.
ONE, TWO = 1e-3, 1e-2
#: Nanoseconds: T1, and the lengths of gates on one and on two qubits.
RELAXATION = (50e3, 50, 300)


class Work(NamedTuple):
    """Circuits to run with a noise model."""

    circuits: Sequence[QuantumCircuit]
    #: a NoiseModel of Aer's
    model: Any
    #: of each circuit
    shots: int


def brick(num_qubits: int, layers: int, seed: int = 1) -> QuantumCircuit:
    """Return layers of random U, with CX on neighbours in turns."""
    rng = np.random.default_rng(seed)
    circuit = QuantumCircuit(num_qubits)
    for layer in range(layers):
        for qubit in range(num_qubits):
            circuit.u(*rng.uniform(-np.pi, np.pi, 3), qubit)
        for qubit in range(layer % 2, num_qubits - 1, 2):
            circuit.cx(qubit, qubit + 1)
    circuit.measure_all()
    return circuit


def depolarizing(one: float = ONE, two: float = TWO) -> Any:
    """Return a model with depolarization after U and CX."""
    from qiskit_aer.noise import NoiseModel, depolarizing_error

    model = NoiseModel()
    model.add_all_qubit_quantum_error(depolarizing_error(one, 1), ["u"])
    model.add_all_qubit_quantum_error(depolarizing_error(two, 2), ["cx"])
    return model


def relaxation(t2: float = 70e3) -> Any:
    """Return a model with relaxation during U and CX.

    T2, in nanoseconds, is larger than T1, so that the errors have Kraus operators. None of them does nothing if it is
    twice T1.
    """
    from qiskit_aer.noise import NoiseModel, thermal_relaxation_error

    t1, one, two = RELAXATION
    model = NoiseModel()
    model.add_all_qubit_quantum_error(thermal_relaxation_error(t1, t2, one), ["u"])
    error = thermal_relaxation_error(t1, t2, two)
    model.add_all_qubit_quantum_error(error.expand(error), ["cx"])
    return model


def device_of(name: str) -> Any:
    """Return a fake device of qiskit-ibm-runtime."""
    from qiskit_ibm_runtime import fake_provider

    return getattr(fake_provider, name)()


def on_device() -> Work:
    """Return rotations and CX chains on a fake device of five qubits."""
    from qiskit_aer.noise import NoiseModel

    device, rng = device_of("FakeManilaV2"), np.random.default_rng(3)
    circuit = QuantumCircuit(5)
    for _ in range(3):
        for qubit in range(5):
            circuit.ry(rng.uniform(0, 3), qubit)
            circuit.rz(rng.uniform(0, 3), qubit)
        for qubit in range(4):
            circuit.cx(qubit, qubit + 1)
    circuit.measure_all()
    ready = transpile(circuit, device, seed_transpiler=1, optimization_level=1)
    return Work([ready], NoiseModel.from_backend(device), 10_000)


def on_large_device() -> Work:
    """Return five gates on a fake device of 127 qubits."""
    from qiskit_aer.noise import NoiseModel

    device = device_of("FakeSherbrooke")
    circuit = QuantumCircuit(127, 2)
    circuit.sx(0)
    circuit.ecr(1, 0)
    circuit.x(1)
    circuit.sx(1)
    circuit.ecr(1, 2)
    circuit.measure([0, 1], [0, 1])
    return Work([circuit], NoiseModel.from_backend(device), 1000)


def randomized_benchmarking(samples: int = 6, shots: int = 1000) -> Work:
    """Return sequences of random Cliffords on two qubits of a fake device.

    Each ends with its inverse.
    """
    from qiskit_aer.noise import NoiseModel

    device, seed, circuits = device_of("FakeManilaV2"), 0, []
    for length in (1, 20, 60, 120, 200):
        for _ in range(samples):
            circuit, done = QuantumCircuit(2, name=f"{length} Cliffords"), Clifford(np.eye(4, dtype=bool))
            for _ in range(length):
                seed += 1
                clifford = random_clifford(2, seed=seed)
                done = done.compose(clifford)
                circuit.append(clifford.to_circuit().to_gate(), [0, 1])
                circuit.barrier()
            circuit.append(done.adjoint().to_circuit().to_gate(), [0, 1])
            circuit.measure_all()
            circuits.append(circuit)
    ready = transpile(circuits, device, initial_layout=[0, 1], optimization_level=1, seed_transpiler=1)
    return Work(ready, NoiseModel.from_backend(device), shots)
