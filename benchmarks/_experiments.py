# SPDX-License-Identifier: Apache-2.0
"""The one place where benchmarks put an experiment together."""

from __future__ import annotations

from msgspec.structs import replace

from qfleet.wire.messages.request import Output, Precision, Request, resolve_method
from qfleet.wire.program.program import Program
from qfleet_worker.engines.contract import Experiment


def make_experiment(
    program: Program,
    shots: int = 1,
    seed: int = 1,
    first_shot: int = 0,
    *,
    output: str = "counts",
    precision: Precision = "double",
    memory: bool = False,
    threads: int = 1,
) -> Experiment:
    """Return an experiment that runs a program on an engine, without a shard around it.

    Args:
        program: The program to run.
        shots: How many shots to run.
        seed: The seed of every shot's random numbers.
        first_shot: The number of the first shot.
        output: The kind of result: counts, or amplitudes in one of their forms.
        precision: The width of the amplitudes' floats.
        memory: True to keep each shot's outcome, in order.
        threads: How many threads may share the work.
    """
    request = Request(Output(output), "automatic", precision, memory)
    method, _ = resolve_method(program, request)
    return Experiment(program, shots, seed, first_shot, replace(request, method=method), threads)
