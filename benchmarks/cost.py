# SPDX-License-Identifier: Apache-2.0
"""Measure the engines' constants of `qfleet.wire.cost`, or check the written ones.

    python benchmarks/cost.py [--engine statevector|numpy] [--method statevector|density_matrix] [--noise]
                              [--sizes 2-20] [--rounds 9] [--check]

Times are CPU seconds of one thread, the least of the rounds, so a busy machine changes them little. The fit keeps the
ratios of prediction and measurement close to 1, so small circuits count as much as large ones. `_peak.py` measures the
memory.
"""

from __future__ import annotations

import argparse
import itertools
import math
import sys
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from _circuits import FAMILIES, exists, molecular, sizes
from _measure import geometric_mean, machine
from numpy.typing import NDArray
from qiskit import QuantumCircuit
from qiskit.quantum_info import SparseObservable

from qfleet.lowering.lower import lower
from qfleet.noise import Channel, NoiseModel
from qfleet.wire.cost.branches import num_operations, num_sweeps, passes
from qfleet.wire.cost.constants import ENGINES, constants_of
from qfleet.wire.cost.cost import cost
from qfleet.wire.messages.request import Method, Output, Request
from qfleet.wire.messages.work import CircuitWork
from qfleet.wire.program.program import Program
from qfleet_worker.engines.choose import choose_engine
from qfleet_worker.engines.contract import Engine, Simulator
from qfleet_worker.engines.numpy.engine import NumpyEngine
from qfleet_worker.shards.simulation import simulate

#: The largest circuits by engine.
MOST_QUBITS = {"statevector": 20, "numpy": 16}
NAMES = (
    "seconds_per_circuit",
    "seconds_per_operation",
    "seconds_per_amplitude",
    "seconds_per_term",
    "seconds_per_shot",
)
SHOTS = 1024
TERMS = 100


class Case(NamedTuple):
    """A circuit to measure."""

    name: str
    num_qubits: int
    program: Program
    request: Request
    shots: int


def cases(num_qubits: int) -> Iterator[Case]:
    """Yield the circuits of one size to measure.

    Some end in measurements, one goes on after measurements, one has many shots, and one has observables.
    """
    for family in FAMILIES:
        if exists(family, num_qubits):
            circuit = FAMILIES[family](num_qubits)
            circuit.measure_all()
            yield Case(family, num_qubits, lower(circuit), Request(), SHOTS)
    if num_qubits == min(MOST_QUBITS.values()) // 2:
        yield Case("many shots", num_qubits, lower(measured(num_qubits, 0)), Request(), 1_000_000)
    if num_qubits > 2:
        yield Case("measured midway", num_qubits, lower(measured(num_qubits, 2)), Request(), SHOTS)
    if num_qubits >= 4 and exists("ansatz", num_qubits):
        observables = [SparseObservable(molecular(num_qubits, TERMS))]
        program = lower(FAMILIES["ansatz"](num_qubits), Output.EXPECTATION_VALUES, observables=observables)
        yield Case(f"{TERMS} terms", num_qubits, program, Request(Output.EXPECTATION_VALUES), 1)


def noisy_cases(num_qubits: int, method: Method) -> Iterator[Case]:
    """Yield circuits with noise behind each gate, of one size."""
    noise = NoiseModel().add(Channel.depolarizing(0.001), "ry").add(Channel.depolarizing(0.01, 2), "cx")
    for layers in (2, 10):
        circuit = QuantumCircuit(num_qubits)
        for layer in range(layers):
            for qubit in range(num_qubits):
                circuit.ry(0.3 + qubit + layer, qubit)
            for qubit in range(layer % 2, num_qubits - 1, 2):
                circuit.cx(qubit, qubit + 1)
        circuit.measure_all()
        program = lower(circuit, Output.COUNTS, noise=noise)
        yield Case(f"{layers} layers", num_qubits, program, Request(method=method), SHOTS)


def measured(num_qubits: int, midway: int) -> QuantumCircuit:
    """Return a circuit that measures some qubits and goes on."""
    circuit = QuantumCircuit(num_qubits, num_qubits)
    for layer in range(midway + 1):
        for qubit in range(num_qubits):
            circuit.ry(0.3 + qubit + layer, qubit)
        for qubit in range(num_qubits - 1):
            circuit.cx(qubit, qubit + 1)
        if layer < midway:
            circuit.measure(layer, layer)
    circuit.measure(range(num_qubits), range(num_qubits))
    return circuit


def run(simulator: Simulator, case: Case) -> Callable[[], object]:
    """Return a function that runs a circuit as a worker does."""
    work = CircuitWork(index=0, program="p", shots=case.shots, seed=1)
    return lambda: simulate(simulator, case.program, work, case.request, 1)


