# SPDX-License-Identifier: Apache-2.0
"""The times to lower and to compile 10,000 gates on 20 qubits.

The client lowers, the worker compiles; both take microseconds per gate.
"""

from __future__ import annotations

from collections.abc import Iterator

from _circuits import FAMILIES, repeated
from _measure import Options, Row, compare

from qfleet.lowering.lower import lower
from qfleet_worker.engines.statevector.compiler.plan import compile_program

SIZES = (20,)
GATES = 10_000


def measure(options: Options) -> Iterator[Row]:
    """Yield a row for each family and size."""
    for num_qubits in options.sizes or SIZES:
        for family in options.families or FAMILIES:
            circuit = repeated(family, num_qubits, GATES)
            program = lower(circuit)
            runs = {
                "lowering, µs per gate": lambda circuit=circuit: lower(circuit),
                "compiling, µs per gate": lambda program=program: compile_program(program, 2, options.threads),
            }
            times = compare(runs, options.repeats, options.budget_seconds)
            per_gate = {name: value / GATES * 1e6 for name, value in times.items()}
            yield Row("compile", family, num_qubits, per_gate)
