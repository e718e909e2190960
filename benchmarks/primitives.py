# SPDX-License-Identifier: Apache-2.0
"""The speed of the primitives on two local workers.

They are compared with Aer's and Qiskit's own on the same cores.

    python benchmarks/primitives.py [--cases estimator sampler] [--points 1000] [--repeats 5] [--json FILE]

Peers run in this process while the fleet waits, each in turns with ours; ratios are of medians. Aer comes with
``pip install -e '.[bench]'``.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from _measure import Run, compare, machine
from numpy.typing import NDArray
from qiskit.circuit import QuantumCircuit
from qiskit.circuit.library import efficient_su2
from qiskit.primitives import StatevectorEstimator
from qiskit.quantum_info import SparsePauliOp

from qfleet import EstimatorV2, FleetProvider, SamplerV2

_BUDGET_SECONDS = 120.0
#: Qiskit's reference takes a tenth of a second for each point, so fewer are measured.
_REFERENCE_POINTS = 10


def main() -> None:
    """Run the measurement, print a line for each case, and write numbers."""
    cases: dict[str, Callable[[FleetProvider, int], dict[str, Run]]] = {
        "estimator": estimator,
        "sampler": sampler,
        "circuits": circuits,
        "step": step,
    }
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", nargs="*", choices=cases, default=list(cases), help="what to measure")
    parser.add_argument("--points", type=int, default=1000, help="points of a sweep; four times as many circuits")
    parser.add_argument("--repeats", type=int, default=5, help="turns")
    parser.add_argument("--json", type=Path, help="write the numbers to this file")
    arguments = parser.parse_args()
    rows = []
    with FleetProvider.local(workers=2) as provider:
        print(f"two local workers, {provider.server}; {arguments.points} points; milliseconds, and how often ours")
        for name in arguments.cases:
            medians = compare(cases[name](provider, arguments.points), arguments.repeats, _BUDGET_SECONDS)
            rows.append({"case": name, "points": arguments.points, "seconds": medians})
            ours = medians["ours"]
            peers = "  ".join(f"{peer} {1e3 * value:.2f} ({value / ours:.1f})" for peer, value in medians.items())
            print(f"{name:10} {peers}", flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps({"machine": machine(), "rows": rows}, indent=2) + "\n", "utf-8")


def estimator(provider: FleetProvider, points: int) -> dict[str, Run]:
    """Measure expectation values of 20 observables on 12 qubits, 5 layers."""
    from qiskit_aer.primitives import EstimatorV2 as AerEstimator

    circuit, observables = ansatz(12, 5), local_observables(12, 20)
    values = angles(circuit, points)[:, None]
    pub, few = (circuit, observables, values), (circuit, observables, values[:_REFERENCE_POINTS])
    ours, aer, reference = EstimatorV2(provider), AerEstimator(), StatevectorEstimator()
    check(ours.run([few]).result()[0].data.evs, reference.run([few]).result()[0].data.evs)
    check(aer.run([few]).result()[0].data.evs, reference.run([few]).result()[0].data.evs)
    return {
        "ours": lambda: ours.run([pub]).result(),
        "aer": lambda: aer.run([pub]).result(),
        f"qiskit, {_REFERENCE_POINTS} points": lambda: reference.run([few]).result(),
    }


def sampler(provider: FleetProvider, points: int) -> dict[str, Run]:
    """Measure 1,024 shots on 10 qubits."""
    from qiskit_aer.primitives import SamplerV2 as AerSampler

    circuit = ansatz(10, 5)
    circuit.measure_all()
    pub = (circuit, angles(circuit, points))
    ours, aer = SamplerV2(provider), AerSampler()
    return {
        "ours": lambda: ours.run([pub], shots=1024).result(),
        "aer": lambda: aer.run([pub], shots=1024).result(),
    }


def circuits(provider: FleetProvider, points: int) -> dict[str, Run]:
    """Measure one run() of many different 12-qubit circuits.

    They take 1,024 shots, and their counts are read. Aer runs with several settings.
    """
    from qiskit_aer import AerSimulator

    form = ansatz(12, 2)
    data = []
    for row in angles(form, 4 * points):
        bound = form.assign_parameters(row)
        bound.measure_all()
        data.append(bound)
    ours = provider.get_backend("automatic")
    settings = {
        "aer": {},
        "aer, 2 circuits": {"max_parallel_experiments": 2, "max_parallel_threads": 2},
        "aer, 1 thread": {"max_parallel_threads": 1},
    }

    def counts(backend: object) -> Run:
        return lambda: backend.run(data, shots=1024).result().get_counts()

    return {"ours": counts(ours)} | {
        name: counts(AerSimulator(method="statevector", **options)) for name, options in settings.items()
    }


def step(provider: FleetProvider, points: int) -> dict[str, Run]:
    """Measure one step of a variational loop.

    It has 8 qubits and a sum of 15 Paulis, and everything is warm.
    """
    from qiskit_aer.primitives import EstimatorV2 as AerEstimator

    circuit = ansatz(8, 2)
    observable = SparsePauliOp.from_sparse_list(
        [("ZZ", [at, at + 1], 1.0) for at in range(7)] + [("X", [at], 0.5) for at in range(8)], 8
    )
    values = iter(np.tile(angles(circuit, points), (100, 1)))
    ours, aer = EstimatorV2(provider), AerEstimator()
    for _ in range(30):
        ours.run([(circuit, observable, next(values))]).result()
        aer.run([(circuit, observable, next(values))]).result()
    return {
        "ours": lambda: ours.run([(circuit, observable, next(values))]).result(),
        "aer": lambda: aer.run([(circuit, observable, next(values))]).result(),
    }


def ansatz(num_qubits: int, layers: int) -> QuantumCircuit:
    """Return layers of rotations and CX chains, with rotations at the end."""
    return efficient_su2(num_qubits, reps=layers, entanglement="linear")


def angles(circuit: QuantumCircuit, points: int) -> NDArray[np.float64]:
    """Return values of the circuit's parameters, shape (points, parameters), in radians."""
    return np.random.default_rng(7).uniform(-np.pi, np.pi, (points, circuit.num_parameters))


def local_observables(num_qubits: int, number: int) -> list[SparsePauliOp]:
    """Return observables of two terms on two or three neighbours."""
    rng = np.random.default_rng(3)
    return [
        SparsePauliOp.from_sparse_list(
            [
                ("".join(rng.choice(list("XYZ"), 2)), [at % num_qubits, (at + 1) % num_qubits], 1.0),
                ("".join(rng.choice(list("XYZ"), 3)), [(at + shift) % num_qubits for shift in (0, 2, 5)], 0.5),
            ],
            num_qubits,
        )
        for at in range(number)
    ]


def check(found: NDArray[np.float64], expected: NDArray[np.float64]) -> None:
    """Check that values are right, since a wrong result's time means nothing.

    Raises:
        AssertionError: the values are wrong.
    """
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9)


if __name__ == "__main__":
    main()