def cpu_seconds(function: Callable[[], object], rounds: int) -> float:
    """Return the least CPU time of a call."""
    function()
    found = []
    for _ in range(rounds):
        calls, begin = 0, time.process_time()
        while (spent := time.process_time() - begin) < 0.002 or not calls:
            function()
            calls += 1
        found.append(spent / calls)
    return min(found)


def features(case: Case) -> list[float]:
    """Return the factor of each constant, as in `qfleet.wire.cost.cost`."""
    amplitudes = 2.0 ** case.request.exponent(case.program.num_qubits)
    method = case.request.method
    number, operations = passes(case.program, method).of(case.shots), num_operations(case.program)
    sweeps = num_sweeps(case.program, method)
    terms = sum(save.num_terms for save in case.program.saves)
    return [
        1.0,
        number * (operations + terms),
        number * sweeps * amplitudes,
        number * terms * amplitudes,
        float(case.shots),
    ]


def fit(rows: NDArray[np.float64], seconds: NDArray[np.float64]) -> NDArray[np.float64]:
    """Fit constants of 0 or more to the measurements.

    The fit takes the least squares of `(p - m) / sqrt(p * m)`, to which a prediction p of twice the measurement m adds
    as much as one of half of it. Each round takes the p of the denominator from the last round.

    Args:
        rows: the factors of the constants, shape (measurements, constants).
        seconds: the measured times, shape (measurements,).
    """
    predicted = seconds
    for _ in range(30):
        constants = _least_squares(rows / np.sqrt(seconds * predicted)[:, None], np.sqrt(seconds / predicted))
        predicted = rows @ constants
    return constants


def _least_squares(rows: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the solution of least squares with numbers of 0 or more.

    It is the best over all choices of the numbers that aren't 0.
    """
    best, least = np.zeros(rows.shape[1]), math.inf
    for chosen in itertools.product([False, True], repeat=rows.shape[1]):
        where = np.flatnonzero(chosen)
        if not len(where):
            continue
        found, *_ = np.linalg.lstsq(rows[:, where], values, rcond=None)
        error = float(((rows[:, where] @ found - values) ** 2).sum())
        if (found >= 0).all() and error < least:
            best, least = np.zeros(rows.shape[1]), error
            best[where] = found
    return best


def main() -> None:
    """Print measured constants, or how far the written ones are off."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engine", choices=ENGINES, default=ENGINES[0])
    parser.add_argument("--method", choices=("statevector", "density_matrix"), default="statevector")
    parser.add_argument("--noise", action="store_true", help="measure circuits with noise")
    parser.add_argument("--sizes", type=sizes)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--check", action="store_true", help="print only how far the written constants are off")
    options = parser.parse_args()
    engine: Engine = NumpyEngine() if options.engine == "numpy" else choose_engine()[0]
    if engine.name != options.engine:
        sys.exit("compile the machine code first: python -m qfleet_worker warm")
    simulator = engine.open()
    noisy = options.noise or options.method == "density_matrix"
    measured_sizes = options.sizes or range(2, MOST_QUBITS[engine.name] // (1 + noisy) + 1, 2)
    found = [
        case
        for num_qubits in measured_sizes
        for case in (noisy_cases(num_qubits, options.method) if noisy else cases(num_qubits))
    ]
    seconds = np.array([cpu_seconds(run(simulator, case), options.rounds) for case in found])
    rows = np.array([features(case) for case in found])
    print(machine())
    written = np.array(
        [cost(each.program, each.request, shots=each.shots, engine=engine.name).seconds for each in found]
    )
    report("written", found, seconds, written)
    if not options.check:
        constants = fit(rows, seconds)
        report("fitted", found, seconds, rows @ constants)
        states = constants_of(engine.name, options.method)[len(NAMES) :]
        values = [f"{name}={value:.1e}" for name, value in zip(NAMES, constants, strict=True)]
        print(f"Constants({', '.join(values)}, {', '.join(map(str, states))})")


def report(name: str, found: list[Case], seconds: NDArray[np.float64], predicted: NDArray[np.float64]) -> None:
    """Print how far predictions are off, in the mean and at worst."""
    factors = predicted / seconds
    worst = int(np.argmax(np.abs(np.log(factors))))
    for case, time_, factor in zip(found, seconds, factors, strict=True):
        print(f"  {case.name:16s} {case.num_qubits:2d} qubits {1e3 * time_:10.3f} ms  {name} x {factor:.2f}")
    mean = geometric_mean(np.exp(np.abs(np.log(factors))).tolist())
    print(f"{name}: off by a factor of {mean:.2f} in the mean, {factors[worst]:.2f} at {found[worst].name}")


if __name__ == "__main__":
    main()
