# SPDX-License-Identifier: Apache-2.0
"""The latency of a 2-qubit circuit, beside Aer's.

The times are those from run() to its return, and from run() to the result. Aer runs in this process, in turns with the
fleet, if it is installed. Afterwards, some jobs are followed through the fleet, step by step.

    python benchmarks/latency.py [--jobs 300] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import redis
from _measure import machine
from _report import heading
from _timeline import timeline
from qiskit.circuit import QuantumCircuit

from qfleet import FleetProvider
from qfleet.wire.redis.broker import parse_broker

_WARM_UP = 30
#: The names of the rows.
_RUN, _WHOLE, _AER = "run()", "run() to result()", "Aer, run() to result()"


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
    about = machine()
    print(heading(about), flush=True)
    peer = aer()
    times: dict[str, list[float]] = {_RUN: [], _WHOLE: []} | ({_AER: []} if peer is not None else {})
    with FleetProvider.local(workers=2) as provider:
        backend = provider.get_backend("automatic")
        for number in range(_WARM_UP + arguments.jobs):
            if number == _WARM_UP:
                for seconds in times.values():
                    seconds.clear()
            start = time.perf_counter()
            job = backend.run(circuit)
            sent = time.perf_counter()
            job.result()
            times[_RUN].append(sent - start)
            times[_WHOLE].append(time.perf_counter() - start)
            if peer is not None:
                start = time.perf_counter()
                peer.run(circuit).result()
                times[_AER].append(time.perf_counter() - start)
        server = provider.server
        with redis.Redis(**parse_broker(provider.url).client_options) as client:
            steps = timeline(backend, client, circuit, max(1, arguments.jobs // 5))

    report: dict[str, Any] = {"machine": about, "server": server, "jobs": arguments.jobs}
    print(f"{arguments.jobs} jobs of one 2-qubit circuit, two local workers, {server}")
    print(f"{'ms':24} {'median':>8} {'p95':>8}")
    for name, seconds in times.items():
        median, p95 = (float(value) * 1e3 for value in np.percentile(seconds, [50, 95]))
        report[name] = {"median_ms": median, "p95_ms": p95}
        print(f"{name:24} {median:8.2f} {p95:8.2f}")
    if peer is not None:
        report["times_aer"] = report[_WHOLE]["median_ms"] / report[_AER]["median_ms"]
        print(f"{report['times_aer']:.2f} times Aer")
    report["steps_ms"] = {name: 1e3 * seconds for name, seconds in steps.items()}
    whole = sum(steps.values())
    print(f"{'step, while each command is told':52} {'ms':>6} {'share':>6}")
    for name, seconds in steps.items():
        print(f"{name:52} {1e3 * seconds:6.2f} {seconds / whole:6.0%}")
    if arguments.json:
        arguments.json.write_text(json.dumps(report, indent=2) + "\n", "utf-8")


def aer() -> Any:
    """Return Aer's backend; ``None`` where it isn't installed."""
    try:
        from qiskit_aer import AerSimulator
    except ModuleNotFoundError:
        return None
    return AerSimulator()


if __name__ == "__main__":
    main()
