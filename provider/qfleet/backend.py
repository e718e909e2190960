# SPDX-License-Identifier: Apache-2.0
"""The backends of a fleet."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

from qiskit.circuit import QuantumCircuit
from qiskit.providers import BackendV2, Options
from qiskit.transpiler import Target

from qfleet._suggestions import did_you_mean
from qfleet.errors import CapacityError, InvalidOptionError
from qfleet.jobs.circuits import FleetJob
from qfleet.jobs.primitive import PrimitiveFleetJob
from qfleet.ledger import Connection, NewJob
from qfleet.options import NAMES, CheckedOptions, Method, RunOptions, check_labels, check_option
from qfleet.submission.notices import warn_of_lost_metadata, warn_of_nothing_measured
from qfleet.submission.prepare import Entry, new_job, prepare
from qfleet.target import fleet_target, widest
from qfleet.wire.messages.shard import Output

if TYPE_CHECKING:
    from qfleet.provider import FleetProvider

#: Circuits that need less memory fit any worker; whether larger ones do costs a question to Redis.
_FITS_ANYWHERE_BYTES: Final = 512 * 2**20


@dataclass(frozen=True, slots=True)
class BackendKind:
    """One of the backends that a provider has."""

    name: str
    description: str
    #: what it returns, unless ``method="unitary"`` is asked for
    output: Output = "counts"
    method: Method = "automatic"
    memory: bool = False


KINDS: Final[Mapping[str, BackendKind]] = {
    kind.name: kind
    for kind in (
        BackendKind("automatic", "Counts; the fleet picks the simulation method"),
        BackendKind("basic_simulator", "As Qiskit's BasicSimulator: counts, and each shot's outcome", memory=True),
        BackendKind("qasm_simulator", "Counts, under the name that older code asks for"),
        BackendKind("statevector_simulator", "The final statevector, and counts of what is measured", "statevector"),
        BackendKind("unitary_simulator", "The unitary matrix of circuits without measurements", "unitary", "unitary"),
    )
}


class FleetBackend(BackendV2):
    """A backend whose jobs run on the fleet. `FleetProvider.get_backend` makes it."""

    _provider: FleetProvider

    def __init__(
        self, provider: FleetProvider, kind: BackendKind, connection: Connection, retention: int, **options: object
    ) -> None:
        super().__init__(
            provider=provider,
            name=kind.name,
            description=kind.description,
            backend_version=version("qfleet"),
        )
        self._kind = kind
        self._connection = connection
        self._retention = retention
        self._options.update_options(method=kind.method, memory=kind.memory)
        self.set_options(**options)

    def __reduce__(self) -> tuple[object, ...]:
        return _again, (type(self), self._provider, self._kind.name, dict(self._options))

    @classmethod
    def _default_options(cls) -> Options:
        return CheckedOptions(**{field.name: field.default for field in dataclasses.fields(RunOptions)})

    def set_options(self, **fields: object) -> None:
        """Set options of the runs to come.

        Raises:
            InvalidOptionError: an option has a wrong value.
            AttributeError: there is no such option.
        """
        # Qiskit's own names neither the options nor the one that was meant.
        self._options.update_options(**fields)

    @property
    def target(self) -> Target:
        """Every operation that travels whole, and the qubits of the widest circuit. Shared: don't change it."""
        return fleet_target(widest(self._kind.output))

    @property
    def max_circuits(self) -> None:
        """There is no limit to the circuits of a job."""
        return

    def run(
        self,
        run_input: QuantumCircuit | Iterable[QuantumCircuit],
        *,
        job_tags: Sequence[str] | None = None,
        metadata: Mapping[str, Any] | None = None,
        **options: object,
    ) -> FleetJob:
        """Send circuits to the fleet, as one job, and return at once.

        Args:
            run_input: a circuit or several; they need not be transpiled.
            job_tags: strings by which `FleetProvider.jobs` finds the job.
            metadata: anything to keep with the job.
            options: see `qfleet.options.RunOptions`; these win over the backend's own. An option that isn't known
                gives a UserWarning, and is left out.

        Raises:
            TypeError: something isn't a circuit, or a tag isn't a string.
            InvalidOptionError: an option has a wrong value.
            UnsupportedCircuitError: a circuit holds an operation that isn't run.
            UnboundParameterError: a circuit has parameters without a value.
            CapacityError: a circuit fits no worker that is up, or its data fit no Redis value.
            BrokerError: Redis can't be used. In each of these cases nothing is queued.
        """
        for name in sorted(options.keys() - NAMES):
            warnings.warn(
                f"option {name!r} is not used by backend {self.name!r}{did_you_mean(name, NAMES)}",
                UserWarning,
                stacklevel=2,
            )
        given = {name: check_option(name, value) for name, value in options.items() if name in NAMES}
        chosen = RunOptions(**{name: self._options[name] for name in NAMES} | given)
        tags, labels = check_labels(job_tags, metadata)
        new = prepare(
            run_input,
            chosen,
            backend_name=self.name,
            output=self._output(chosen.method),
            tags=tags,
            metadata=labels,
            retention=self._retention,
        )
        self._check_capacity(new)
        warn_of_lost_metadata(new.record)
        warn_of_nothing_measured(new.record)
        job = FleetJob(self, new.job_id, self._connection, new=new)
        job.submit()
        return job

    def run_primitive(
        self, entries: Sequence[Entry], options: RunOptions, output: Output, *, job_tags: Sequence[str] | None = None
    ) -> PrimitiveFleetJob:
        """Send the PUBs of a primitive, already lowered: `qfleet.SamplerV2` and `qfleet.EstimatorV2` do that."""
        tags, labels = check_labels(job_tags, None)
        new = new_job(
            entries,
            options,
            backend_name=self.name,
            output=output,
            tags=tags,
            metadata=labels,
            retention=self._retention,
        )
        self._check_capacity(new)
        warn_of_lost_metadata(new.record)
        job = PrimitiveFleetJob(self, new.job_id, self._connection, new=new)
        job.submit()
        return job

    def with_options(self, **options: object) -> FleetBackend:
        """Return this backend with other options. Raises `InvalidOptionError` for a wrong value."""
        return FleetBackend(self._provider, self._kind, self._connection, self._retention, **options)

    def retrieve_job(self, job_id: str) -> FleetJob | PrimitiveFleetJob:
        """Return the job with this id, or whose id begins so. See `FleetProvider.job`."""
        return self._provider.job(job_id)

    def _output(self, method: Method) -> Output:
        if self._kind.output == "unitary" and method == "statevector":
            raise InvalidOptionError(
                f"method='statevector': {self.name} computes unitaries; use the backend 'statevector_simulator'"
            )
        return "unitary" if method == "unitary" else self._kind.output

    def _check_capacity(self, job: NewJob) -> None:
        largest = max(job.record.circuits, key=lambda circuit: circuit.required_bytes, default=None)
        if largest is None or largest.required_bytes <= _FITS_ANYWHERE_BYTES:
            return
        with self._connection.ledger() as ledger:
            memory = max((worker.memory_bytes for worker in ledger.workers()), default=None)
        if memory is not None and largest.required_bytes > memory:
            raise CapacityError(
                f"circuit {largest.name!r}: its {largest.num_qubits} qubits and {largest.shots} shots need "
                f"{largest.required_bytes / 2**30:.1f} GiB of memory; the largest worker has {memory / 2**30:.1f} GiB "
                "for one task. Start a worker with more memory, or with a lower concurrency"
            )


def _again(kind: type[FleetBackend], provider: FleetProvider, name: str, options: dict[str, object]) -> FleetBackend:
    """Return a copy of a backend, perhaps in another process."""
    return kind(provider, KINDS[name], provider._connection, provider._retention, **options)
