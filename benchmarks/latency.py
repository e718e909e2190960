# SPDX-License-Identifier: Apache-2.0
"""The latency of a 2-qubit circuit on a warm local fleet.

The times are those from run() to its return, and from run() to the result.

    python benchmarks/latency.py [--jobs 300] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
from qiskit.circuit import QuantumCircuit

from qfleet import FleetProvider

_WARM_UP = 30


def main() -> None:
    """Run the measurement, and print or write the numbers."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=300, help="jobs that are measured")
    parser.add_argument("--json", type=Path, help="write the numbers to this file")
    arguments = parser.parse_args()

    circuit = QuantumCircuit(2)
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.measure_all()
    submitted, done = [], []
    with FleetProvider.local(workers=2) as provider:
        backend = provider.get_backend("automatic")
        for number in range(_WARM_UP + arguments.jobs):
            start = time.perf_counter()
            job = backend.run(circuit)
            sent = time.perf_counter()
            job.result()
            end = time.perf_counter()
            if number >= _WARM_UP:
                submitted.append(sent - start)
                done.append(end - start)
        server = provider.server

    report = {"server": server, "jobs": arguments.jobs}
    print(f"{arguments.jobs} jobs of one 2-qubit circuit, two local workers, {server}")
    print(f"{'ms':24} {'median':>8} {'p95':>8}")
    for name, seconds in (("run()", submitted), ("run() to result()", done)):
        median, p95 = (float(value) * 1e3 for value in np.percentile(seconds, [50, 95]))
        report[name] = {"median_ms": median, "p95_ms": p95}
        print(f"{name:24} {median:8.2f} {p95:8.2f}")
    if arguments.json:
        arguments.json.write_text(json.dumps(report, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main()
