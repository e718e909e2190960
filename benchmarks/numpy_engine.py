# SPDX-License-Identifier: Apache-2.0
"""The speed of the numpy engine against Qiskit's BasicSimulator.

For each family of circuits and each number of qubits, both run the same circuit, transpiled to BasicSimulator's gates
beforehand, with all qubits measured and 1024 shots: ``BasicSimulator().run(circuit).result()`` against
``decode_program(blob)`` and ``NumpySimulator().run(...)``. The runs alternate; the table shows BasicSimulator's median
time divided by ours.

    python benchmarks/numpy_engine.py --sizes 2-12 --families qft,ghz --json ratios.json
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path

from _circuits import FAMILIES, exists, sizes
from _measure import compare, geometric_mean
from qiskit import QuantumCircuit, transpile
from qiskit.providers.basic_provider import BasicSimulator

from qfleet.lowering.lower import lower
from qfleet.wire.codec.programs import decode_program, encode_program
from qfleet_worker.engines.contract import Experiment
from qfleet_worker.engines.numpy.simulator import NumpySimulator

SHOTS = 1024


def against_basic(circuit: QuantumCircuit, repeats: int) -> tuple[float, float]:
    """Return the median seconds of BasicSimulator and of the engine."""
    basic, engine = BasicSimulator(), NumpySimulator()
    circuit = transpile(circuit, basic, optimization_level=0)
    circuit.measure_all()
    blob = encode_program(lower(circuit))

    def theirs() -> object:
        return basic.run(circuit, shots=SHOTS, seed_simulator=1).result()

    def ours() -> object:
        return engine.run(Experiment(decode_program(blob), SHOTS, seed=1))

    times = compare({"theirs": theirs, "ours": ours}, repeats, math.inf)
    return times["theirs"], times["ours"]


def main() -> None:
    """Run the measurement, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=sizes, default="2-20", help="numbers of qubits, as 2-6,10 (default: 2-20)")
    parser.add_argument("--families", type=lambda text: text.split(","), default=list(FAMILIES))
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the seconds of each run here")
    arguments = parser.parse_args()
    print("BasicSimulator's time / ours (our milliseconds)")
    print("qubits".ljust(7), *[name.rjust(17) for name in arguments.families])
    records = []
    for num_qubits in arguments.sizes:
        cells = []
        for name in arguments.families:
            if not exists(name, num_qubits):
                cells.append("-".rjust(17))
                continue
            repeats = 15 if num_qubits <= 10 else 5 if num_qubits <= 16 else 3 if num_qubits <= 18 else 1
            theirs, ours = against_basic(FAMILIES[name](num_qubits), repeats)
            cells.append(f"{theirs / ours:8.1f} ({ours * 1e3:.1f})".rjust(17))
            records.append({"family": name, "qubits": num_qubits, "basic_seconds": theirs, "engine_seconds": ours})
        print(str(num_qubits).ljust(7), *cells, flush=True)
    ratios = [record["basic_seconds"] / record["engine_seconds"] for record in records]
    print(f"smallest {min(ratios):.1f}, geometric mean {geometric_mean(ratios):.1f}")
    if arguments.json:
        arguments.json.write_text(json.dumps(records, indent=2) + "\n")


if __name__ == "__main__":
    main()
