# SPDX-License-Identifier: Apache-2.0
"""Only the run of circuits that were compiled beforehand.

A state is ready if the peer can keep one. Circuits may be transpiled to a device's gates before.
qsim computes in single precision and is compared with ours; `qsim` fuses gates to 2 qubits, `qsim_4` to 4. So are
`lightning_single` and `kokkos_single`. The gates of lightning.qubit take one thread.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from _circuits import FAMILIES, circuits
from _lightning import kokkos_run, qubit_run
from _maestro import maestro_run
from _measure import Comparison, Options, Row, Run
from _peers import aer_run, qiskit_runs, qsim_run, qulacs_run
from qiskit import QuantumCircuit

from qfleet.lowering.lower import lower
from qfleet_worker.engines.statevector.compiler.plan import compile_program
from qfleet_worker.engines.statevector.runtime.state import State
from qfleet_worker.engines.threads import ThreadTeam

SIZES = (20, 24)


def ours(circuit: QuantumCircuit, threads: int, precision: str) -> Run:
    """Return a run of a compiled circuit on an existing state."""
    lane_bits, dtype = (2, np.complex128) if precision == "double" else (3, np.complex64)
    plan = compile_program(lower(circuit), lane_bits, threads)
    state = State(plan.num_wires, np.dtype(dtype), ThreadTeam(threads))

    def run() -> None:
        state.clear()
        for at in range(len(plan.steps)):
            state.apply(plan.steps, at)
        state.settle()

    return run


def contenders(circuit: QuantumCircuit, threads: int) -> dict[str, Callable[[], Run]]:
    """Return functions that make the runs to compare."""
    makers = {
        "ours": lambda: ours(circuit, threads, "double"),
        "ours_single": lambda: ours(circuit, threads, "single"),
        "aer": lambda: aer_run(circuit, threads),
        "qulacs": lambda: qulacs_run(circuit, light=False),
        "qulacs_light": lambda: qulacs_run(circuit, light=True),
        "lightning": lambda: qubit_run(circuit, "double"),
        "kokkos": lambda: kokkos_run(circuit, "double", threads),
        "maestro": lambda: maestro_run(circuit, threads),
        "qsim": lambda: qsim_run(circuit, threads, 2),
        "qsim_4": lambda: qsim_run(circuit, threads, 4),
        "lightning_single": lambda: qubit_run(circuit, "single"),
        "kokkos_single": lambda: kokkos_run(circuit, "single", threads),
    }
    return makers | qiskit_runs(circuit)


def measure(options: Options) -> Iterator[Row]:
    """Yield a row for each family and size."""
    comparison = Comparison(options)
    for num_qubits, family, circuit in circuits(options.sizes or SIZES, options.families or [*FAMILIES], options.forms):
        yield comparison.compare("run", family, num_qubits, contenders(circuit, options.threads))
