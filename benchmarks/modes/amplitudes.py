# SPDX-License-Identifier: Apache-2.0
"""From a QuantumCircuit to its amplitudes, everything counted: lowering or translation, compiling, and the run."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from _circuits import FAMILIES, circuits
from _experiments import make_experiment
from _measure import Comparison, Options, Row, Run
from _peers import aer_amplitudes, basic_run, qulacs_amplitudes, statevector_run
from qiskit import QuantumCircuit

from qfleet.lowering.lower import lower
from qfleet_worker.engines.statevector.simulator import StatevectorSimulator

from . import run

SIZES = (4, 10, 16)


def ours(circuit: QuantumCircuit, threads: int) -> Run:
    """Return a run of lowering and the engine."""
    engine = StatevectorSimulator()
    return lambda: engine.run(make_experiment(lower(circuit), 1, 1, output="statevector", threads=threads))


def contenders(circuit: QuantumCircuit, threads: int) -> dict[str, Callable[[], Run]]:
    """Return functions that make the runs to compare."""
    makers = {
        "ours": lambda: ours(circuit, threads),
        "aer": lambda: aer_amplitudes(circuit, threads),
        "qulacs": lambda: qulacs_amplitudes(circuit, light=False),
        "qulacs_light": lambda: qulacs_amplitudes(circuit, light=True),
    }
    if circuit.num_qubits <= run.SMALL:
        makers["statevector"] = lambda: statevector_run(circuit)
        makers["basic"] = lambda: basic_run(circuit)
    return makers


def measure(options: Options) -> Iterator[Row]:
    """Yield a row for each family and size."""
    comparison = Comparison(options)
    for num_qubits, family, circuit in circuits(options.sizes or SIZES, options.families or [*FAMILIES]):
        yield comparison.compare("amplitudes", family, num_qubits, contenders(circuit, options.threads))
