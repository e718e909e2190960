# SPDX-License-Identifier: Apache-2.0
"""How much faster than its peers is the statevector engine?

For each family of circuits and each number of qubits, all run the same circuit in one process, in turns; the table
shows each peer's median time divided by ours. Two modes:

run         The circuit is converted and compiled beforehand, and a state is ready where the peer lets one be kept.
amplitudes  From a QuantumCircuit to its amplitudes, everything counted, our lowering among it.

Peers are Aer's statevector method, qulacs without and with its light optimizer, qsim (single precision, compared with
our single precision; gates fused to 2 and to 4 qubits), Qiskit's BasicSimulator and Statevector (small sizes). They are
the extra ``bench``:

    pip install -e '.[bench]'
    python benchmarks/engine.py --sizes 20,24 --threads 2 --json ratios.json
    python benchmarks/engine.py --mode amplitudes --sizes 4,10,16
"""

from __future__ import annotations

import argparse
import gc
import json
import math
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from _circuits import FAMILIES, exists, sizes
from qiskit import transpile
from qiskit.providers.basic_provider import BasicSimulator
from qiskit.quantum_info import Statevector

from qfleet.lowering import lower
from qfleet_worker.engines.base import Experiment
from qfleet_worker.engines.statevector import StatevectorEngine
from qfleet_worker.engines.statevector.plan import compile_program
from qfleet_worker.engines.statevector.state import State
from qfleet_worker.engines.statevector.threads import Crew

Run = Callable[[], object]

PEERS = ["aer", "qulacs", "qulacs_light", "qsim", "qsim_4"]


# ---------------------------------------------------------------------------------------------------------------- peers


def ours(circuit: Any, threads: int, mode: str, precision: str) -> Run:
    """Our engine."""
    if mode == "amplitudes":
        engine = StatevectorEngine()
        return lambda: engine.run(
            Experiment(lower(circuit), 1, 1, output="statevector", precision=precision, threads=threads)
        )
    lane_bits, dtype = (2, np.complex128) if precision == "double" else (3, np.complex64)
    plan = compile_program(lower(circuit), lane_bits, threads)
    state = State(plan.num_wires, np.dtype(dtype), Crew(threads))

    def run() -> None:
        state.clear()
        for at in range(len(plan.steps)):
            state.apply(plan.steps, at)
        state.settle()

    return run


def aer(circuit: Any, threads: int, mode: str) -> Run:
    """Aer's statevector method. Only one amplitude is saved where the amplitudes aren't asked for."""
    from qiskit_aer import AerSimulator

    backend = AerSimulator(method="statevector", max_parallel_threads=threads)
    if mode == "run":
        saving = circuit.copy()
        saving.save_amplitudes([0])
        return lambda: backend.run(saving, shots=1).result()

    def run() -> object:
        saving = circuit.copy()
        saving.save_statevector()
        return backend.run(saving, shots=1).result().data(0)["statevector"]

    return run


def to_qulacs(circuit: Any) -> Any:
    """The circuit for qulacs, whose rotations turn the other way."""
    import qulacs
    from qulacs import gate

    fixed = {"h": gate.H, "s": gate.S, "t": gate.T, "cx": gate.CNOT, "swap": gate.SWAP}
    turned = {"rx": gate.RX, "ry": gate.RY, "rz": gate.RZ}
    index = {bit: at for at, bit in enumerate(circuit.qubits)}
    result = qulacs.QuantumCircuit(circuit.num_qubits)
    for instruction in circuit.data:
        name, qubits = instruction.name, [index[bit] for bit in instruction.qubits]
        if name in fixed:
            result.add_gate(fixed[name](*qubits))
        elif name in turned:
            result.add_gate(turned[name](*qubits, -float(instruction.params[0])))
        elif name == "rzz":
            result.add_gate(gate.PauliRotation(qubits, [3, 3], -float(instruction.params[0])))
        elif name == "cp":
            result.add_gate(gate.DiagonalMatrix(qubits, [1, 1, 1, np.exp(1j * float(instruction.params[0]))]))
        else:
            result.add_gate(gate.DenseMatrix(qubits, instruction.operation.to_matrix()))
    return result


def qulacs(circuit: Any, mode: str, light: bool) -> Run:
    """qulacs; its threads are OMP_NUM_THREADS."""
    import qulacs as module

    def prepared() -> Any:
        result = to_qulacs(circuit)
        if light:
            module.circuit.QuantumCircuitOptimizer().optimize_light(result)
        return result

    if mode == "amplitudes":

        def whole() -> object:
            state = module.QuantumState(circuit.num_qubits)
            prepared().update_quantum_state(state)
            return state.get_vector()

        return whole
    ready, state = prepared(), module.QuantumState(circuit.num_qubits)

    def run() -> None:
        state.set_zero_state()
        ready.update_quantum_state(state)

    return run


