# SPDX-License-Identifier: Apache-2.0
"""The speed of methods other than statevectors, beside Aer, stim and Maestro.

All contenders run a case to counts, in turns. "ours" goes through a local fleet of one worker, from run() to counts;
"ours_engine" is the engine alone, from a program to outcomes and their counts, as stim is its sampler alone, from a
circuit to packed bits of shots, which are counted. A peer that would take minutes runs fewer shots, and its time is
scaled up: it is marked with ~.

    pip install -e '.[bench]'
    python benchmarks/methods.py --json results.json
    python benchmarks/methods.py --quick --cases surface_5
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from _chains import brickwork, maestro_counts, ring
from _clifford import feedback, from_stim, ghz, ghz_of_stim, sequences, surface_code
from _contenders import Contender, compared
from _measure import Comparison, Options, Run, machine
from _noisy import Work
from _noisy_peers import aer_counts
from _report import heading
from qiskit import QuantumCircuit
from threadpoolctl import ThreadpoolController

from qfleet import FleetProvider
from qfleet.lowering.lower import lower
from qfleet.noise import NoiseModel
from qfleet.wire.messages.request import Output, Request
from qfleet_worker.engines.contract import Experiment
from qfleet_worker.engines.mps.simulator import ChainSimulator
from qfleet_worker.engines.stabilizer.simulator import StabilizerSimulator
from qfleet_worker.engines.warm import warm
from qfleet_worker.machine.allocator import keep_freed_memory

PEERS = ["aer", "stim", "maestro"]


class Settings(NamedTuple):
    """The settings of all contenders."""

    #: a fleet of one worker
    one: FleetProvider
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
    parser.add_argument("--quick", action="store_true", help="slow peers run few shots")
    parser.add_argument(
        "--processor-time", action="store_true", help="processor time on a busy machine; then without the fleet"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write what was measured here")
    arguments = parser.parse_args()
    # OpenMP reads it when the first peer is imported.
    os.environ["OMP_NUM_THREADS"] = str(arguments.threads)
    report: dict[str, Any] = {"machine": machine(), "rows": []}
    print(heading(report["machine"]), flush=True)
    keep_freed_memory()
    warm()
    clock = time.process_time if arguments.processor_time else time.perf_counter
    comparison = Comparison(Options(arguments.threads, arguments.peers, arguments.repeats, arguments.budget), clock)
    with FleetProvider.local(workers=1) as one:
        for name in arguments.cases:
            contenders = CASES[name](Settings(one, arguments.threads, arguments.quick))
            if arguments.processor_time:
                # The time of other processes isn't counted.
                del contenders["ours"]
            report["rows"].append(compared(comparison, "methods", name, contenders))
            if arguments.json:
                arguments.json.write_text(json.dumps(report, indent=2) + "\n", "utf-8")


def ours(provider: FleetProvider, work: Work, threads: int, **options: Any) -> Contender:
    """Return ours on a fleet, from run() to counts."""
    options = {"method": "stabilizer", **options}
    backend = provider.get_backend(max_parallel_threads=threads, seed_simulator=1, **options)
    circuits = list(work.circuits)
    return Contender(
        lambda: lambda: backend.run(circuits, shots=work.shots, noise_model=work.model).result().get_counts()
    )


def engine(work: Work, threads: int) -> Contender:
    """Return ours without a fleet, of programs made beforehand."""

    def make() -> Run:
        model = None if work.model is None else NoiseModel.from_aer(work.model)
        request, simulator = Request(Output.COUNTS, "stabilizer"), StabilizerSimulator()
        programs = [lower(circuit, Output.COUNTS, noise=model) for circuit in work.circuits]
        experiments = [Experiment(each, work.shots, 1, request=request, threads=threads) for each in programs]
        return lambda: [simulator.run(experiment) for experiment in experiments]

    return Contender(make)


def chains(settings: Settings, circuit: Callable[[], QuantumCircuit], bond: int | None) -> dict[str, Contender]:
    """Return the contenders for a matrix product state.

    Args:
        settings: of all contenders.
        circuit: makes the circuit.
        bond: the most values of a bond; None for no limit.
    """
    work = Work([circuit()], None, 1000)
    options = {"method": "matrix_product_state", "matrix_product_state_max_bond_dimension": bond}

    def engine_alone() -> Run:
        request = Request(Output.COUNTS, "matrix_product_state", bond=bond or 0)
        experiment = Experiment(lower(work.circuits[0], Output.COUNTS), work.shots, 1, request=request)
        limits = ThreadpoolController()

        def run() -> object:
            with limits.limit(limits=settings.threads, user_api="blas"):
                return ChainSimulator().run(experiment)

        return run

    return {
        "ours": ours(settings.one, work, settings.threads, **options),
        "ours_engine": Contender(engine_alone),
        "maestro": Contender(lambda: maestro_counts(work.circuits[0], work.shots, bond)),
        "aer": Contender(lambda: aer_counts(work, settings.threads, work.shots, **options)),
    }


def stim_counts(circuit: Callable[[], Any], shots: int) -> Contender:
    """Return stim's sampler: packed bits of each shot, counted."""

    def make() -> Run:
        made = circuit()

        def run() -> object:
            packed = made.compile_sampler(seed=1).sample(shots, bit_packed=True)
            # Faster than numpy's sort.
            return Counter(packed.view(f"V{packed.shape[1]}").ravel().tolist())

        return run

    return Contender(make)


