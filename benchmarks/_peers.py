# SPDX-License-Identifier: Apache-2.0
"""Runs of a circuit by the peers.

Each peer is imported when it is first needed.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from _measure import Run
from qiskit import QuantumCircuit, transpile
from qiskit.providers.basic_provider import BasicSimulator
from qiskit.quantum_info import Statevector

#: The most qubits for Qiskit's own simulators.
SMALL = 12


def aer_backend(threads: int) -> Any:
    """Return Aer's backend with the statevector method."""
    from qiskit_aer import AerSimulator

    return AerSimulator(method="statevector", max_parallel_threads=threads)


def aer_run(circuit: QuantumCircuit, threads: int) -> Run:
    """Return a run by Aer that saves one amplitude only."""
    backend, saving = aer_backend(threads), circuit.copy()
    saving.save_amplitudes([0])
    return lambda: backend.run(saving, shots=1).result()


def aer_amplitudes(circuit: QuantumCircuit, threads: int) -> Run:
    """Return a run by Aer, from a circuit to its amplitudes."""
    backend = aer_backend(threads)

    def run() -> object:
        saving = circuit.copy()
        saving.save_statevector()
        return backend.run(saving, shots=1).result().data(0)["statevector"]

    return run


def aer_counts(circuit: QuantumCircuit, shots: int, threads: int) -> Run:
    """Return a run by Aer, from a circuit to its counts."""
    backend = aer_backend(threads)
    return lambda: backend.run(circuit, shots=shots, seed_simulator=1).result().data(0)["counts"]


def to_qulacs(circuit: QuantumCircuit, parametric: bool = False) -> Any:
    """Return the circuit for qulacs, whose rotations turn the other way.

    Args:
        circuit: the circuit.
        parametric: True to make each rotation a gate with a parameter. The parameters then follow the order of the
            rotations.
    """
    import qulacs
    from qulacs import gate

    fixed = {
        "h": gate.H, "s": gate.S, "t": gate.T, "x": gate.X, "sx": gate.sqrtX, "cx": gate.CNOT, "cz": gate.CZ,
        "swap": gate.SWAP, "ccx": gate.TOFFOLI,
    }  # fmt: skip
    turned = {"rx": gate.RX, "ry": gate.RY, "rz": gate.RZ}
    if parametric:
        turned = {"rx": gate.ParametricRX, "ry": gate.ParametricRY, "rz": gate.ParametricRZ}
    index = {bit: at for at, bit in enumerate(circuit.qubits)}
    result = (qulacs.ParametricQuantumCircuit if parametric else qulacs.QuantumCircuit)(circuit.num_qubits)
    for instruction in circuit.data:
        name, qubits = instruction.name, [index[bit] for bit in instruction.qubits]
        if name in fixed:
            result.add_gate(fixed[name](*qubits))
        elif name in turned and parametric:
            result.add_parametric_gate(turned[name](*qubits, 0.0))
        elif name in turned:
            result.add_gate(turned[name](*qubits, -float(instruction.params[0])))
        elif name == "rzz":
            result.add_gate(gate.PauliRotation(qubits, [3, 3], -float(instruction.params[0])))
        elif name == "cp":
            result.add_gate(gate.DiagonalMatrix(qubits, [1, 1, 1, np.exp(1j * float(instruction.params[0]))]))
        else:
            result.add_gate(gate.DenseMatrix(qubits, instruction.operation.to_matrix()))
    return result


def _optimized(circuit: QuantumCircuit, light: bool) -> Any:
    from qulacs.circuit import QuantumCircuitOptimizer

    result = to_qulacs(circuit)
    if light:
        QuantumCircuitOptimizer().optimize_light(result)
    return result


def qulacs_run(circuit: QuantumCircuit, light: bool) -> Run:
    """Return a run by qulacs of a circuit translated beforehand.

    ``OMP_NUM_THREADS`` sets its threads.
    """
    from qulacs import QuantumState

    ready, state = _optimized(circuit, light), QuantumState(circuit.num_qubits)

    def run() -> None:
        state.set_zero_state()
        ready.update_quantum_state(state)

    return run


def qulacs_amplitudes(circuit: QuantumCircuit, light: bool) -> Run:
    """Return a run by qulacs, from a Qiskit circuit to its amplitudes."""
    from qulacs import QuantumState

    def run() -> object:
        state = QuantumState(circuit.num_qubits)
        _optimized(circuit, light).update_quantum_state(state)
        return state.get_vector()

    return run


def qsim_run(circuit: QuantumCircuit, threads: int, fused: int) -> Run:
    """Return a run by qsim of a circuit translated beforehand.

    qsim computes in single precision, and fuses gates to `fused` qubits.
    """
    import cirq
    import qsimcirq

    line = cirq.LineQubit.range(circuit.num_qubits)
    index = {bit: at for at, bit in enumerate(circuit.qubits)}
    fixed = {
        "h": cirq.H, "s": cirq.S, "t": cirq.T, "x": cirq.X, "sx": cirq.X**0.5, "cx": cirq.CNOT, "cz": cirq.CZ,
        "swap": cirq.SWAP, "ccx": cirq.CCX,
    }  # fmt: skip
    turned = {"rx": cirq.rx, "ry": cirq.ry, "rz": cirq.rz}
    operations = []
    for instruction in circuit.data:
        name, qubits = instruction.name, [line[index[bit]] for bit in instruction.qubits]
        if name in fixed:
            operations.append(fixed[name](*qubits))
        elif name in turned:
            operations.append(turned[name](float(instruction.params[0]))(*qubits))
        elif name in ("rzz", "cp"):
            power = cirq.ZZPowGate if name == "rzz" else cirq.CZPowGate
            operations.append(power(exponent=float(instruction.params[0]) / math.pi)(*qubits))
        else:
            # Cirq's first qubit is the highest bit of an index.
            operations.append(cirq.MatrixGate(instruction.operation.to_matrix())(*reversed(qubits)))
    simulator = qsimcirq.QSimSimulator(qsimcirq.QSimOptions(cpu_threads=threads, max_fused_gate_size=fused))
    options = dict(simulator.qsim_options)
    options["c"], _ = simulator._translate_circuit(
        qsimcirq.QSimCircuit(cirq.Circuit(operations)), "translate_cirq_to_qsim", line
    )
    options["s"] = 1
    return lambda: simulator._sim_module.qsim_simulate_fullstate(options, 0)


def qiskit_runs(circuit: QuantumCircuit) -> dict[str, Callable[[], Run]]:
    """Return makers of runs by Qiskit's own simulators, for small circuits only."""
    if circuit.num_qubits > SMALL:
        return {}
    return {"statevector": lambda: statevector_run(circuit), "basic": lambda: basic_run(circuit)}


def basic_run(circuit: QuantumCircuit) -> Run:
    """Return a run by Qiskit's BasicSimulator of a circuit transpiled beforehand."""
    simulator = BasicSimulator()
    measured = transpile(circuit, simulator, optimization_level=0)
    measured.measure_all()
    return lambda: simulator.run(measured, shots=1).result()


def statevector_run(circuit: QuantumCircuit) -> Run:
    """Return a run by Qiskit's Statevector."""
    return lambda: Statevector(circuit)
