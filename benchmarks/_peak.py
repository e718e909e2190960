# SPDX-License-Identifier: Apache-2.0
"""A process that measures its peak memory for one program. Like a worker, it doesn't import Qiskit.

The encoded program comes on the standard input; the peaks before and after its run go to the standard output.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from _experiments import make_experiment

from qfleet.wire.codec.programs import decode_program
from qfleet_worker.engines.choose import choose_engine
from qfleet_worker.machine.allocator import keep_freed_memory


def peak_bytes() -> int:
    """Return the peak memory of this process; that of rusage includes the parent's."""
    lines = Path("/proc/self/status").read_text("utf-8").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


def main() -> None:
    """Run the program, and print the peaks."""
    output, precision, threads = sys.argv[1:]
    program = decode_program(sys.stdin.buffer.read())
    keep_freed_memory()
    engine, _ = choose_engine()
    simulator = engine.open()
    idle = peak_bytes()
    shots = 1024 if output == "counts" else 1
    outcome = simulator.run(
        make_experiment(program, shots, 1, output=output, precision=precision, threads=int(threads))  # type: ignore[arg-type]
    )
    assert outcome.counts.sum() == (shots if output == "counts" else 0)
    print(json.dumps({"engine": engine.name, "idle_bytes": idle, "peak_bytes": peak_bytes()}))


if __name__ == "__main__":
    main()
