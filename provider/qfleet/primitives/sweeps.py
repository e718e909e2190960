# SPDX-License-Identifier: Apache-2.0
"""Means of observables at many points, as arrays: for those who don't want PUBs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from qiskit.circuit import QuantumCircuit
from qiskit.primitives.containers.bindings_array import BindingsArray
from qiskit.primitives.containers.estimator_pub import EstimatorPub
from qiskit.primitives.containers.observables_array import ObservablesArray, ObservablesArrayLike

from qfleet.backend import FleetBackend
from qfleet.errors import QfleetError
from qfleet.jobs.base import Progress
from qfleet.jobs.primitive import PrimitiveFleetJob
from qfleet.primitives.estimator import EstimatorV2
from qfleet.provider import FleetProvider

#: Points: an array of shape (..., parameters) in the order of ``circuit.parameters``, or parameters with their arrays.
Values: TypeAlias = "ArrayLike | Mapping[Any, ArrayLike] | BindingsArray"


def sweep(
    circuit: QuantumCircuit,
    values: Values,
    observables: ObservablesArrayLike,
    *,
    fleet: FleetBackend | FleetProvider | str | None = None,
    precision: float = 0.0,
    seed: int | None = None,
    progress: Callable[[Progress], object] | None = None,
) -> NDArray[np.float64]:
    """The mean of each observable at each point.

    Args:
        circuit: it need not be transpiled.
        values: the points: shape (..., parameters) in the order of ``circuit.parameters``; or a mapping of parameters
            to arrays, as `qiskit.primitives.BindingsArray` takes it.
        observables: one, or an array of them.
        fleet: as for `qfleet.EstimatorV2`.
        precision: standard error of the means; 0 for exact ones.
        seed: makes means that aren't exact the same again.
        progress: called with the job's progress at first, and each time it has changed.

    Returns:
        float64, the shape of the points followed by that of the observables.

    Raises:
        TypeError, ValueError: the values or the observables don't fit the circuit.
        QfleetError: as `qfleet.EstimatorV2.run` and its job's ``result`` do.
    """
    job, _ = _submitted(circuit, values, observables, fleet, precision, seed)
    return np.asarray(job.result(progress=progress)[0].data.evs, np.float64)


def iter_sweep(
    circuit: QuantumCircuit,
    values: Values,
    observables: ObservablesArrayLike,
    *,
    fleet: FleetBackend | FleetProvider | str | None = None,
    precision: float = 0.0,
    seed: int | None = None,
) -> Iterator[tuple[slice, NDArray[np.float64]]]:
    """The same as `sweep`, as the points end. They are submitted at once; closing the iterator early cancels the rest.

    Yields:
        Where some points are in the flat array of all, and their means: shape (points, ...) with the shape of the
        observables. All points come, in any order.
    """
    job, shape = _submitted(circuit, values, observables, fleet, precision, seed)
    return _Points(job, shape)


class _Points(Iterator[tuple[slice, NDArray[np.float64]]]):
    """The points of a job that is there for them alone: who closes this early has no use for it any more."""

    def __init__(self, job: PrimitiveFleetJob, shape: tuple[int, ...]) -> None:
        self._job, self._shape = job, shape
        self._arriving = job.means_as_completed()
        self._left = job.progress().total
        self._open = True

    def __next__(self) -> tuple[slice, NDArray[np.float64]]:
        if not self._open:
            raise StopIteration
        try:
            points, means = next(self._arriving)
        except StopIteration:
            self._open = False
            if self._left:
                # Raises: points that failed, or were cancelled, don't come.
                self._job.result()
            raise
        self._left -= len(means)
        return points, means.reshape(-1, *self._shape)

    def close(self) -> None:
        """Cancel what is left."""
        if self._open:
            self._open = False
            self._job.cancel()

    def __del__(self) -> None:
        # No error of Redis may come from here; what isn't cancelled ends by itself.
        with suppress(QfleetError):
            self.close()


def _submitted(
    circuit: QuantumCircuit,
    values: Values,
    observables: ObservablesArrayLike,
    fleet: FleetBackend | FleetProvider | str | None,
    precision: float,
    seed: int | None,
) -> tuple[PrimitiveFleetJob, tuple[int, ...]]:
    """The job, and the shape of the observables."""
    array = ObservablesArray.coerce(observables)
    given = values if isinstance(values, Mapping | BindingsArray) else {tuple(circuit.parameters): values}
    points = BindingsArray.coerce(given)
    # Each observable at each point.
    points = points.reshape(*points.shape, *(1 for _ in array.shape))
    return EstimatorV2(fleet, seed=seed).run([EstimatorPub(circuit, array, points, precision)]), array.shape
