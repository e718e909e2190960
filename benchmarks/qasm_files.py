# SPDX-License-Identifier: Apache-2.0
"""The speed of OpenQASM files as jobs one by one, beside Aer.

The circuits are OpenQASM 2 files, for example those of QASMBench's folder small. Each is run as a job of its own, from
run() to counts, in turns with Aer in this process. Files that Qiskit can't read, or translate for Aer, are named and
left out.

    python benchmarks/qasm_files.py FOLDER [--qubits 13] [--repeats 5] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from _measure import machine
from _report import heading
from qiskit import qasm2, transpile
from qiskit.circuit import QuantumCircuit
from qiskit.exceptions import QiskitError
from qiskit_aer import AerSimulator

from qfleet import FleetProvider

_SHOTS = 1024


def main() -> None:
    """Run all files, and print or write their times."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="a folder with .qasm files, at any depth")
    parser.add_argument("--qubits", type=int, default=13, help="qubits at most (default: 13)")
    parser.add_argument("--repeats", type=int, default=5, help="turns (default: 5)")
    parser.add_argument("--json", type=Path, help="write the numbers to this file")
    arguments = parser.parse_args()
    about = machine()
    print(heading(about), flush=True)
    rows: list[dict[str, Any]] = []
    peer = AerSimulator()
    with FleetProvider.local(workers=2) as provider:
        backends = [provider.get_backend("automatic"), peer]
        for path in sorted(arguments.folder.rglob("*.qasm")):
            name = str(path.relative_to(arguments.folder))
            try:
                circuit = read(path)
                # Aer knows no gates that a file defines; ours does. So both run what Aer knows.
                known = transpile(circuit, peer, optimization_level=0)
            except QiskitError as exc:
                print(f"{name:50} left out: {type(exc).__name__}", flush=True)
                continue
            if circuit.num_qubits > arguments.qubits or not circuit.count_ops().get("measure"):
                continue
            ours, aers = in_turns(backends, known, arguments.repeats)
            rows.append({"file": name, "qubits": circuit.num_qubits, "ours": ours, "aer": aers})
            print(f"{name:50} {circuit.num_qubits:3} {1e3 * ours:8.2f} {1e3 * aers:8.2f} ms", flush=True)
    if not rows:
        parser.exit(1, "no circuit was run\n")
    ours, aers = (sum(row[name] for row in rows) for name in ("ours", "aer"))
    print(f"{len(rows)} files: {1e3 * ours:.1f} ms, Aer {1e3 * aers:.1f} ms, {ours / aers:.2f} of Aer's")
    if arguments.json:
        arguments.json.write_text(json.dumps({"machine": about, "rows": rows}, indent=2) + "\n", "utf-8")


def read(path: Path) -> QuantumCircuit:
    """Return the circuit of a file."""
    return qasm2.load(path, custom_instructions=qasm2.LEGACY_CUSTOM_INSTRUCTIONS)


def in_turns(backends: Sequence[Any], circuit: QuantumCircuit, repeats: int) -> list[float]:
    """Return the median seconds of each backend, from run() to counts."""
    times: list[list[float]] = [[] for _ in backends]
    for turn in range(1 + repeats):
        for backend, seconds in zip(backends, times, strict=True):
            begin = time.perf_counter()
            backend.run(circuit, shots=_SHOTS).result().get_counts()
            if turn:
                seconds.append(time.perf_counter() - begin)
    return [statistics.median(seconds) for seconds in times]


if __name__ == "__main__":
    main()
