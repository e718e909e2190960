# SPDX-License-Identifier: Apache-2.0
"""From a QuantumCircuit to its amplitudes.

The time includes lowering or translation, compiling, and the run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from _circuits import FAMILIES, circuits
from _measure import Comparison, Options, Row, Run
from _peers import aer_amplitudes, qiskit_runs, qulacs_amplitudes
from qiskit import QuantumCircuit

from qfleet.lowering.lower import lower
from qfleet.wire.messages.request import Output, Request
from qfleet_worker.engines.contract import Experiment
from qfleet_worker.engines.statevector.simulator import StatevectorSimulator

SIZES = (4, 10, 16)
REQUEST = Request(Output.STATEVECTOR)


def ours(circuit: QuantumCircuit, threads: int) -> Run:
    """Return a run of lowering and the engine."""
    engine = StatevectorSimulator()
    return lambda: engine.run(Experiment(lower(circuit), shots=1, seed=1, request=REQUEST, threads=threads))


def contenders(circuit: QuantumCircuit, threads: int) -> dict[str, Callable[[], Run]]:
    """Return functions that make the runs to compare."""
    makers = {
        "ours": lambda: ours(circuit, threads),
        "aer": lambda: aer_amplitudes(circuit, threads),
        "qulacs": lambda: qulacs_amplitudes(circuit, light=False),
        "qulacs_light": lambda: qulacs_amplitudes(circuit, light=True),
    }
    return makers | qiskit_runs(circuit)


def measure(options: Options) -> Iterator[Row]:
    """Yield a row for each family and size."""
    comparison = Comparison(options)
    for num_qubits, family, circuit in circuits(options.sizes or SIZES, options.families or [*FAMILIES]):
        yield comparison.compare("amplitudes", family, num_qubits, contenders(circuit, options.threads))
