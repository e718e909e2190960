# SPDX-License-Identifier: Apache-2.0
"""Sweeps: expectation values at many parameter sets as arrays, without PUBs."""

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
from qfleet.noise import NoiseModel
from qfleet.noise.aer import AerNoiseModel
from qfleet.primitives.estimator import EstimatorV2
from qfleet.primitives.options import EstimatorKeywords
from qfleet.provider import FleetProvider

#: Parameter sets: an array of shape (..., parameters) in the order of ``circuit.parameters``, or a mapping to arrays.
Values: TypeAlias = "ArrayLike | Mapping[Any, ArrayLike] | BindingsArray"


def sweep(
    circuit: QuantumCircuit,
    values: Values,
    observables: ObservablesArrayLike,
    *,
    fleet: FleetBackend | FleetProvider | str | None = None,
    precision: float = 0.0,
    seed: int | None = None,
    noise_model: NoiseModel | AerNoiseModel | None = None,
    progress: Callable[[Progress], object] | None = None,
) -> NDArray[np.float64]:
    """Return the expectation value of each observable for each parameter set.

    Args:
        circuit: the circuit; it need not be transpiled.
        values: the parameter sets: an array of shape (..., parameters) in the order of ``circuit.parameters``, or a
            mapping of parameters to arrays as in `qiskit.primitives.BindingsArray`.
        observables: an observable, or an array of them.
        fleet: see `qfleet.EstimatorV2`.
        precision: standard error of the expectation values; 0 for exact ones.
        seed: makes expectation values with a standard error repeatable.
        noise_model: see `FleetBackend.run`; default: that of the fleet's backend.
        progress: called with the job's progress at the start and after each change.

    Returns:
        float64, the shape of the parameter sets followed by the shape of the observables.

    Raises:
        TypeError, ValueError: the values or the observables don't fit the circuit.
        QfleetError: see `qfleet.EstimatorV2.run` and `qfleet.PrimitiveFleetJob.result`.
    """
    job, _ = _submit(circuit, values, observables, fleet, precision, seed, noise_model)
    return np.asarray(job.result(progress=progress)[0].data.evs, np.float64)


def iter_sweep(
    circuit: QuantumCircuit,
    values: Values,
    observables: ObservablesArrayLike,
    *,
    fleet: FleetBackend | FleetProvider | str | None = None,
    precision: float = 0.0,
    seed: int | None = None,
    noise_model: NoiseModel | AerNoiseModel | None = None,
) -> Iterator[tuple[slice, NDArray[np.float64]]]:
    """Yield the results of `sweep` as they arrive.

    All parameter sets are submitted at once. Closing the iterator early cancels the rest.

    Args:
        circuit: see `sweep`.
        values: see `sweep`.
        observables: see `sweep`.
        fleet: see `sweep`.
        precision: see `sweep`.
        seed: see `sweep`.
        noise_model: see `sweep`.

    Yields:
        The place of some parameter sets in the flat array of all, and their expectation values: float64, shape
        (sets, ...) with the shape of the observables. All sets come, in any order.
    """
    job, shape = _submit(circuit, values, observables, fleet, precision, seed, noise_model)
    return _Results(job, shape)


class _Results(Iterator[tuple[slice, NDArray[np.float64]]]):
    """The results of a sweep's job.

    Closing the iterator early cancels the job.
    """

    def __init__(self, job: PrimitiveFleetJob, shape: tuple[int, ...]) -> None:
        self._job, self._shape = job, shape
        self._arriving = job.expectation_values_as_completed()
        self._left = job.progress().total
        self._open = True

    def __next__(self) -> tuple[slice, NDArray[np.float64]]:
        if not self._open:
            raise StopIteration
        try:
            place, values = next(self._arriving)
        except StopIteration:
            self._open = False
            if self._left:
                # Parameter sets that failed or were cancelled don't arrive: this raises.
                self._job.result()
            raise
        self._left -= len(values)
        return place, values.reshape(-1, *self._shape)

    def close(self) -> None:
        """Cancel the rest."""
        if self._open:
            self._open = False
            self._job.cancel()

    def __del__(self) -> None:
        # No error of Redis may be raised here; a job that isn't cancelled ends by itself.
        with suppress(QfleetError):
            self.close()


def _submit(
    circuit: QuantumCircuit,
    values: Values,
    observables: ObservablesArrayLike,
    fleet: FleetBackend | FleetProvider | str | None,
    precision: float,
    seed: int | None,
    noise_model: NoiseModel | AerNoiseModel | None,
) -> tuple[PrimitiveFleetJob, tuple[int, ...]]:
    """Submit a sweep; return its job and the shape of the observables."""
    array = ObservablesArray.coerce(observables)
    given = values if isinstance(values, Mapping | BindingsArray) else {tuple(circuit.parameters): values}
    bindings = BindingsArray.coerce(given)
    # Each observable for each parameter set.
    bindings = bindings.reshape(*bindings.shape, *(1 for _ in array.shape))
    keywords: EstimatorKeywords = {"seed": seed}
    if noise_model is not None:
        keywords["noise_model"] = noise_model
    return EstimatorV2(fleet, **keywords).run([EstimatorPub(circuit, array, bindings, precision)]), array.shape
