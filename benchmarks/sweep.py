# SPDX-License-Identifier: Apache-2.0
"""How much faster than its peers does the statevector engine run one circuit at many points?

A hardware-efficient ansatz (layers of RY, RZ and a chain of CNOTs) at random angles, its amplitudes at each point;
everything is counted, ours from lowered circuit to outcomes. Peers are Aer's ``parameter_binds`` and qulacs, whose
circuit gets other angles, in one process and in turns; the table shows each peer's median time divided by ours. They
are the extra ``bench``:

    pip install -e '.[bench]'
    python benchmarks/sweep.py --sizes 4,8,12 --threads 1
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from _circuits import sizes
from qiskit import QuantumCircuit
from qiskit.circuit import ParameterVector

from qfleet.lowering import lower
from qfleet_worker.engines.base import Experiment
from qfleet_worker.engines.statevector import StatevectorEngine

Run = Callable[[], object]
#: Layers with CNOTs.
LAYERS = 3


def ansatz(num_qubits: int) -> tuple[QuantumCircuit, ParameterVector]:
    """The circuit and its angles."""
    angles = ParameterVector("angle", 2 * num_qubits * (LAYERS + 1))
    circuit = QuantumCircuit(num_qubits)
    of_gates = iter(angles)
    for layer in range(LAYERS + 1):
        for qubit in range(num_qubits):
            circuit.ry(next(of_gates), qubit)
            circuit.rz(next(of_gates), qubit)
        for qubit in range(num_qubits - 1 if layer < LAYERS else 0):
            circuit.cx(qubit, qubit + 1)
    return circuit, angles


def ours(circuit: QuantumCircuit, points: np.ndarray, threads: int) -> Run:
    """Our engine, which compiles the circuit each time."""
    program = lower(circuit.assign_parameters(points[0]))
    experiment = Experiment(program, 1, 1, output="statevector", threads=threads)
    return lambda: list(StatevectorEngine().sweep(experiment, points, range(len(points))))


def aer(circuit: QuantumCircuit, angles: ParameterVector, points: np.ndarray, threads: int) -> Run:
    """Aer's statevector method."""
    from qiskit_aer import AerSimulator

    backend = AerSimulator(method="statevector", max_parallel_threads=threads)
    saving = circuit.copy()
    saving.save_statevector()
    binds = [{angle: points[:, at].tolist() for at, angle in enumerate(angles)}]
    return lambda: backend.run([saving], shots=1, parameter_binds=binds).result()


def qulacs(circuit: QuantumCircuit, points: np.ndarray) -> Run:
    """qulacs; its threads are OMP_NUM_THREADS. The angles are in the order of the gates."""
    import qulacs as module

    parametric: Any = module.ParametricQuantumCircuit(circuit.num_qubits)
    index = {bit: at for at, bit in enumerate(circuit.qubits)}
    for instruction in circuit.data:
        qubits = [index[bit] for bit in instruction.qubits]
        if instruction.name == "ry":
            parametric.add_parametric_RY_gate(qubits[0], 0.0)
        elif instruction.name == "rz":
            parametric.add_parametric_RZ_gate(qubits[0], 0.0)
        else:
            parametric.add_CNOT_gate(*qubits)
    state = module.QuantumState(circuit.num_qubits)

    def run() -> None:
        for point in points.tolist():
            for at, angle in enumerate(point):
                parametric.set_parameter(at, -angle)
            state.set_zero_state()
            parametric.update_quantum_state(state)
            state.get_vector()

    return run


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=sizes, default="4,8,12", help="numbers of qubits, as 2-6,10 (default: 4,8,12)")
    parser.add_argument("--points", type=int, default=1000)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--repeats", type=int, default=7)
    arguments = parser.parse_args()
    # OpenMP reads it when the first peer is imported.
    os.environ["OMP_NUM_THREADS"] = str(arguments.threads)
    print(f"{arguments.points} points, {arguments.threads} threads: our microseconds per point; peer / ours")
    for num_qubits in arguments.sizes:
        circuit, angles = ansatz(num_qubits)
        points = np.random.default_rng(1).uniform(0, 6, (arguments.points, len(angles)))
        runs = {
            "ours": ours(circuit, points, arguments.threads),
            "aer": aer(circuit, angles, points, arguments.threads),
            "qulacs": qulacs(circuit, points),
        }
        times: dict[str, list[float]] = {name: [] for name in runs}
        for turn in range(arguments.repeats + 1):
            for name, run in runs.items():
                begin = time.perf_counter()
                run()
                # The first turn warms up.
                if turn:
                    times[name].append(time.perf_counter() - begin)
        medians = {name: statistics.median(values) for name, values in times.items()}
        cells = [f"{name} {medians[name] / medians['ours']:6.1f}" for name in ("aer", "qulacs")]
        print(f"  {num_qubits:2d} qubits  ours {medians['ours'] / arguments.points * 1e6:8.2f}", *cells, flush=True)


if __name__ == "__main__":
    main()
