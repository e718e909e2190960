# SPDX-License-Identifier: Apache-2.0
"""The sampler: Qiskit's `BaseSamplerV2` on the fleet."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Unpack

from qiskit.primitives import BaseSamplerV2
from qiskit.primitives.containers import SamplerPubLike
from qiskit.primitives.containers.sampler_pub import SamplerPub

from qfleet.backend import FleetBackend
from qfleet.jobs.primitive import PrimitiveFleetJob
from qfleet.options import check_option
from qfleet.primitives.base import FleetPrimitive, primitive_options
from qfleet.primitives.options import SamplerKeywords, SamplerOptions
from qfleet.primitives.pubs import coerce_pubs, sampler_entries
from qfleet.provider import FleetProvider
from qfleet.wire.messages.request import Output


class SamplerV2(FleetPrimitive[SamplerOptions], BaseSamplerV2):
    """Sampler of circuits on the fleet.

    Circuits need not be transpiled. Each is sent once with an array of its parameters' values, and its parameter sets
    are shared among the workers. Measurements may be anywhere, and control flow is supported.

    Args:
        fleet: a provider, one of its backends, or the url of a fleet's Redis; default: the environment variable
            ``QFLEET_URL``.
        options: a `SamplerOptions` or a dictionary. Options that aren't given are the backend's own.
        mode: another name of ``fleet``, as in IBM's primitives.
        backend: another name of ``fleet``, as in Qiskit's.
        keywords: options by name, which override ``options``.

    Options:
        seed: makes each ``run()`` repeatable; None picks another seed for each run; default None.
        method: the simulation method, "automatic", "statevector", "density_matrix", "stabilizer" or
            "matrix_product_state"; default "automatic".
        max_parallel_threads: threads that a task may use; 0 for as many as its worker gives it; default 0.
        priority: "low", "normal" or "high", among the jobs of the same tenant; default "normal".
        default_shots: shots of a PUB that has no number of its own; default 1024.
        seed_simulator: the backend's option, see `FleetBackend.run`.
        noise_model: the same.
        backend_options: a dictionary of options of the backend, as in Aer's primitives.
        run_options: the same as ``backend_options``.

    Raises:
        InvalidOptionError: an option has a wrong value, or no fleet is named.
        TypeError: an option is unknown.
    """

    _kind = SamplerOptions

    def __init__(
        self,
        fleet: FleetBackend | FleetProvider | str | None = None,
        *,
        options: SamplerOptions | Mapping[str, Any] | None = None,
        mode: FleetBackend | FleetProvider | str | None = None,
        backend: FleetBackend | FleetProvider | str | None = None,
        **keywords: Unpack[SamplerKeywords],
    ) -> None:
        self._configure([fleet, mode, backend], options, {**keywords})

    def run(
        self, pubs: Iterable[SamplerPubLike], *, shots: int | None = None, job_tags: Sequence[str] | None = None
    ) -> PrimitiveFleetJob:
        """Send PUBs to the fleet as one job, and return at once.

        Args:
            pubs: circuits, or tuples of a circuit, values of its parameters, and shots.
            shots: number of shots of PUBs without a number of their own; default: the option ``default_shots``.
            job_tags: strings by which `FleetProvider.jobs` finds the job.

        Raises:
            TypeError, ValueError: a PUB is wrong; the text has its index and the reason.
            UnsupportedCircuitError: a circuit has an operation that qfleet doesn't run.
            CapacityError: a circuit fits no worker that is up.
            BrokerError: Redis can't be used. In each of these cases nothing is queued.
        """
        given = self._options.default_shots if shots is None else check_option("shots", shots)
        coerced = coerce_pubs(pubs, lambda pub: SamplerPub.coerce(pub, given))
        if any(not pub.circuit.cregs for pub in coerced):
            warnings.warn(
                "One of your circuits has no output classical registers and so the result will be empty. Did you mean "
                "to add measurement instructions?",
                UserWarning,
                stacklevel=2,
            )
        options = primitive_options(self._backend, self._options)
        return self._submit(sampler_entries(coerced, options), options, Output.BITS, job_tags)
