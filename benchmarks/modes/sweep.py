# SPDX-License-Identifier: Apache-2.0
"""One hardware-efficient ansatz at 1000 points, to each point's amplitudes.

The ansatz has three layers. Aer takes the points as `parameter_binds`, qulacs as the parameters of a
ParametricQuantumCircuit made beforehand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from _circuits import layers
from _measure import Comparison, Options, Row, Run
from _peers import aer_backend, to_qulacs
from numpy.typing import NDArray
from qiskit import QuantumCircuit
from qiskit.circuit import ParameterVector

from qfleet.lowering.lower import lower
from qfleet.wire.messages.request import Output, Request
from qfleet.wire.program.angles import fill, filled
from qfleet_worker.engines.contract import Experiment
from qfleet_worker.engines.statevector.simulator import StatevectorSimulator

SIZES = (4, 8, 12)
POINTS = 1000
REQUEST = Request(Output.STATEVECTOR)

Points = NDArray[np.float64]


def ours_sweep(circuit: QuantumCircuit, points: Points, threads: int) -> Run:
    """Return a run of lowering and the engine, as on a worker.

    The circuit is lowered once, and the slots of all points are filled together.
    """
    engine = StatevectorSimulator()

    def sweep() -> list[object]:
        program = lower(circuit)
        params = fill(program, points)
        experiment = Experiment(filled(program, params[0]), shots=1, seed=1, request=REQUEST, threads=threads)
        return [outcome.amplitudes for outcome in engine.sweep(experiment, params, range(len(points)))]

    return sweep


def aer_sweep(circuit: QuantumCircuit, angles: ParameterVector, points: Points, threads: int) -> Run:
    """Return a run by Aer, with the points as columns."""
    backend, saving = aer_backend(threads), circuit.copy()
    saving.save_statevector()
    binds = [{angle: points[:, at].tolist() for at, angle in enumerate(angles)}]

    def sweep() -> list[object]:
        result = backend.run([saving], shots=1, parameter_binds=binds).result()
        return [result.data(at)["statevector"] for at in range(len(points))]

    return sweep


def qulacs_sweep(circuit: QuantumCircuit, points: Points) -> Run:
    """Return a run by qulacs, with its parameters set one by one."""
    from qulacs import QuantumState

    ready, state = to_qulacs(circuit, parametric=True), QuantumState(circuit.num_qubits)

    def sweep() -> list[object]:
        found = []
        for point in (-points).tolist():
            for at, angle in enumerate(point):
                ready.set_parameter(at, angle)
            state.set_zero_state()
            ready.update_quantum_state(state)
            found.append(state.get_vector())
        return found

    return sweep


def contenders(
    circuit: QuantumCircuit, angles: ParameterVector, points: Points, threads: int
) -> dict[str, Callable[[], Run]]:
    """Return functions that make the runs to compare."""
    return {
        "ours": lambda: ours_sweep(circuit, points, threads),
        "aer": lambda: aer_sweep(circuit, angles, points, threads),
        "qulacs": lambda: qulacs_sweep(circuit, points),
    }


def measure(options: Options) -> Iterator[Row]:
    """Yield a row for each size."""
    comparison, threads = Comparison(options), options.threads
    for num_qubits in options.sizes or SIZES:
        circuit, angles = layers(num_qubits)
        points = np.random.default_rng(6).uniform(0, 6, (POINTS, len(angles)))
        yield comparison.compare("sweep", "ansatz", num_qubits, contenders(circuit, angles, points, threads))
