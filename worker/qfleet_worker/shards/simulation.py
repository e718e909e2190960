# SPDX-License-Identifier: Apache-2.0
"""Simulation of a circuit at its points."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from qfleet.wire.messages.methods import MethodError, resolve_method
from qfleet.wire.messages.request import Output, Request
from qfleet.wire.messages.work import SEED_STEP, CircuitWork
from qfleet.wire.program.angles import AngleError, fill, filled
from qfleet.wire.program.program import Program
from qfleet_worker.engines.contract import EngineError, Experiment, Outcome, Simulator, Truncation
from qfleet_worker.shards.observables import expectation_values, larger_truncation


def simulate(
    simulator: Simulator, program: Program, circuit: CircuitWork, request: Request, threads: int
) -> dict[str, Any]:
    """Run a circuit at all its points together.

    Args:
        simulator: the simulator of the circuit.
        program: the circuit's program, with slots.
        circuit: the circuit's shots, seed, points and observables.
        request: the output that is wanted, with a resolved method.
        threads: the number of threads that the circuit may use.

    Returns:
        The fields of a `CircuitResult` that hold its data.

    Raises:
        EngineError: the circuit can't be run at one of the points.
        MemoryError: the results don't fit in memory.
    """
    params = _angles(program, circuit)
    experiment = Experiment(
        filled(program, params[0]), circuit.shots, circuit.seed, circuit.first_shot, request, threads
    )
    seeds = range(circuit.seed, circuit.seed + SEED_STEP * circuit.points, SEED_STEP)
    if request.output == Output.EXPECTATION_VALUES:
        values, truncation = expectation_values(simulator, experiment, circuit, params, seeds)
        found: dict[str, Any] = {"expectation_values": values.astype("<f8", copy=False).tobytes()}
        return found if truncation is None else found | {"truncation": truncation}
    outcomes = simulator.sweep(experiment, params, seeds) if circuit.points > 1 else iter([simulator.run(experiment)])
    if request.output == Output.BITS:
        return _bits(outcomes)
    return _fields(outcomes, circuit.points)


def resolve(program: Program, request: Request) -> Request:
    """Return the request with the method that simulates a program.

    Raises:
        EngineError: the requested method can't simulate the program.
    """
    try:
        method, _ = resolve_method(program, request)
    except MethodError as exc:
        raise EngineError(f"it {exc}") from exc
    return replace(request, method=method)


def _angles(program: Program, circuit: CircuitWork) -> NDArray[np.float64]:
    """Return a program's angles at each point of a circuit."""
    try:
        return fill(program, _values(circuit, program))
    except AngleError as exc:
        raise EngineError(str(exc)) from exc


def _values(circuit: CircuitWork, program: Program) -> NDArray[np.float64]:
    """Return the values of a program's parameters, shape (points, parameters)."""
    needed = 8 * program.num_parameters * circuit.points
    if len(circuit.values) != needed:
        raise EngineError(
            f"it comes with {len(circuit.values)} bytes of values; its {program.num_parameters} parameters take "
            f"{needed} at {circuit.points} points"
        )
    return np.frombuffer(circuit.values, "<f8").reshape(circuit.points, -1)


def _bits(outcomes: Iterable[Outcome]) -> dict[str, Any]:
    """Return the fields of a result with each shot's bits."""
    bits = []
    truncation: Truncation | None = None
    for outcome in outcomes:
        bits.append(outcome.outcomes.tobytes())
        truncation = larger_truncation(truncation, outcome.truncation)
    return {"bits": b"".join(bits)} | ({} if truncation is None else {"truncation": truncation})


def _fields(outcomes: Iterable[Outcome], points: int) -> dict[str, Any]:
    """Return the fields of a result, with all points' data joined."""
    parts: dict[str, list[bytes]] = {"outcomes": [], "counts": [], "memory": [], "amplitudes": []}
    distinct: list[int] = []
    saved: tuple[Any, ...] = ()
    patterns = 0
    truncation: Truncation | None = None
    for outcome in outcomes:
        distinct.append(len(outcome.counts))
        parts["outcomes"].append(outcome.outcomes.tobytes())
        parts["counts"].append(outcome.counts.astype("<i8", copy=False).tobytes())
        if outcome.memory is not None:
            parts["memory"].append(outcome.memory.astype("<u4", copy=False).tobytes())
        if outcome.amplitudes is not None:
            parts["amplitudes"].append(np.ascontiguousarray(outcome.amplitudes).tobytes())
        saved, patterns, truncation = outcome.saved, outcome.patterns, larger_truncation(truncation, outcome.truncation)
    fields: dict[str, Any] = {name: b"".join(blobs) for name, blobs in parts.items()}
    if truncation is not None:
        fields["truncation"] = truncation
    if points > 1:
        return fields | {"distinct": np.array(distinct, "<i8").tobytes()}
    return fields | {"saved": saved, "patterns": patterns}
