# SPDX-License-Identifier: Apache-2.0
"""The speed of noisy simulation, beside Aer, qulacs and qsim.

A case is circuits with a noise model of Aer's, which all contenders run to counts, in turns. "ours" goes through a
local fleet of one worker, from run() to counts; "ours_engine" is the engine alone. A peer that would take minutes runs
fewer shots, and its time is scaled up: it is marked with ~.

    pip install -e '.[bench]'
    python benchmarks/noise.py --json results.json
    python benchmarks/noise.py --quick --cases device wide
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from _contenders import Contender, compared
from _measure import Comparison, Options, Run, machine
from _noisy import Work, brick, depolarizing, on_device, on_large_device, randomized_benchmarking, relaxation
from _noisy_count import operations
from _noisy_peers import aer_counts, qsim_counts, qulacs_counts
from _report import heading

from qfleet import FleetProvider
from qfleet.lowering.lower import lower
from qfleet.noise import NoiseModel
from qfleet.wire.cost.methods import choose_method
from qfleet.wire.messages.request import Method, Output, Request
from qfleet_worker.engines.contract import Experiment
from qfleet_worker.engines.statevector.simulator import StatevectorSimulator
from qfleet_worker.engines.warm import warm
from qfleet_worker.machine.allocator import keep_freed_memory

PEERS = ["aer", "aer_shots", "aer_branching", "aer_exact", "qulacs", "qsim"]
#: Strengths of the depolarization in a sweep.
SWEEP = [0.0005 * (1 + step) for step in range(30)]


class Fleets(NamedTuple):
    """The fleets, and the settings of all contenders."""

    one: FleetProvider
    two: FleetProvider
    threads: int
    #: True for fewer shots of slow peers
    quick: bool


def main() -> None:
    """Run the cases, print a line for each, and write numbers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", nargs="*", choices=CASES, default=list(CASES), help="what to measure (default: all)")
    parser.add_argument("--peers", nargs="*", choices=PEERS, default=PEERS, help="the contenders beside ours")
    parser.add_argument("--threads", type=int, default=1, help="threads of each contender (default: 1)")
    parser.add_argument("--repeats", type=int, default=5, help="turns (default: 5)")
    parser.add_argument("--budget", type=float, default=60, help="seconds for each case, roughly (default: 60)")
    parser.add_argument("--quick", action="store_true", help="slow peers run few shots; some minutes in all")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write what was measured here")
    parser.add_argument("--operations", action="store_true", help="count the operations on states of 12 qubits instead")
    arguments = parser.parse_args()
    if arguments.operations:
        print(operations(Work([brick(12, 10)], depolarizing(), 10_000)))
        return
    # OpenMP reads it when the first peer is imported.
    os.environ["OMP_NUM_THREADS"] = str(arguments.threads)
    report: dict[str, Any] = {"machine": machine(), "rows": []}
    print(heading(report["machine"]), flush=True)
    keep_freed_memory()
    warm()
    comparison = Comparison(Options(arguments.threads, arguments.peers, arguments.repeats, arguments.budget))
    with FleetProvider.local(workers=1) as one, FleetProvider.local(workers=2) as two:
        for name in arguments.cases:
            contenders = CASES[name](Fleets(one, two, arguments.threads, arguments.quick))
            report["rows"].append(compared(comparison, "noise", name, contenders))
            if arguments.json:
                arguments.json.write_text(json.dumps(report, indent=2) + "\n", "utf-8")


def ours(provider: FleetProvider, work: Work, threads: int, method: Method = "automatic") -> Contender:
    """Return ours on a fleet, from run() to counts."""
    backend = provider.get_backend(max_parallel_threads=threads, method=method, seed_simulator=1)
    circuits = list(work.circuits)
    return Contender(
        lambda: lambda: backend.run(circuits, shots=work.shots, noise_model=work.model).result().get_counts()
    )


def engine(work: Work, threads: int, method: Method = "automatic") -> Contender:
    """Return ours without a fleet, of programs made beforehand."""

    def make() -> Run:
        model, simulator, experiments = NoiseModel.from_aer(work.model), StatevectorSimulator(), []
        for circuit in work.circuits:
            program = lower(circuit, Output.COUNTS, noise=model)
            request = Request(Output.COUNTS, method)
            request = Request(Output.COUNTS, choose_method(program, request, work.shots)[0])
            experiments.append(Experiment(program, work.shots, 1, request=request, threads=threads))
        return lambda: [simulator.run(experiment) for experiment in experiments]

    return Contender(make)


def aer(work: Work, threads: int, shots: int = 0, **options: Any) -> Contender:
    """Return Aer; with fewer shots, if they are given."""
    some = shots or work.shots
    return Contender(lambda: aer_counts(work, threads, some, **options), work.shots / some)


