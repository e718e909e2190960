# SPDX-License-Identifier: Apache-2.0
"""From a circuit that measures all qubits to a dictionary of counts.

The time includes the preparation of the state.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from _circuits import circuits
from _measure import Comparison, Options, Row, Run
from _peers import aer_counts
from qiskit import QuantumCircuit

from qfleet.lowering.lower import lower
from qfleet_worker.engines.contract import Experiment
from qfleet_worker.engines.statevector.simulator import StatevectorSimulator

SIZES = (24,)
SHOTS = (1024, 1_000_000)
#: Few gates on many amplitudes, and many.
DEFAULT_FAMILIES = ("ansatz", "qft")


def ours_counts(circuit: QuantumCircuit, shots: int, threads: int) -> Run:
    """Return a run from lowering to counts by hex outcomes, like Aer's."""
    engine = StatevectorSimulator()

    def run() -> dict[str, int]:
        outcome = engine.run(Experiment(lower(circuit), shots, seed=1, threads=threads))
        names = [hex(int.from_bytes(row, "little")) for row in map(bytes, outcome.outcomes)]
        return dict(zip(names, outcome.counts.tolist(), strict=True))

    return run


def contenders(circuit: QuantumCircuit, shots: int, threads: int) -> dict[str, Callable[[], Run]]:
    """Return functions that make the runs to compare."""
    return {
        "ours": lambda: ours_counts(circuit, shots, threads),
        "aer": lambda: aer_counts(circuit, shots, threads),
    }


def measure(options: Options) -> Iterator[Row]:
    """Yield a row for each size, family and number of shots."""
    comparison = Comparison(options)
    for num_qubits, family, circuit in circuits(options.sizes or SIZES, options.families or DEFAULT_FAMILIES):
        circuit.measure_all()
        for shots in SHOTS:
            makers = contenders(circuit, shots, options.threads)
            yield comparison.compare("counts", f"{family}, {shots} shots", num_qubits, makers)
