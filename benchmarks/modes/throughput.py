# SPDX-License-Identifier: Apache-2.0
"""The loss of speed when workers share a machine's cores.

The rows compare circuits of 1024 shots per second in one process with a thread per core, in one process of one thread
per core, and in two such processes per core.
"""

from __future__ import annotations

import multiprocessing
import os
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from multiprocessing.connection import Connection
from typing import Any

from _circuits import FAMILIES
from _measure import Options, Row
from _peers import aer_counts

from qfleet_worker.engines.contract import Experiment

SIZES = (20,)
DEFAULT_FAMILIES = ("ansatz", "volume")
SHOTS = 1024
ROUNDS = 5


def _work(connection: Connection, contender: str, family: str, num_qubits: int, threads: int) -> None:
    """Run the circuit for the seconds of each message.

    The answer to a message is the number of circuits per second; None ends the process.
    """
    from qfleet.lowering.lower import lower
    from qfleet_worker.engines.statevector.simulator import StatevectorSimulator

    circuit = FAMILIES[family](num_qubits)
    circuit.measure_all()
    if contender == "ours":
        engine = StatevectorSimulator()
        experiment = Experiment(lower(circuit), SHOTS, 1, threads=threads)

        def run() -> object:
            return engine.run(experiment)
    else:
        run = aer_counts(circuit, SHOTS, threads)
    run()
    connection.send("ready")
    while (seconds := connection.recv()) is not None:
        begin, done = time.perf_counter(), 0
        while time.perf_counter() - begin < seconds:
            run()
            done += 1
        connection.send(done / (time.perf_counter() - begin))


def _team(
    stack: ExitStack, contender: str, family: str, num_qubits: int, processes: int, threads: int
) -> list[Connection]:
    """Start processes that end with `stack`, and wait until they're ready."""
    context = multiprocessing.get_context("spawn")
    ends = []
    before = os.environ.get("OMP_NUM_THREADS", "")
    # OpenMP reads it when a process first imports a peer.
    os.environ["OMP_NUM_THREADS"] = str(threads)
    for _ in range(processes):
        ours, theirs = context.Pipe()
        process: Any = context.Process(target=_work, args=(theirs, contender, family, num_qubits, threads))
        process.start()
        theirs.close()
        stack.callback(process.join)
        stack.callback(ours.send, None)
        ends.append(ours)
    os.environ["OMP_NUM_THREADS"] = before
    for end in ends:
        end.recv()
    return ends


def measure(options: Options) -> Iterator[Row]:
    """Yield a row for each contender, family and size.

    The teams work in turns.
    """
    cores = options.threads
    seconds = max(1.0, options.budget_seconds / 10)
    for num_qubits in options.sizes or SIZES:
        for family in options.families or DEFAULT_FAMILIES:
            for contender in ("ours", *(["aer"] if "aer" in options.peers else [])):
                with ExitStack() as stack:
                    try:
                        teams = {
                            f"{processes} x {threads}": _team(stack, contender, family, num_qubits, processes, threads)
                            for processes, threads in ((1, cores), (cores, 1), (2 * cores, 1))
                        }
                    except EOFError:
                        print(f"{contender} is left out: its processes ended", file=sys.stderr)
                        continue
                    found: dict[str, list[float]] = {name: [] for name in teams}
                    for _ in range(ROUNDS):
                        for name, ends in teams.items():
                            for end in ends:
                                end.send(seconds)
                            found[name].append(sum(end.recv() for end in ends))
                values = {f"{name}, circuits/s": statistics.median(rates) for name, rates in found.items()}
                one, *many = values.values()
                values["most that is lost, %"] = max(0.0, (1 - min(many) / one) * 100)
                yield Row("throughput", f"{contender}, {family}", num_qubits, values)