def _by_trajectories(work: Work, fleets: Fleets, shots: int) -> dict[str, Contender]:
    """Return Aer's two ways to run shots one by one.

    Args:
        work: the circuits.
        fleets: the settings.
        shots: shots that Aer runs in a few seconds.
    """
    shots = shots // 5 if fleets.quick else shots
    branching = {"shot_branching_enable": True, "shot_branching_sampling_enable": True}
    return {
        "aer_shots": aer(work, fleets.threads, shots, method="statevector"),
        "aer_branching": aer(work, fleets.threads, shots, method="statevector", **branching),
    }


def device(fleets: Fleets) -> dict[str, Contender]:
    """Return the contenders for 5 qubits with a device's noise."""
    work = on_device()
    return {
        "ours": ours(fleets.one, work, fleets.threads),
        "ours_engine": engine(work, fleets.threads),
        "aer": aer(work, fleets.threads),
        **_by_trajectories(work, fleets, 2000),
    }


def _depolarized(fleets: Fleets, num_qubits: int, shots: int, some: int) -> dict[str, Contender]:
    """Return the contenders for a brick with depolarization.

    Args:
        fleets: the settings.
        num_qubits: of the brick.
        shots: shots of the case.
        some: shots that peers run in a few seconds.
    """
    some = some // 5 if fleets.quick else some
    work = Work([brick(num_qubits, 10)], depolarizing(), shots)
    [circuit] = work.circuits
    return {
        "ours": ours(fleets.one, work, fleets.threads),
        "ours_engine": engine(work, fleets.threads),
        **_by_trajectories(work, fleets, some),
        # Its simulator gains by equal patterns, so it runs all shots where that takes seconds.
        "qulacs": Contender(
            lambda: qulacs_counts(circuit, shots if num_qubits < 15 else some), 1 if num_qubits < 15 else shots / some
        ),
        "qsim": Contender(lambda: qsim_counts(circuit, fleets.threads, some), shots / some),
    }


def relaxed(fleets: Fleets, t2: float = 70e3) -> dict[str, Contender]:
    """Return the contenders for 10 qubits with relaxation; see `relaxation`."""
    work = Work([brick(10, 10)], relaxation(t2), 10_000)
    return {
        "ours": ours(fleets.one, work, fleets.threads),
        "ours_engine": engine(work, fleets.threads, "statevector"),
        "ours_exact": engine(work, fleets.threads, "density_matrix"),
        "aer_exact": aer(work, fleets.threads, method="density_matrix"),
        **_by_trajectories(work, fleets, 500),
    }


def sequences(fleets: Fleets) -> dict[str, Contender]:
    """Return the contenders for sequences of Cliffords on 2 qubits."""
    work = randomized_benchmarking()
    return {
        "ours": ours(fleets.one, work, fleets.threads),
        "ours_engine": engine(work, fleets.threads),
        "aer": aer(work, fleets.threads),
    }


def sweep(fleets: Fleets) -> dict[str, Contender]:
    """Return the contenders for 30 strengths of depolarization on 8 qubits."""
    circuit = brick(8, 6)
    works = [Work([circuit], depolarizing(p, 10 * p), 1000) for p in SWEEP]
    backend = fleets.one.get_backend(max_parallel_threads=fleets.threads, seed_simulator=1)

    def run() -> object:
        jobs = [backend.run(work.circuits[0], shots=work.shots, noise_model=work.model) for work in works]
        return [job.result().get_counts() for job in jobs]

    return {
        "ours": Contender(lambda: run),
        "aer": Contender(lambda: _all([aer_counts(work, fleets.threads, work.shots) for work in works])),
        "qulacs": Contender(lambda: _all([qulacs_counts(circuit, 1000, p, 10 * p) for p in SWEEP])),
    }


def wide(fleets: Fleets) -> dict[str, Contender]:
    """Return the contenders for 5 gates on a large device."""
    work = on_large_device()
    return {"ours": ours(fleets.one, work, fleets.threads), "aer": aer(work, fleets.threads)}


def fleet(fleets: Fleets) -> dict[str, Contender]:
    """Return fleets of two workers and of one, on 20 qubits."""
    work = Work([brick(20, 10)], depolarizing(), 1000)
    return {"ours": ours(fleets.two, work, 1), "ours_one_worker": ours(fleets.one, work, 1)}


def _all(runs: Sequence[Run]) -> Run:
    return lambda: [run() for run in runs]


CASES: dict[str, Callable[[Fleets], dict[str, Contender]]] = {
    "device": device,
    "depolarized": partial(_depolarized, num_qubits=12, shots=10_000, some=500),
    "depolarized_20": partial(_depolarized, num_qubits=20, shots=1000, some=5),
    "relaxed": relaxed,
    "damped": partial(relaxed, t2=100e3),
    "sequences": sequences,
    "sweep": sweep,
    "wide": wide,
    "fleet": fleet,
}


if __name__ == "__main__":
    main()
