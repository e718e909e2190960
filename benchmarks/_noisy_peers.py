# SPDX-License-Identifier: Apache-2.0
"""Noisy runs by the peers, to counts.

Each peer is imported when it is first needed.
"""

from __future__ import annotations

from typing import Any

from _measure import Run
from _noisy import ONE, TWO, Work
from qiskit import QuantumCircuit
from qiskit.circuit.library import UGate


def aer_counts(work: Work, threads: int, shots: int, **options: Any) -> Run:
    """Return a run by Aer.

    Args:
        work: the circuits.
        threads: the number of threads.
        shots: the shots of each circuit.
        options: other options of `AerSimulator`.
    """
    from qiskit_aer import AerSimulator

    simulator = AerSimulator(noise_model=work.model, max_parallel_threads=threads, **options)
    circuits = list(work.circuits)
    return lambda: simulator.run(circuits, shots=shots, seed_simulator=1).result().get_counts()


def qulacs_counts(circuit: QuantumCircuit, shots: int, one: float = ONE, two: float = TWO) -> Run:
    """Return a run by qulacs of U and CX with depolarization.

    Its simulator runs equal patterns of errors once. ``OMP_NUM_THREADS`` sets its threads.

    Args:
        circuit: the circuit.
        shots: the number of shots.
        one: Aer's parameter of the depolarization after U.
        two: that after CX.
    """
    import qulacs
    from qulacs import gate

    made = qulacs.QuantumCircuit(circuit.num_qubits)
    for name, qubits, angles in _gates(circuit):
        # Aer's parameter counts the identity among the errors.
        if name == "u":
            theta, phi, lam = angles
            made.add_gate(gate.U3(*qubits, theta, phi, lam))
            made.add_gate(gate.DepolarizingNoise(*qubits, one * 3 / 4))
        else:
            made.add_gate(gate.CNOT(*qubits))
            made.add_gate(gate.TwoQubitDepolarizingNoise(*qubits, two * 15 / 16))
    simulator = qulacs.NoiseSimulator(made, qulacs.QuantumState(circuit.num_qubits))
    return lambda: simulator.execute(shots)


def qsim_counts(circuit: QuantumCircuit, threads: int, shots: int) -> Run:
    """Return a run by qsim of U and CX with depolarization.

    qsim computes in single precision.
    """
    import cirq
    import qsimcirq

    line, operations = cirq.LineQubit.range(circuit.num_qubits), []
    for name, qubits, angles in _gates(circuit):
        on = [line[qubit] for qubit in qubits]
        if name == "u":
            operations.append(cirq.MatrixGate(UGate(*angles).to_matrix())(*on))
            operations.append(cirq.depolarize(ONE * 3 / 4)(*on))
        else:
            operations.append(cirq.CNOT(*on))
            operations.append(cirq.depolarize(TWO * 15 / 16, 2)(*on))
    operations.append(cirq.measure(*line, key="m"))
    simulator = qsimcirq.QSimSimulator(qsimcirq.QSimOptions(cpu_threads=threads))
    noisy = cirq.Circuit(operations)
    return lambda: simulator.run(noisy, repetitions=shots)


def _gates(circuit: QuantumCircuit) -> list[tuple[str, list[int], list[float]]]:
    """Return name, qubits and angles (in radians) of each U and CX."""
    index = {bit: at for at, bit in enumerate(circuit.qubits)}
    return [
        (each.name, [index[bit] for bit in each.qubits], [float(angle) for angle in each.params])
        for each in circuit.data
        if each.name in ("u", "cx")
    ]
