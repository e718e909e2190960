# SPDX-License-Identifier: Apache-2.0
"""The modes of `benchmarks/engine.py`.

Each is a module with a function ``measure(options)``; its docstring describes the mode.
"""

from __future__ import annotations

#: The modes with the titles of their tables, in the order in which they are measured.
TITLES = {
    "run": "Run only",
    "amplitudes": "From a circuit to its amplitudes",
    "sweep": "Sweeps of 1000 points",
    "counts": "From a circuit to counts",
    "shots": "Counts beyond the run",
    "dynamic": "Dynamic circuits, 100,000 shots",
    "throughput": "Processes that share the cores",
    "memory": "Peak memory",
    "compile": "Lowering and compiling 10,000 gates",
    "paulis": "Expectation values",
}
