# SPDX-License-Identifier: Apache-2.0
"""How is a compiled circuit of few qubits run at many points?

The values of some points are written one after the other, and then run in one call, each on a state of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qfleet_worker.engines.gates.matrices import ComplexArray
from qfleet_worker.engines.statevector.compiler.binding import precise, rounded, values_at
from qfleet_worker.engines.statevector.compiler.plan import Segment
from qfleet_worker.engines.statevector.compiler.tables import Tables
from qfleet_worker.engines.statevector.compiler.values import refill
from qfleet_worker.engines.statevector.kernels.stage import ONE_STATE, run_stage
from qfleet_worker.engines.statevector.machine_code.registry import compiled_for
from qfleet_worker.engines.statevector.runtime.threads import Crew

#: Bytes of values that are written at a time, and points at most: they stay in a core's cache.
BATCH_BYTES = 1 << 20
BATCH_POINTS = 256


def run_points(
    segments: Sequence[Segment], num_qubits: int, dtype: np.dtype[np.complexfloating], params: NDArray[np.float64],
    crew: Crew,
) -> tuple[ComplexArray, NDArray[np.float64]]:  # fmt: skip
    """The amplitudes of |0...0> after some segments, each of one stage, at all points, and their squared norms.

    `params`: shape (points, angles), float64 and contiguous. Returns shapes (points, 2**num_qubits) and (points,).
    """
    # A vector has 4 or 8 amplitudes.
    wires = max(num_qubits, 2 if dtype == np.complex128 else 3)
    states = np.empty((len(params), 1 << wires), dtype)
    norms = np.empty(len(params))

    def work(begin: int, end: int) -> None:
        _run(segments, wires, params[begin:end], states[begin:end], norms[begin:end])

    crew.share(len(params), work)
    return states[:, : 1 << num_qubits], norms


def run_point(
    tables: Tables, num_qubits: int, dtype: np.dtype[np.complexfloating], params: NDArray[np.float64]
) -> tuple[ComplexArray, float]:
    """The same of one segment at one point; `params`: shape (angles,)."""
    wires = max(num_qubits, 2 if dtype == np.complex128 else 3)
    state = np.empty(1 << wires, dtype)
    floats = state.view(np.float64 if dtype == np.complex128 else np.float32)
    coefs, factors, diagonals, high_diagonals, phase = values_at(tables, params, 0)
    run_stage(
        floats, wires, (1 << wires) - 1, 0, 0, len(tables.ops), tables.ops, rounded(coefs, floats.dtype), tables.ints,
        tables.diagonals, tables.terms, factors, rounded(diagonals, floats.dtype), high_diagonals, floats, ONE_STATE,
        0, 1,
    )  # fmt: skip
    return state[: 1 << num_qubits], _finish_one(floats, phase)


class _Values:
    """The values of a segment for a number of points."""

    def __init__(self, segment: Segment, points: int, wires: int, dtype: np.dtype[Any]) -> None:
        tables = precise(segment.tables, dtype)
        self._segment = segment
        self._tables = tables
        self._all = (1 << wires) - 1
        self._wires = wires
        self._pool = tables.pool.copy()
        # Without a recipe all points have the same values.
        self._copies = points if len(tables.recipe) else 1
        self._coefs, self._factors, self._diagonals, self._high_diagonals = [
            np.tile(array, self._copies) for array in (tables.coefs, tables.factors, tables.tables, tables.high_tables)
        ]

    def run(
        self, params: NDArray[np.float64], floats: NDArray[Any], known: int, phases: NDArray[np.complex128]
    ) -> None:
        """Run all points, multiplying their phases by this segment's."""
        tables, points = self._tables, len(params)
        copies = points if len(tables.recipe) else 1
        coefs, factors, diagonals, high_diagonals = [
            array[: len(array) // self._copies * copies]
            for array in (self._coefs, self._factors, self._diagonals, self._high_diagonals)
        ]
        steps = np.zeros(5, np.int64)
        steps[0] = 2 << self._wires
        if len(tables.recipe):
            steps[1:] = [len(array) // copies for array in (coefs, factors, diagonals, high_diagonals)]
            own = np.empty(points, np.complex128)
            refill(
                tables.recipe, self._pool, params, self._segment.first_param, 0, points, coefs, factors, diagonals,
                high_diagonals, own,
            )  # fmt: skip
            phases *= own
        else:
            phases *= tables.phase
        run_stage(
            floats, self._wires, self._all, known, 0, len(tables.ops), tables.ops, coefs, tables.ints,
            tables.diagonals, tables.terms, factors, diagonals, high_diagonals, floats, steps, 0, points,
        )  # fmt: skip


def _run(
    segments: Sequence[Segment], wires: int, params: NDArray[np.float64], states: ComplexArray,
    norms: NDArray[np.float64],
) -> None:  # fmt: skip
    """Run some points, a few at a time."""
    real = states.real.dtype
    sizes = [sum(part.nbytes for part in segment.tables[5:9]) for segment in segments]
    at_once = max(1, min(BATCH_POINTS, len(params), BATCH_BYTES // max([1, *sizes])))
    values = [_Values(segment, at_once, wires, real) for segment in segments]
    for begin in range(0, len(params), at_once):
        part = params[begin : begin + at_once]
        floats = states[begin : begin + at_once].reshape(-1).view(real)
        phases = np.ones(len(part), np.complex128)
        if not segments:
            states[begin : begin + at_once] = 0
            states[begin : begin + at_once, 0] = 1
        known = 0
        for each in values:
            each.run(part, floats, known, phases)
            known = (1 << wires) - 1
        _finish(floats, phases, norms[begin : begin + at_once])


@compiled_for("({real}[::1], complex128[::1], float64[::1])")
def _finish(floats: NDArray[Any], phases: NDArray[Any], norms: NDArray[Any]) -> None:
    """Multiply states that lie one after the other by their phases, and write their squared norms."""
    size = len(floats) // len(phases)
    for point in range(len(phases)):
        norms[point] = _finish_one(floats[point * size : (point + 1) * size], phases[point])


@compiled_for("({real}[::1], complex128)")
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
