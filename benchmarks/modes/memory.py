# SPDX-License-Identifier: Apache-2.0
"""Peak memory of a process like a worker's, over its state's size.

An idle process that has loaded its machine code takes some memory too, which is shown apart.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from _circuits import circuits
from _measure import Options, Row

from qfleet.lowering.lower import lower
from qfleet.wire.codec.programs import encode_program

SIZES = (26,)
DEFAULT_FAMILIES = ("ansatz", "qft")
_BYTES = {"double": 16, "single": 8}


def peak(program: bytes, num_qubits: int, output: str, precision: str, threads: int) -> dict[str, float]:
    """Return the peak memory of a process that runs a program.

    Args:
        program: the blob of the program.
        num_qubits: the program's number of qubits.
        output: the kind of result.
        precision: the width of the amplitudes' floats.
        threads: how many threads share the work.

    Returns:
        The peak over the state's size, with and without the memory of an idle process, and that memory in MiB.
    """
    script = Path(__file__).parents[1] / "_peak.py"
    shots = "1024" if output == "counts" else "1"
    command = [sys.executable, str(script), output, precision, str(threads), shots]
    done = subprocess.run(command, input=program, capture_output=True, check=True)
    found = json.loads(done.stdout)
    state = _BYTES[precision] << num_qubits
    return {
        "peak / state": found["peak_bytes"] / state,
        "beyond an idle worker / state": (found["peak_bytes"] - found["idle_bytes"]) / state,
        "idle worker, MiB": found["idle_bytes"] / 2**20,
    }


def measure(options: Options) -> Iterator[Row]:
    """Yield a row for each size, family, output and precision."""
    for num_qubits, family, circuit in circuits(options.sizes or SIZES, options.families or DEFAULT_FAMILIES):
        amplitudes = encode_program(lower(circuit))
        circuit.measure_all()
        counts = encode_program(lower(circuit))
        for output, program in (("counts", counts), ("statevector", amplitudes)):
            for precision in _BYTES:
                values = peak(program, num_qubits, output, precision, options.threads)
                yield Row("memory", f"{family}, {output}, {precision}", num_qubits, values)
