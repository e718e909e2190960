# SPDX-License-Identifier: Apache-2.0
"""A compiled circuit of few qubits at many parameter sets.

The values of some sets are written one after the other, and then run in one call, each on a state of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qfleet.wire.program.matrices import ComplexArray
from qfleet_worker.engines.machine_code.registry import compiled_for, flat
from qfleet_worker.engines.statevector.compiler.binding import round_values, values_at, with_precision
from qfleet_worker.engines.statevector.compiler.plan import Segment
from qfleet_worker.engines.statevector.compiler.values import refill
from qfleet_worker.engines.statevector.kernels.layout import STAGE_LOCAL, Tables, Values
from qfleet_worker.engines.statevector.kernels.stage import NO_SUMS, ONE_STATE, Stage, run_stage
from qfleet_worker.engines.threads import ThreadTeam
from qfleet_worker.machine.arrays import empty

#: Bytes of values that are written at a time, and parameter sets at most: they stay in a core's cache.
BATCH_BYTES = 1 << 20
BATCH_SETS = 256

_run_stage = flat(run_stage)


def run_sets(
    segments: Sequence[Segment], num_qubits: int, dtype: np.dtype[np.complexfloating], params: NDArray[np.float64],
    team: ThreadTeam,
) -> tuple[ComplexArray, NDArray[np.float64]]:  # fmt: skip
    """Run some segments from |0...0> at all parameter sets.

    Each segment has one stage.

    Args:
        segments: what is run.
        num_qubits: qubits of the circuit.
        dtype: of the amplitudes.
        params: float64, shape (parameter sets, angles), contiguous.
        team: threads that share the work.

    Returns:
        The amplitudes, shape (parameter sets, 2**num_qubits), and their squared norms, shape (parameter sets,).
    """
    # A vector has 4 or 8 amplitudes.
    wires = max(num_qubits, 2 if dtype == np.complex128 else 3)
    states = empty((len(params), 1 << wires), dtype)
    norms = np.empty(len(params))

    def work(begin: int, end: int) -> None:
        _run(segments, wires, params[begin:end], states[begin:end], norms[begin:end])

    team.share(len(params), work)
    return states[:, : 1 << num_qubits], norms


def is_one_stage(segment: Segment, wires: int) -> bool:
    """Tell whether a segment has one stage, over all wires."""
    every = (1 << wires) - 1
    return [local & every for local in segment.tables.stages[:, STAGE_LOCAL].tolist()] == [every]


def run_each(segments: Sequence[Segment], floats: NDArray[Any], wires: int, params: NDArray[np.float64]) -> None:
    """Run segments of one stage on states with angles of their own.

    Args:
        segments: what is run.
        floats: the states' real and imaginary parts, one state after the other.
        wires: those of a state.
        params: float64, shape (states, angles), contiguous.
    """
    size, every = 2 << wires, (1 << wires) - 1
    at_once = _at_once(segments, len(params))
    batches = [_Batch(segment, at_once, wires, floats.dtype) for segment in segments]
    for begin in range(0, len(params), at_once):
        part = params[begin : begin + at_once]
        for batch in batches:
            batch.run(part, floats[begin * size : (begin + len(part)) * size], every, np.ones(len(part), np.complex128))


def _at_once(segments: Sequence[Segment], sets: int) -> int:
    """Return how many parameter sets have their values written together."""
    sizes = [sum(part.nbytes for part in segment.tables.values[:4]) for segment in segments]
    return max(1, min(BATCH_SETS, sets, BATCH_BYTES // max([1, *sizes])))


def run_set(
    tables: Tables, num_qubits: int, dtype: np.dtype[np.complexfloating], params: NDArray[np.float64]
) -> tuple[ComplexArray, float]:
    """Return the amplitudes after one segment, and their squared norm.

    The segment runs from |0...0>.

    Args:
        tables: the segment's.
        num_qubits: qubits of the circuit.
        dtype: of the amplitudes.
        params: float64, shape (angles,).
    """
    double = dtype == np.complex128
    wires = max(num_qubits, 2 if double else 3)
    state = empty(1 << wires, dtype)
    floats = state.view(np.float64 if double else np.float32)
    _, operations, values, recipe, _ = tables
    if len(recipe):
        values = values_at(tables, params, 0)
    if not double:
        values = round_values(values, floats.dtype)
    # Python's part takes as long as the circuit.
    every, end = (1 << wires) - 1, len(operations.rows)
    _run_stage(floats, every, 0, 0, end, wires, *operations, *values, floats, ONE_STATE, NO_SUMS, 0, 1)
    norm_squared = _finish_one(floats, values.phases.item())
    return state if wires == num_qubits else state[: 1 << num_qubits], norm_squared


class _Batch:
    """A segment with its values for a number of parameter sets."""

    def __init__(self, segment: Segment, num_sets: int, wires: int, dtype: np.dtype[Any]) -> None:
        tables = with_precision(segment.tables, dtype)
        self._first_param = segment.first_param
        self._wires = wires
        # Without a recipe all parameter sets have the same values.
        self._copies = num_sets if len(tables.recipe) else 1
        values = Values(*(np.tile(array, self._copies) for array in tables.values))
        self._tables = tables._replace(values=values)
        self._pool = tables.pool.copy()

    def run(
        self, params: NDArray[np.float64], floats: NDArray[Any], known: int, phases: NDArray[np.complex128]
    ) -> None:
        """Run all parameter sets, multiplying their phases by this segment's."""
        tables, num_sets = self._tables, len(params)
        steps = np.zeros(5, np.int64)
        steps[0] = 2 << self._wires
        if len(tables.recipe):
            # The last sets are fewer.
            values = Values(*(array[: len(array) // self._copies * num_sets] for array in tables.values))
            steps[1:] = [len(array) // num_sets for array in values[:4]]
            refill(tables.recipe, self._pool, params, self._first_param, values)
            tables = tables._replace(values=values)
        phases *= tables.values.phases
        stage = Stage((1 << self._wires) - 1, known, 0, len(tables.operations.rows), self._wires)
        run_stage(floats, stage, tables.operations, tables.values, floats, steps, NO_SUMS, 0, num_sets)


def _run(
    segments: Sequence[Segment], wires: int, params: NDArray[np.float64], states: ComplexArray,
    norms: NDArray[np.float64],
) -> None:  # fmt: skip
    """Run some parameter sets, a few at a time."""
    real = states.real.dtype
    at_once = _at_once(segments, len(params))
    batches = [_Batch(segment, at_once, wires, real) for segment in segments]
    for begin in range(0, len(params), at_once):
        part = params[begin : begin + at_once]
        floats = states[begin : begin + at_once].reshape(-1).view(real)
        phases = np.ones(len(part), np.complex128)
        if not segments:
            states[begin : begin + at_once] = 0
            states[begin : begin + at_once, 0] = 1
        known = 0
        for batch in batches:
            batch.run(part, floats, known, phases)
            known = (1 << wires) - 1
        _finish(floats, phases, norms[begin : begin + at_once])


@compiled_for("{real}[::1]", "complex128[::1]", "float64[::1]")
def _finish(floats: NDArray[Any], phases: NDArray[Any], norms: NDArray[Any]) -> None:
    """Multiply states by their phases, and write their squared norms.

    The states lie one after the other.
    """
    size = len(floats) // len(phases)
    for state in range(len(phases)):
        norms[state] = _finish_one(floats[state * size : (state + 1) * size], phases[state])


@compiled_for("{real}[::1]", "complex128")
def _finish_one(floats: NDArray[Any], phase: complex) -> float:
    """Multiply a state by its phase, and return its squared norm."""
    # Four sums that don't wait for each other.
    a = b = c = d = 0.0
    for at in range(0, len(floats), 4):
        a += np.float64(floats[at]) * floats[at]
        b += np.float64(floats[at + 1]) * floats[at + 1]
        c += np.float64(floats[at + 2]) * floats[at + 2]
        d += np.float64(floats[at + 3]) * floats[at + 3]
    re, im = phase.real, phase.imag
    if re != 1 or im != 0:
        for at in range(0, len(floats), 2):
            x, y = np.float64(floats[at]), np.float64(floats[at + 1])
            floats[at] = x * re - y * im
            floats[at + 1] = x * im + y * re
    return (a + b) + (c + d)
