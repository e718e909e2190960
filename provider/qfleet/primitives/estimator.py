# SPDX-License-Identifier: Apache-2.0
"""The estimator: Qiskit's `BaseEstimatorV2` on the fleet."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Unpack

from qiskit.primitives import BaseEstimatorV2
from qiskit.primitives.containers import EstimatorPubLike
from qiskit.primitives.containers.estimator_pub import EstimatorPub

from qfleet.backend import FleetBackend
from qfleet.jobs.primitive import PrimitiveFleetJob
from qfleet.primitives.base import FleetPrimitive, primitive_options
from qfleet.primitives.options import EstimatorKeywords, EstimatorOptions, check_precision
from qfleet.primitives.pubs import coerce_pubs, estimator_entries
from qfleet.provider import FleetProvider
from qfleet.wire.messages.request import Output


class EstimatorV2(FleetPrimitive[EstimatorOptions], BaseEstimatorV2):
    """Estimator of expectation values on the fleet.

    Circuits need not be transpiled. Each is sent once with its observables and an array of its parameters' values, and
    its parameter sets are shared among the workers.

    With precision 0 expectation values are exact, also those of circuits with noise, or that measure or reset qubits in
    use: they are means over all outcomes. With a precision above 0 there are two cases. For a circuit without
    randomness, or with noise whose density matrix costs less than shots, a normal error with that standard deviation is
    added to the exact values, as in Qiskit's `StatevectorEstimator` and Aer's estimator. Another circuit is run for
    ``1 / precision**2`` shots, and the standard errors are those of the shots.

    Args:
        fleet: a provider, one of its backends, or the url of a fleet's Redis; default: the environment variable
            ``QFLEET_URL``.
        options: an `EstimatorOptions` or a dictionary. Options that aren't given are the backend's own.
        mode: another name of ``fleet``, as in IBM's primitives.
        backend: another name of ``fleet``, as in Qiskit's.
        keywords: options by name, which override ``options``.

    Options:
        seed: makes each ``run()`` repeatable; None picks another seed for each run; default None.
        method: the simulation method, "automatic", "statevector", "density_matrix", "stabilizer" or
            "matrix_product_state"; default "automatic".
        max_parallel_threads: threads that a task may use; 0 for as many as its worker gives it; default 0.
        priority: "low", "normal" or "high", among the jobs of the same tenant; default "normal".
        default_precision: standard error of the expectation values of a PUB that has no precision of its own; 0 for
            exact expectation values; default 0.0.
        seed_simulator: the backend's option, see `FleetBackend.run`.
        noise_model: the same.
        backend_options: a dictionary of options of the backend, as in Aer's primitives.
        run_options: the same as ``backend_options``.

    Raises:
        InvalidOptionError: an option has a wrong value, or no fleet is named.
        TypeError: an option is unknown.
    """

    _kind = EstimatorOptions

    def __init__(
        self,
        fleet: FleetBackend | FleetProvider | str | None = None,
        *,
        options: EstimatorOptions | Mapping[str, Any] | None = None,
        mode: FleetBackend | FleetProvider | str | None = None,
        backend: FleetBackend | FleetProvider | str | None = None,
        **keywords: Unpack[EstimatorKeywords],
    ) -> None:
        self._configure([fleet, mode, backend], options, {**keywords})

    def run(
        self,
        pubs: Iterable[EstimatorPubLike],
        *,
        precision: float | None = None,
        job_tags: Sequence[str] | None = None,
    ) -> PrimitiveFleetJob:
        """Send PUBs to the fleet as one job, and return at once.

        Args:
            pubs: tuples of a circuit, observables, values of the circuit's parameters, and a precision.
            precision: standard error of PUBs without a precision of their own; default: the option
                ``default_precision``.
            job_tags: strings by which `FleetProvider.jobs` finds the job.

        Raises:
            TypeError, ValueError: a PUB is wrong; the text has its index and the reason.
            UnsupportedCircuitError: a circuit has an operation that qfleet doesn't run.
            CapacityError: a circuit fits no worker that is up, or the observables have too many terms.
            BrokerError: Redis can't be used. In each of these cases nothing is queued.
        """
        given = self._options.default_precision if precision is None else check_precision("precision", precision)
        coerced = coerce_pubs(pubs, lambda pub: EstimatorPub.coerce(pub, given))
        options = primitive_options(self._backend, self._options)
        return self._submit(estimator_entries(coerced, options), options, Output.EXPECTATION_VALUES, job_tags)
