# SPDX-License-Identifier: Apache-2.0
"""Operations on the states of a noisy circuit, and bounds of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import numpy as np
from _noisy import Work

from qfleet.lowering.lower import lower
from qfleet.noise import NoiseModel
from qfleet.wire.messages.request import Output, Request
from qfleet.wire.program.operations import HAS_CHANNEL, IS_UNITARY
from qfleet.wire.program.program import Program
from qfleet_worker.engines.contract import Experiment
from qfleet_worker.engines.driver.noise import Noise
from qfleet_worker.engines.randomness.uniforms import Uniforms
from qfleet_worker.engines.statevector.compiler.plan import Segment, compile_program
from qfleet_worker.engines.statevector.runtime.batch import Batch
from qfleet_worker.engines.statevector.simulator import StatevectorSimulator

SEED = 1


def operations(work: Work) -> str:
    """Return the operations on a circuit's states, and those of full runs.

    It has at most 14 qubits.
    """
    program = lower(work.circuits[0], Output.COUNTS, noise=NoiseModel.from_aer(work.model))
    experiment = Experiment(program, work.shots, SEED, request=Request(Output.COUNTS, "statevector"), threads=1)
    counts = {"operations": 0, "copies": 0}
    with _counting(counts):
        StatevectorSimulator().run(experiment)
    fused = _operations(compile_program(lower(work.circuits[0], Output.COUNTS), 2).steps)
    runs = full_runs(program, work.shots)
    return (
        f"{counts['operations']} operations on states, {counts['copies']} copies; {runs:.0f} full runs by the errors "
        f"as they are, of {fused} operations: {runs * fused:.0f}"
    )


def full_runs(program: Program, shots: int) -> float:
    """Return the gates of all distinct states, over those of one run.

    Shots share a state until the first error that they don't share.
    """
    noise, rows = Noise(program), np.flatnonzero(HAS_CHANNEL[program.codes])
    before = np.concatenate([[0], np.cumsum(IS_UNITARY[program.codes])])
    errors = noise.draw(Uniforms(SEED, 0, shots), shots)
    patterns: dict[int, list[tuple[int, int]]] = defaultdict(list)
    sites = np.repeat(before[rows], np.diff(errors.starts)).tolist()
    numbers = np.repeat(np.arange(len(rows)) << 32, np.diff(errors.starts)) + errors.branches
    for shot, gates, number in zip(errors.shots.tolist(), sites, numbers.tolist(), strict=True):
        patterns[shot].append((gates, number))
    ends: dict[tuple[tuple[int, int], ...], int] = {}
    for pattern in patterns.values():
        for length in range(1, len(pattern) + 1):
            end = pattern[length][0] if length < len(pattern) else int(before[-1])
            first = tuple(pattern[:length])
            ends[first] = max(ends.get(first, 0), end)
    return 1 + sum(end - first[-1][0] for first, end in ends.items()) / int(before[-1])


def _operations(steps: Sequence[Any]) -> int:
    return sum(len(step.tables.operations.rows) for step in steps if isinstance(step, Segment))


@contextmanager
def _counting(counts: dict[str, int]) -> Iterator[None]:
    """Count what is done to states meanwhile."""
    apply, apply_each, fork = Batch.apply, Batch.apply_each, Batch.fork

    def applied(states: Batch, steps: Sequence[Any], begin: int, end: int) -> None:
        counts["operations"] += len(states) * _operations(steps[begin:end])
        apply(states, steps, begin, end)

    def applied_each(states: Batch, steps: Sequence[Any], angles: Any) -> bool:
        counts["operations"] += len(states) * _operations(steps)
        return apply_each(states, steps, angles)

    def forked(states: Batch, which: Any, *paulis: Any) -> Batch:
        counts["copies"] += len(which)
        return fork(states, which, *paulis)

    with patch.multiple(Batch, apply=applied, apply_each=applied_each, fork=forked):
        yield
