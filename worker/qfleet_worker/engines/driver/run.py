# SPDX-License-Identifier: Apache-2.0
"""All shots of an experiment, run by the states of any engine."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import Any

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from qfleet.wire.messages.request import Output, has_exact_means
from qfleet.wire.program.matrices import ComplexArray
from qfleet_worker.engines.contract import Experiment, Outcome
from qfleet_worker.engines.driver.branches import exact_means
from qfleet_worker.engines.driver.draws import Draws
from qfleet_worker.engines.driver.flow import Flow
from qfleet_worker.engines.driver.front import ShotFront
from qfleet_worker.engines.driver.moves import MovedErrors
from qfleet_worker.engines.driver.noisy_run import NoisyRun
from qfleet_worker.engines.driver.readout import read
from qfleet_worker.engines.driver.shot_groups import ShotGroups
from qfleet_worker.engines.driver.shot_records import BYTES_OF_A_SAVE, BYTES_OF_A_SAVE_IN_A_LOOP, ShotRecords
from qfleet_worker.engines.driver.stretches import AnyPlan
from qfleet_worker.engines.driver.trajectories import ShotRun
from qfleet_worker.engines.driver.tree_run import TreeRun
from qfleet_worker.engines.randomness.uniforms import Uniforms
from qfleet_worker.engines.results.collection import collection
from qfleet_worker.engines.results.outcomes import Tally
from qfleet_worker.engines.results.saved import Saver, Take
from qfleet_worker.engines.results.shot_rows import ShotRows
from qfleet_worker.engines.states.contract import StateSource
from qfleet_worker.engines.steps import EventStep, SaveStep


def run_shots(experiment: Experiment, flow: Flow[Any], make_source: Callable[[], StateSource]) -> Outcome:
    """Run all shots of an experiment, and return their outcome.

    Args:
        experiment: the circuit, its shots and its request.
        flow: the compiled program.
        make_source: makes the states. They are dropped before the outcomes are sorted, which takes memory of its own.
    """
    if has_exact_means(experiment.program, experiment.request.output) and _is_random(flow):
        return exact_means(experiment, flow, make_source())
    tally = collection(experiment)
    saver = Saver(experiment.program, experiment.request.precision)
    amplitudes, patterns = _run_parts(experiment, flow, make_source(), tally, saver)
    return Outcome(*tally.result(), amplitudes=amplitudes, saved=saver.result(), patterns=patterns)


def _is_random(flow: Flow[Any]) -> bool:
    if flow.noise is not None:
        return True
    return any(isinstance(block.plan.steps[at], EventStep) for block in flow.blocks for at in block.events)


def sweep_one_by_one(
    run: Callable[[Experiment], Outcome], experiment: Experiment, params: NDArray[np.float64], seeds: Sequence[int]
) -> Iterator[Outcome]:
    """Run one circuit with many parameter sets, one by one.

    See `Simulator.sweep`.
    """
    for row, seed in zip(params, seeds, strict=True):
        program = replace(experiment.program, params=row)
        yield run(replace(experiment, program=program, seed=seed))


def ends(
    flow: Flow[AnyPlan],
    source: StateSource,
    shots: int,
    draws: Draws,
    records: ShotRecords,
    take: Take | None = None,
    phases: bool = False,
) -> Iterator[ShotFront]:
    """Run a program for some shots, and give them at its end.

    Each front has shots that come to the end together. Its states are those of the program's end until the next front
    is asked for.

    Args:
        flow: the compiled program.
        source: makes the states.
        shots: their number.
        draws: their random numbers.
        records: take the clbits that the shots write.
        take: is called at saves.
        phases: keep the global phase of every shot; fewer shots are simulated together. Without it, the phase of a
            state is that of its last shot.

    Raises:
        EngineError: a loop doesn't end, or an expression has no value.
    """
    left = np.arange(shots)
    kind = NoisyRun if flow.noise is not None and flow.noise.up_front else ShotRun
    while len(left):
        run = kind(flow, source, draws.uniforms, draws, records, take, phases)
        yield from run.run(left)
        left = run.put_off()
        records.forget(left)


def tree_ends(flow: Flow[AnyPlan], source: StateSource, shots: int, moved: MovedErrors) -> Iterator[ShotFront]:
    """Run a program whose errors are moved; see `ends`.

    Args:
        flow: the compiled program.
        source: makes the states.
        shots: their number.
        moved: their errors.
    """
    left = np.arange(shots)
    while len(left):
        run = TreeRun(flow, source, moved, left)
        yield from run.run()
        left = run.put_off()


def _run_parts(
    experiment: Experiment, flow: Flow[Any], source: StateSource, tally: Tally | ShotRows, saver: Saver
) -> tuple[ComplexArray | None, int]:
    """Run the shots part by part.

    Returns:
        The amplitudes after the last shot, if asked for; and the number of distinct patterns of errors.
    """
    at_once = max(1, flow.limits.numbers // _numbers_per_shot(flow))
    last = experiment.shots - 1 if experiment.request.output == Output.STATEVECTOR else -1
    amplitudes: ComplexArray | None = None
    patterns = 0
    together = _stay_together(flow)
    arrived: ShotFront | None = None
    for first in range(0, experiment.shots, at_once):
        shots = min(at_once, experiment.shots - first)
        uniforms = Uniforms(experiment.seed, experiment.first_shot + first, shots)
        draws, records = Draws(flow.noise, uniforms, shots), ShotRecords(shots)
        patterns += draws.num_patterns()
        if last < 0 and flow.moves is not None and draws.errors is not None:
            moved = flow.moves.moved(draws.errors, shots)
            for front in tree_ends(flow, source, shots, moved):
                read(front, flow, records, uniforms, first, tally, moved=moved)
            continue
        if arrived is not None and together:
            # The state is still the one at the end.
            arrived.groups = ShotGroups(np.arange(shots))
        else:
            fronts = ends(flow, source, shots, draws, records, saver.taking(first), saver.phases)
            arrived = next(fronts)
        for front in chain([arrived], () if together else fronts):
            after = read(front, flow, records, uniforms, first, tally, last - first)
            amplitudes = amplitudes if after is None else after
    return amplitudes, patterns


def _stay_together(flow: Flow[Any]) -> bool:
    """Tell whether all shots share a state and write nothing before."""
    return flow.noise is None and not any(block.events or block.store is not None for block in flow.blocks)


def _numbers_per_shot(flow: Flow[Any]) -> int:
    """Return the most numbers of 8 bytes held for each shot.

    They are its random numbers and its records.
    """
    if not any(block.events or block.store is not None for block in flow.blocks):
        return 1 + len(flow.flips)
    clbits: set[int] = set()
    saves: set[int] = set()
    for block in flow.blocks:
        clbits.update([flow.scope.clbits[name] for name in flow.scope.parted(block.names.changes)[0]])
        for at in block.events:
            step = block.plan.steps[at]
            if isinstance(step, EventStep):
                clbits.update(step.clbits)
            elif isinstance(step, SaveStep):
                saves.add(step.save)
    visits = 1 + sum(len(block.events) for block in flow.blocks) if flow.loops else 0
    each = BYTES_OF_A_SAVE_IN_A_LOOP if flow.loops else BYTES_OF_A_SAVE
    errors = 0 if flow.noise is None else 24 * math.ceil(flow.noise.errors_per_shot) + int(flow.noise.waits.any())
    return 2 + errors + (len(clbits) + len(flow.flips) + 4 * visits + each * len(saves)) // 8
