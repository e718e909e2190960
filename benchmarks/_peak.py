# SPDX-License-Identifier: Apache-2.0
"""Measure the memory that a worker's process takes for one program.

Like a worker, the script imports no Qiskit. It reads the encoded program from standard input, and prints three peaks:
before the program runs, with the engine's outcome, and with the encoded result of a shard.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from qfleet.wire.codec.programs import decode_program
from qfleet.wire.codec.shards import encode_shard
from qfleet.wire.messages.request import Output, Request
from qfleet.wire.messages.result import CircuitResult, ShardResult
from qfleet.wire.messages.work import CircuitWork
from qfleet_worker.engines.choose import all_engines, choose_engine
from qfleet_worker.engines.contract import Engine, Experiment
from qfleet_worker.machine.allocator import keep_freed_memory
from qfleet_worker.shards.simulation import resolve, simulate


def peak_bytes() -> int:
    """Return the peak memory of this process.

    `resource.getrusage` would also count its parent's peak.
    """
    lines = Path("/proc/self/status").read_text("utf-8").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


def engine_of(name: str) -> Engine:
    """Return an engine by its name, with its machine code loaded."""
    engine = next(each for each in all_engines() if each.name == name)
    refusal = engine.available()
    if refusal:
        raise SystemExit(refusal)
    return engine


def main() -> None:
    """Run the program, and print the peaks.

    Without the name of an engine, it is the one that a worker would take; the name of a method may follow it.
    """
    output, precision, threads, shots, *names = sys.argv[1:]
    method = names[1] if len(names) > 1 else "automatic"
    program = decode_program(sys.stdin.buffer.read())
    keep_freed_memory()
    engine = engine_of(names[0]) if names else choose_engine()[0]
    simulator = engine.open()
    idle = peak_bytes()
    request = resolve(program, Request(Output(output), method, precision))  # type: ignore[arg-type]
    simulator.run(Experiment(program, int(shots), seed=1, request=request, threads=int(threads)))
    with_outcome = peak_bytes()
    work = CircuitWork(index=0, program="p", shots=int(shots), seed=1)
    found = simulate(simulator, program, work, request, int(threads))
    result = CircuitResult(index=0, first_shot=0, shots=int(shots), seconds=0.0, engine=engine.name, **found)
    encode_shard(ShardResult((result,)))
    peaks = {"idle_bytes": idle, "peak_bytes": with_outcome, "worker_bytes": peak_bytes()}
    print(json.dumps({"engine": engine.name} | peaks))


if __name__ == "__main__":
    main()
