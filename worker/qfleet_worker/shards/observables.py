# SPDX-License-Identifier: Apache-2.0
"""Expectation values of the observables wanted at each point."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import msgspec
import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from qfleet.wire.messages.work import CircuitWork
from qfleet.wire.program.saves import Payload, Save
from qfleet_worker.engines.contract import EngineError, Experiment, Simulator, Truncation

#: Terms of the observables wanted at a point, if these are there several times.
_MOST_TERMS: Final = 1 << 16


def expectation_values(
    simulator: Simulator,
    experiment: Experiment,
    circuit: CircuitWork,
    params: NDArray[np.float64],
    seeds: Sequence[int],
) -> tuple[NDArray[np.float64], Truncation | None]:
    """Return the expectation values wanted at each point, and the truncation.

    Args:
        simulator: the simulator of the circuit.
        experiment: the circuit, with any angles.
        circuit: the work that names the observables of each point.
        params: the angles in radians; shape (points, angles).
        seeds: the seed of each point.

    Returns:
        Shape (points, columns), twice as many columns with squares; and the largest truncation of all points.

    Raises:
        EngineError: the circuit saves no expectation values, or others than those wanted.
    """
    save = experiment.program.saves[-1] if experiment.program.saves else None
    if save is None or save.spec.payload is not Payload.PAULI_SUMS:
        raise EngineError("expectation values are wanted of it, and it saves none")
    parts: list[tuple[NDArray[np.intp], NDArray[np.float64]]] = []
    truncation: Truncation | None = None
    for points, columns in _groups(circuit, save):
        saves = (*experiment.program.saves[:-1], save if columns is None else _of(save, columns))
        program = msgspec.structs.replace(experiment.program, saves=saves, params=params[points[0]])
        some = msgspec.structs.replace(experiment, program=program)
        sums = []
        for outcome in simulator.sweep(some, params[points], [seeds[at] for at in points.tolist()]):
            sums.append(np.frombuffer(outcome.saved[-1].values, "<f8"))
            truncation = larger_truncation(truncation, outcome.truncation)
        parts.append((points, np.stack(sums) / circuit.shots))
    order, means = map(np.concatenate, zip(*parts, strict=True))
    return np.asarray(means[np.argsort(order)], np.float64), truncation


def larger_truncation(one: Truncation | None, other: Truncation | None) -> Truncation | None:
    """Return the larger values of two truncations; ``None`` if there is neither."""
    if one is None or other is None:
        return one or other
    return max(one[0], other[0]), max(one[1], other[1])


def _groups(circuit: CircuitWork, save: Save) -> Iterator[tuple[NDArray[np.intp], NDArray[np.int64] | None]]:
    """Yield groups of points with the observables that all of them want.

    ``None`` stands for all observables.
    """
    everywhere = np.arange(circuit.points)
    if not circuit.observables:
        yield everywhere, None
        return
    rows, rest = divmod(len(circuit.observables), 4 * max(circuit.num_observables, 1))
    wanted = np.frombuffer(circuit.observables, "<i4").astype(np.int64) if not rest else np.zeros(0, np.int64)
    if rows not in (1, circuit.points) or rest or not circuit.num_observables:
        raise EngineError(f"it comes with {len(circuit.observables)} bytes that name the observables of its points")
    if wanted.min() < 0 or wanted.max() >= len(save.starts) // 4 - 1:
        raise EngineError("an observable is wanted that isn't there")
    table = wanted.reshape(rows, circuit.num_observables)
    if rows == 1:
        yield everywhere, table[0]
        return
    distinct, places = np.unique(table, axis=0, return_inverse=True)
    for number, columns in enumerate(distinct):
        yield np.flatnonzero(places.reshape(-1) == number), columns


def _of(save: Save, columns: NDArray[np.int64]) -> Save:
    """Return a save with some of its observables.

    Raises:
        EngineError: the observables have too many terms.
    """
    x, z, coefficients = save.paulis()
    starts = save.sums()
    lengths = starts[columns + 1] - starts[columns]
    if lengths.sum() > max(len(x), _MOST_TERMS):
        raise EngineError(f"{lengths.sum()} terms of observables are wanted at a point; there are {len(x)}")
    ends = np.cumsum(lengths)
    terms = np.arange(ends[-1]) + np.repeat(starts[columns] - (ends - lengths), lengths)
    return replace(
        save,
        x_masks=x[terms].astype("<u8").tobytes(),
        z_masks=z[terms].astype("<u8").tobytes(),
        coefficients=coefficients[0, terms].astype("<c16").tobytes(),
        starts=np.concatenate([[0], ends]).astype("<i4").tobytes(),
    )