def qsim(circuit: Any, threads: int, fused: int) -> Run:
    """qsim, single precision, on a circuit that was translated beforehand; its gates are fused to `fused` qubits."""
    import cirq
    import qsimcirq

    line = cirq.LineQubit.range(circuit.num_qubits)
    index = {bit: at for at, bit in enumerate(circuit.qubits)}
    fixed = {"h": cirq.H, "s": cirq.S, "t": cirq.T, "cx": cirq.CNOT, "swap": cirq.SWAP}
    turned = {"rx": cirq.rx, "ry": cirq.ry, "rz": cirq.rz}
    operations = []
    for instruction in circuit.data:
        name, qubits = instruction.name, [line[index[bit]] for bit in instruction.qubits]
        if name in fixed:
            operations.append(fixed[name](*qubits))
        elif name in turned:
            operations.append(turned[name](float(instruction.params[0]))(*qubits))
        elif name == "rzz":
            operations.append(cirq.ZZPowGate(exponent=float(instruction.params[0]) / math.pi)(*qubits))
        elif name == "cp":
            operations.append(cirq.CZPowGate(exponent=float(instruction.params[0]) / math.pi)(*qubits))
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


def contenders(circuit: Any, threads: int, mode: str, peers: list[str]) -> dict[str, Run]:
    """What is run: ours, and the peers that are wanted and suit the size."""
    small = circuit.num_qubits <= 12
    makers: dict[str, Callable[[], Run]] = {
        "ours": lambda: ours(circuit, threads, mode, "double"),
        "ours_single": lambda: ours(circuit, threads, mode, "single"),
        "aer": lambda: aer(circuit, threads, mode),
        "qulacs": lambda: qulacs(circuit, mode, light=False),
        "qulacs_light": lambda: qulacs(circuit, mode, light=True),
        "statevector": lambda: lambda: Statevector(circuit),
        "basic": lambda: basic(circuit, BasicSimulator()),
        "qsim": lambda: qsim(circuit, threads, 2),
        "qsim_4": lambda: qsim(circuit, threads, 4),
    }
    unsuited = {"statevector", "basic"} if not small else set()
    if mode == "amplitudes":
        unsuited |= {"qsim", "qsim_4", "ours_single"}
    single = any(name.startswith("qsim") for name in peers)
    chosen = ["ours", *(["ours_single"] if single else []), *peers]
    runs = {}
    for name in chosen:
        if name not in unsuited:
            try:
                runs[name] = makers[name]()
            except ModuleNotFoundError as exc:
                print(f"  {name} is left out, {exc.name} isn't installed: pip install -e '.[bench]'")
    return runs


def basic(circuit: Any, simulator: Any) -> Run:
    """Qiskit's BasicSimulator, on a circuit that was transpiled and measured beforehand."""
    measured = transpile(circuit, simulator, optimization_level=0)
    measured.measure_all()
    return lambda: simulator.run(measured, shots=1).result()


# ------------------------------------------------------------------------------------------------------------ measuring


def seconds(run: Run) -> float:
    """How long one call takes."""
    begin = time.perf_counter()
    run()
    return time.perf_counter() - begin


def compare(runs: dict[str, Run], repeats: int, budget_seconds: float) -> dict[str, float]:
    """Median seconds of each, all running in turns; at least one turn after the one that warms up."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    for run in runs.values():
        run()
    begin = time.perf_counter()
    for _ in range(repeats):
        for name, run in runs.items():
            times[name].append(seconds(run))
        if time.perf_counter() - begin > budget_seconds:
            break
    return {name: statistics.median(values) for name, values in times.items()}


def geometric_mean(values: list[float]) -> float:
    """The geometric mean."""
    return math.exp(statistics.fmean(math.log(value) for value in values))


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mode", choices=["run", "amplitudes"], default="run")
    parser.add_argument("--sizes", type=sizes, default="20", help="numbers of qubits, as 2-6,10 (default: 20)")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--families", type=lambda text: text.split(","), default=list(FAMILIES))
    parser.add_argument("--peers", type=lambda text: text.split(","), default=PEERS)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--budget", type=float, default=20, help="seconds for each circuit, roughly (default: 20)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the seconds of each run here")
    arguments = parser.parse_args()
    # OpenMP reads it when the first peer is imported.
    os.environ["OMP_NUM_THREADS"] = str(arguments.threads)
    records = []
    for num_qubits in arguments.sizes:
        print(f"{num_qubits} qubits, {arguments.threads} threads, {arguments.mode}: our milliseconds; peer / ours")
        ratios: dict[str, list[float]] = {}
        for family in arguments.families:
            if not exists(family, num_qubits):
                continue
            runs = contenders(FAMILIES[family](num_qubits), arguments.threads, arguments.mode, arguments.peers)
            times = compare(runs, arguments.repeats, arguments.budget)
            cells = [f"ours {times['ours'] * 1e3:9.3f}"]
            if "ours_single" in times:
                cells.append(f"single {times['ours_single'] * 1e3:8.3f}")
            for name in times:
                if not name.startswith("ours"):
                    ratio = times[name] / times["ours_single" if name.startswith("qsim") else "ours"]
                    ratios.setdefault(name, []).append(ratio)
                    cells.append(f"{name} {ratio:6.2f}")
            print(f"  {family:11s}", *cells, flush=True)
            records.append(
                {"family": family, "qubits": num_qubits, "threads": arguments.threads, "mode": arguments.mode, **times}
            )
            del runs
            gc.collect()
        for name, values in ratios.items():
            print(f"  {name}: geometric mean {geometric_mean(values):.2f}, smallest {min(values):.2f}", flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps(records, indent=2) + "\n")


if __name__ == "__main__":
    main()
