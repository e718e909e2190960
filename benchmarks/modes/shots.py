# SPDX-License-Identifier: Apache-2.0
"""The time of counts beyond the run.

The run is that of the mode `run`: the compiled circuit on a state that is there. The engine with counts takes a program
to the distinct outcomes and their counts, in turns with it. One thread is measured by the processor's time, since other
processes may take more time than the difference.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

from _circuits import FAMILIES
from _measure import Options, Row, Run, compare
from qiskit import ClassicalRegister, QuantumCircuit

from modes.run import ours
from qfleet.lowering.lower import lower
from qfleet_worker.engines.contract import Experiment
from qfleet_worker.engines.statevector.simulator import StatevectorSimulator

SIZES = (16, 20, 22, 24)
DEFAULT_FAMILIES = ("h", "ghz", "qft", "volume")
SHOTS = 1024
#: Other numbers of shots, and the families and qubits that have them.
MORE_SHOTS = (1_000_000, 10_000_000)
MORE_SIZE, MORE_FAMILIES = 20, ("h", "ghz", "qft")
#: The qubits that are measured of some.
FEW, FEW_SIZE = (0, 5, 11, 17), 22


def hadamards(num_qubits: int) -> QuantumCircuit:
    """Return a Hadamard gate on each qubit."""
    circuit = QuantumCircuit(num_qubits)
    circuit.h(range(num_qubits))
    return circuit


def counts(circuit: QuantumCircuit, shots: int, threads: int) -> Run:
    """Return a run of the engine from a program to counts."""
    engine, program = StatevectorSimulator(), lower(circuit)
    return lambda: engine.run(Experiment(program, shots, seed=1, threads=threads))


def measured(circuit: QuantumCircuit, qubits: tuple[int, ...]) -> QuantumCircuit:
    """Return a circuit with measurements of some qubits at its end."""
    found = circuit.copy()
    found.add_register(ClassicalRegister(len(qubits)))
    found.measure(qubits, range(len(qubits)))
    return found


def cases(num_qubits: int, family: str) -> Iterator[tuple[str, int, tuple[int, ...]]]:
    """Yield names, shots and measured qubits for a circuit."""
    everything = tuple(range(num_qubits))
    yield f"{SHOTS} shots", SHOTS, everything
    if num_qubits == MORE_SIZE and family in MORE_FAMILIES:
        for shots in MORE_SHOTS:
            yield f"{shots} shots", shots, everything
    if num_qubits == FEW_SIZE:
        for shots in (SHOTS, MORE_SHOTS[0]):
            yield f"{shots} shots, {len(FEW)} qubits measured", shots, FEW


def measure(options: Options) -> Iterator[Row]:
    """Yield a row for each circuit and number of shots."""
    makers = FAMILIES | {"h": hadamards}
    for num_qubits in options.sizes or SIZES:
        for family in options.families or DEFAULT_FAMILIES:
            circuit = makers[family](num_qubits)
            for name, shots, qubits in cases(num_qubits, family):
                runs = {
                    "run": ours(circuit, options.threads, "double"),
                    "counts": counts(measured(circuit, qubits), shots, options.threads),
                }
                clock = time.process_time if options.threads == 1 else time.perf_counter
                found = compare(runs, options.repeats, options.budget_seconds, clock)
                values = {
                    "run, ms": found["run"] * 1e3,
                    "with counts, ms": found["counts"] * 1e3,
                    "beyond the run, ms": max(found["counts"] - found["run"], 0) * 1e3,
                }
                yield Row("shots", f"{family}, {name}", num_qubits, values)
