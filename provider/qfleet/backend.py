# SPDX-License-Identifier: Apache-2.0
"""The backends of a fleet."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, ClassVar, Final, Protocol, Unpack

from qiskit.circuit import QuantumCircuit
from qiskit.providers import BackendV2, Options
from qiskit.transpiler import Target

from qfleet.errors import InvalidOptionError
from qfleet.jobs.circuits import FleetJob
from qfleet.jobs.primitive import PrimitiveFleetJob
from qfleet.ledger import Connection
from qfleet.noise import NoiseModel
from qfleet.options import NAMES, CheckedOptions, RunKeywords, RunOptions, check_labels, check_option
from qfleet.submission.explanation import Explanation, explain
from qfleet.submission.notices import DeviceFacts, warn_of_unknown_options
from qfleet.submission.prepare import prepare
from qfleet.submission.submit import submit
from qfleet.target import device_target, fleet_target, widest
from qfleet.wire.messages.request import Method, Output


@dataclass(frozen=True, slots=True)
class BackendKind:
    """A kind of backend that every provider has."""

    name: str
    description: str
    #: the output, unless the option ``method`` is "unitary"
    output: Output = Output.COUNTS
    method: Method = "automatic"
    memory: bool = False


KINDS: Final[Mapping[str, BackendKind]] = {
    kind.name: kind
    for kind in (
        BackendKind("automatic", "Counts; the fleet chooses the simulation method"),
        BackendKind(
            "basic_simulator", "Counts, and the outcome of each shot, like Qiskit's BasicSimulator", memory=True
        ),
        BackendKind("qasm_simulator", "Counts, under the name that older code uses"),
        BackendKind(
            "statevector_simulator", "The final statevector, and counts of the measured clbits", Output.STATEVECTOR
        ),
        BackendKind(
            "unitary_simulator", "The unitary matrix of circuits without measurements", Output.UNITARY, "unitary"
        ),
    )
}


class BackendProvider(Protocol):
    """The part of a provider that its backends use."""

    _connection: Connection
    #: the time that jobs are kept after their end, in seconds
    _retention: int

    def job(self, job_id: str) -> FleetJob | PrimitiveFleetJob:
        """Return the job with this id. See `FleetProvider.job`."""
        ...


class FleetBackend(BackendV2):
    """A backend whose jobs run on the fleet.

    `FleetProvider.get_backend` makes it, or `from_backend`.
    """

    _provider: BackendProvider
    #: makes the provider of a url, or of none; `qfleet.provider` sets it
    _provider_of: ClassVar[Callable[[str | None], BackendProvider]]

    def __init__(
        self,
        provider: BackendProvider,
        kind: BackendKind,
        device: Target | None = None,
        **options: Unpack[RunKeywords],
    ) -> None:
        super().__init__(
            provider=provider,
            name=kind.name,
            description=kind.description,
            backend_version=version("qfleet"),
        )
        self._kind = kind
        self._device = device
        self._connection = provider._connection
        self._retention = provider._retention
        self._device_facts = None if device is None else DeviceFacts(kind.name, device.num_qubits)
        self._options.update_options(method=kind.method, memory=kind.memory)
        self.set_options(**options)

    def __repr__(self) -> str:
        device = "" if self._device is None else ", a device"
        if self._device is not None and self.num_qubits is not None:
            device += f" of {self.num_qubits} qubit{'s' * (self.num_qubits != 1)}"
        model = self._options["noise_model"]
        return f"<FleetBackend {self.name!r}{device}, {'no noise' if model is None else model.summary()}>"

    def __reduce__(self) -> tuple[object, ...]:
        return _copy_backend, (type(self), self._provider, self._kind, self._device, dict(self._options))

    @classmethod
    def from_backend(
        cls, backend: BackendV2, provider: BackendProvider | str | None = None, **options: Unpack[RunKeywords]
    ) -> FleetBackend:
        """Return a backend that simulates a device, with its noise.

        `transpile` gets the device's coupling map, gates and error rates. The noise is that of
        `qfleet.noise.NoiseModel.from_backend`.

        Args:
            backend: the device: a fake one, a real one, or any other with error rates in its target.
            provider: the fleet that runs the circuits, or the url of its Redis. Default: the fleet that ``QFLEET_URL``
                names; without it, a local fleet of two workers, which all backends of this process that are made so
                share.
            options: options of its runs, see `run`. ``noise_model`` replaces the device's noise; None leaves it out.

        Raises:
            TypeError: the device isn't a BackendV2.
            NoiseError: an error rate or a time of the device is impossible.
            InvalidOptionError: an option has a wrong value.
            LocalFleetError: the local fleet doesn't start.
        """
        model = NoiseModel.from_backend(backend)
        options = {"noise_model": None if model.is_ideal() else model, **options}
        name = backend.name or type(backend).__name__
        kind = BackendKind(f"qfleet({name})", backend.description or f"The device {name}, simulated")
        if provider is None or isinstance(provider, str):
            provider = cls._provider_of(provider)
        return cls(provider, kind, device_target(backend.target), **options)

    @classmethod
    def _default_options(cls) -> Options:
        return CheckedOptions(**{field.name: field.default for field in dataclasses.fields(RunOptions)})

    def set_options(self, **fields: Unpack[RunKeywords]) -> None:
        """Set options of the runs to come.

        Args:
            fields: see `run`.

        Raises:
            InvalidOptionError: an option has a wrong value.
            AttributeError: an option is unknown.
        """
        # Qiskit's message lists no options and suggests none.
        self._options.update_options(**fields)

    @property
    def target(self) -> Target:
        """Return the operations and the width that `transpile` uses.

        Backends share the target: don't change it.
        """
        return fleet_target(widest(self._kind.output)) if self._device is None else self._device

    @property
    def max_circuits(self) -> None:
        """Return None: a job may have any number of circuits."""
        return

    def run(
        self,
        run_input: QuantumCircuit | Iterable[QuantumCircuit],
        *,
        job_tags: Sequence[str] | None = None,
        metadata: Mapping[str, Any] | None = None,
        **options: Unpack[RunKeywords],
    ) -> FleetJob:
        """Send circuits to the fleet as one job, and return at once.

        Args:
            run_input: a circuit or several; they need not be transpiled.
            job_tags: strings by which `FleetProvider.jobs` finds the job.
            metadata: anything to keep with the job.
            options: override the backend's own; an unknown option gives a UserWarning and is ignored.

        Options:
            shots: number of times that each circuit is run and measured; default 1024.
            seed_simulator: seed of the job; circuit k is seeded with ``seed_simulator + 2113 * k``. None picks a seed,
                which the result has; default None.
            memory: return the outcome of each shot too, in order; default False.
            method: "statevector"; "density_matrix", which is exact where there is noise; "stabilizer" for thousands of
                qubits with Clifford gates, Pauli noise and resets alone; "matrix_product_state" for wide circuits of
                little entanglement; "superop" for a circuit that saves its superoperator; "unitary" to get the
                circuit's matrix instead of counts; or "automatic", which chooses by what the circuit saves and by
                predicted time, as `explain` tells; default "automatic".
            precision: "double" simulates in complex128, "single" in complex64 with half the memory; default "double".
            initial_statevector: amplitudes to begin with instead of |0...0>, complex, shape (2**num_qubits,), norm 1;
                default None.
            parameter_binds: for each circuit a mapping of its parameters to lists of values; the circuit is run once
                for each value; default None.
            max_parallel_threads: threads that a task may use; 0 for as many as its worker gives it; default 0.
            max_memory_mb: refuse circuits that are predicted to need more memory, in MiB, on a worker with the
                statevector engine; 0 for as much as the workers have; default 0.
            max_job_size: largest number of circuits in one task; None cuts the job by predicted time; default None.
            max_shot_size: largest number of shots of a circuit in one task; None for all of them; default None.
            priority: "low", "normal" or "high": how soon the job is run among the jobs of the same tenant; default
                "normal".
            noise_model: a `qfleet.noise.NoiseModel`, or a noise model of Qiskit Aer as it is now, or its
                dictionary; default None.
            matrix_product_state_max_bond_dimension: the most values of a bond, for the method "matrix_product_state";
                what is cut off is in the result's metadata. Without it, a circuit fails whose bonds grow beyond 1024;
                default None.
            matrix_product_state_truncation_threshold: the part of the squared norm that may be cut off a bond; default
                1e-16.

        Raises:
            TypeError: something isn't a circuit, or a tag isn't a string.
            InvalidOptionError: an option has a wrong value.
            UnsupportedCircuitError: a circuit has an operation that qfleet doesn't run.
            UnboundParameterError: a circuit has parameters without a value.
            CapacityError: a circuit fits no worker that is up, or its data fits no Redis value.
            BrokerError: Redis can't be used. In each of these cases nothing is queued.
        """
        chosen = self._chosen(options)
        tags, labels = check_labels(job_tags, metadata)
        new = prepare(
            run_input,
            chosen,
            backend_name=self.name,
            output=self._output(chosen.method),
            tags=tags,
            metadata=labels,
            retention=self._retention,
            device=self._device_facts,
        )
        return submit(self._connection, new, lambda new: FleetJob(self, new.job_id, new=new))

    def explain(self, circuit: QuantumCircuit, **options: Unpack[RunKeywords]) -> Explanation:
        """Return the methods for a circuit, with their costs.

        It names the method that `run` takes, and why others can't run the circuit. Nothing is sent. Seconds and memory
        are predictions for all shots, on one thread of a worker.

        Args:
            circuit: the circuit. Its parameters may lack values: which gates they make isn't known then.
            options: override the backend's own, see `run`; of ``parameter_binds`` the first entry counts.

        Raises:
            TypeError: it isn't a circuit.
            InvalidOptionError: an option has a wrong value.
            UnsupportedCircuitError: the circuit has an operation that qfleet doesn't run.
            CapacityError: the circuit has more qubits than any program, or returns a state that no machine holds.
        """
        chosen = self._chosen(options)
        return explain(circuit, chosen, self._output(chosen.method))

    def _chosen(self, options: RunKeywords) -> RunOptions:
        """Return the options of a run, with the backend's own."""
        warn_of_unknown_options(options.keys() - NAMES, self.name)
        given = {name: check_option(name, value) for name, value in options.items() if name in NAMES}
        return RunOptions(**{name: self._options[name] for name in NAMES} | given)

    def with_options(self, **options: Unpack[RunKeywords]) -> FleetBackend:
        """Return this backend with other options.

        Args:
            options: see `run`. The others have their defaults, except that the noise model stays.

        Raises:
            InvalidOptionError: an option has a wrong value.
        """
        options = {"noise_model": self._options["noise_model"], **options}
        return FleetBackend(self._provider, self._kind, self._device, **options)

    def retrieve_job(self, job_id: str) -> FleetJob | PrimitiveFleetJob:
        """Return the job with this id. See `FleetProvider.job`."""
        return self._provider.job(job_id)

    def _output(self, method: Method) -> Output:
        if self._kind.output == Output.UNITARY and method == "statevector":
            raise InvalidOptionError(
                f"method='statevector': {self.name} computes unitaries; use the backend 'statevector_simulator'",
                option="method",
                value=method,
            )
        return Output.UNITARY if method == "unitary" else self._kind.output


def _copy_backend(
    made_by: type[FleetBackend],
    provider: BackendProvider,
    kind: BackendKind,
    device: Target | None,
    options: RunKeywords,
) -> FleetBackend:
    """Return a copy of a backend, perhaps in another process."""
    return made_by(provider, kind, device, **options)