def aer(work: Work, threads: int, shots: int) -> Contender:
    """Return Aer's method; with fewer shots than the case."""
    return Contender(lambda: aer_counts(work, threads, shots, method="stabilizer"), work.shots / shots)


def surface(settings: Settings, distance: int, some: int) -> dict[str, Contender]:
    """Return the contenders for a surface code.

    Args:
        settings: of all contenders.
        distance: its distance.
        some: shots that Aer runs in some seconds.
    """
    code = surface_code(distance)
    work = Work([from_stim(code)], None, 100_000)
    return {
        "ours": ours(settings.one, work, settings.threads),
        "ours_engine": engine(work, settings.threads),
        "stim": stim_counts(lambda: code, work.shots),
        "aer": aer(work, settings.threads, some // 5 if settings.quick else some),
    }


def ghz_state(settings: Settings, num_qubits: int, some: int) -> dict[str, Contender]:
    """Return the contenders for a GHZ state without noise."""
    work = Work([ghz(num_qubits)], None, 10_000)
    return {
        "ours": ours(settings.one, work, settings.threads),
        "ours_engine": engine(work, settings.threads),
        "stim": stim_counts(lambda: ghz_of_stim(num_qubits), work.shots),
        "aer": aer(work, settings.threads, some // 5 if settings.quick else some),
    }


def fed_back(settings: Settings, some: int = 50) -> dict[str, Contender]:
    """Return the contenders for random Clifford gates with feedback."""
    work = Work([feedback()], None, 10_000)
    return {
        "ours": ours(settings.one, work, settings.threads),
        "ours_engine": engine(work, settings.threads),
        "aer": aer(work, settings.threads, some // 5 if settings.quick else some),
    }


def benchmarking(settings: Settings) -> dict[str, Contender]:
    """Return the contenders for sequences of randomized benchmarking."""
    work = sequences()
    return {
        "ours": ours(settings.one, work, settings.threads),
        "ours_engine": engine(work, settings.threads),
        "aer": aer(work, settings.threads, work.shots // 10 if settings.quick else work.shots),
    }


CASES: dict[str, Callable[[Settings], dict[str, Contender]]] = {
    "surface_5": partial(surface, distance=5, some=500),
    "surface_7": partial(surface, distance=7, some=100),
    "ghz_100": partial(ghz_state, num_qubits=100, some=10_000),
    "ghz_1000": partial(ghz_state, num_qubits=1000, some=100),
    "feedback": fed_back,
    "sequences": benchmarking,
    "brickwork_64": partial(chains, circuit=partial(brickwork, 50, 14), bond=64),
    "brickwork_128": partial(chains, circuit=partial(brickwork, 50, 16), bond=128),
    "ring_100": partial(chains, circuit=partial(ring, 100, 2), bond=None),
}


if __name__ == "__main__":
    main()
