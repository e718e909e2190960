# SPDX-License-Identifier: Apache-2.0
"""Experiments for engines, made in one place for all tests."""

from __future__ import annotations

from qfleet.wire.messages.request import Output, Precision, Request
from qfleet.wire.program.program import Program
from qfleet_worker.engines.contract import Experiment
from qfleet_worker.shards.simulation import resolve


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
    """Return an experiment that runs a program on an engine.

    Args:
        program: the program to run.
        shots: how many shots to run.
        seed: the seed of every shot's random numbers.
        first_shot: the number of the first shot.
        output: the kind of result, such as counts or a statevector.
        precision: the width of the amplitudes' floats.
        memory: True to keep each shot's outcome, in order.
        threads: how many threads may share the work.
    """
    request = resolve(program, Request(Output(output), "automatic", precision, memory))
    return Experiment(program, shots, seed, first_shot, request, threads)
