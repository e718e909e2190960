# SPDX-License-Identifier: Apache-2.0
"""The base class of the primitives: their backend and options."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Final, Generic, Self, TypeVar

from qfleet.backend import FleetBackend
from qfleet.jobs.primitive import PrimitiveFleetJob
from qfleet.options import NAMES, RunOptions, check_labels, check_option
from qfleet.primitives.options import PrimitiveOptions, SamplerOptions, choose_options
from qfleet.provider import FleetProvider
from qfleet.submission.prepare import JobEntry, new_job
from qfleet.submission.submit import submit
from qfleet.wire.messages.request import Output

_Options = TypeVar("_Options", bound=PrimitiveOptions)
#: The names of dictionaries with options of the backend in Aer's and Qiskit's primitives.
_NESTED: Final = ("backend_options", "run_options")
#: Options of the backend that a primitive also takes by their own names.
_ALSO_ALONE: Final = ("seed_simulator", "noise_model")
#: Options of a primitive with another name in the backend.
_OF_BACKEND: Final = {"seed": "seed_simulator"}
#: Options of a backend that a primitive doesn't take, and what to do instead.
_NOT_NESTED: Final = {
    "memory": "leave it out: a sampler returns the bits of each shot",
    "parameter_binds": "give the values in a PUB",
    "initial_statevector": "begin the circuit with `initialize`",
}


class FleetPrimitive(Generic[_Options]):
    """A primitive whose jobs run on the fleet."""

    #: the class of the options
    _kind: type[_Options]

    def _configure(
        self,
        fleets: Sequence[FleetBackend | FleetProvider | str | None],
        options: _Options | Mapping[str, Any] | None,
        given: dict[str, Any],
    ) -> None:
        """Set the backend and the options.

        Args:
            fleets: the arguments that may name the fleet.
            options: the options as a whole.
            given: options by name.

        Raises:
            InvalidOptionError: an option has a wrong value, or no fleet is named.
            TypeError: an option is unknown, or the fleet is named twice.
        """
        named = [each for each in fleets if each is not None]
        if len(named) > 1:
            raise TypeError("`fleet`, `mode` and `backend` are names of the same argument; give only one of them")
        self._backend, rest = with_nested(backend_of(named[0] if named else None), self._kind, options, given)
        self._options = choose_options(self._kind, own_options(self._backend), rest, given)

    @classmethod
    def from_backend(cls, backend: FleetBackend | FleetProvider | str, **options: Any) -> Self:
        """Return a primitive on a backend, as Aer's primitives do.

        Args:
            backend: the argument ``fleet`` of the class.
            options: the other arguments of the class.
        """
        # A subclass may call its first argument as it likes.
        return cls(backend, **options)  # type: ignore[call-arg]

    @property
    def backend(self) -> FleetBackend:
        """Return the backend that the circuits run on."""
        return self._backend

    @property
    def options(self) -> _Options:
        """Return the options; changing them affects the runs to come."""
        return self._options

    def _submit(
        self, entries: Sequence[JobEntry], options: RunOptions, output: Output, job_tags: Sequence[str] | None
    ) -> PrimitiveFleetJob:
        """Send lowered PUBs as one job."""
        backend = self._backend
        tags, metadata = check_labels(job_tags, None)
        new = new_job(
            entries,
            options,
            backend_name=backend.name,
            output=output,
            tags=tags,
            metadata=metadata,
            retention=backend._retention,
            device=backend._device_facts,
        )
        return submit(backend._connection, new, lambda new: PrimitiveFleetJob(backend, new.job_id, new=new))


def backend_of(fleet: FleetBackend | FleetProvider | str | None) -> FleetBackend:
    """Return the backend of an argument that names a fleet.

    Args:
        fleet: a backend, a provider, or the url of a fleet's Redis; ``None`` for the environment variable.

    Raises:
        InvalidOptionError: the url is missing, or isn't the url of a Redis.
        TypeError: the argument is of another type.
    """
    if isinstance(fleet, FleetBackend):
        return fleet
    if isinstance(fleet, FleetProvider):
        return fleet.get_backend()
    if fleet is None or isinstance(fleet, str):
        return FleetProvider(fleet).get_backend()
    raise TypeError(f"{fleet!r}: a FleetProvider, one of its backends or the url of a fleet's Redis is needed")


def with_nested(
    backend: FleetBackend, kind: type[PrimitiveOptions], options: object, given: dict[str, Any]
) -> tuple[FleetBackend, object]:
    """Apply the backend's options that a primitive's options contain.

    Aer's and Qiskit's primitives nest them in the same way.

    Args:
        backend: the backend.
        kind: the class of the primitive's options.
        options: the primitive's options. They, or `given`, may hold ``backend_options`` and ``run_options``,
            dictionaries of options of `FleetBackend.run`, ``seed_simulator`` and ``noise_model``.
        given: options by name. Nested ones are removed, and ``default_shots`` may be added.

    Returns:
        The backend with the nested options, and the other options.

    Raises:
        InvalidOptionError: a value is wrong.
        TypeError: an option is unknown.
    """
    rest: object = dict(options) if isinstance(options, Mapping) else options
    nested_options: dict[str, Any] = {}
    for own in (rest, given):
        if not isinstance(own, dict):
            continue
        for place in _NESTED:
            nested = own.pop(place, None)
            if nested is None:
                continue
            if not isinstance(nested, Mapping):
                raise TypeError(f"{place}={nested!r}: a dictionary of options of `backend.run` is needed")
            nested_options |= dict(_checked(place, str(name), value) for name, value in nested.items())
        nested_options |= {name: own.pop(name) for name in _ALSO_ALONE if name in own}
    if "shots" in nested_options:
        shots = nested_options.pop("shots")
        if not issubclass(kind, SamplerOptions):
            raise TypeError("an estimator has no shots: give `default_precision`; it runs 1 / precision**2 shots")
        if not (isinstance(rest, dict) and "default_shots" in rest):
            given.setdefault("default_shots", shots)
    if not nested_options:
        return backend, rest
    current = {name: backend.options[name] for name in NAMES}
    return backend.with_options(**(current | nested_options)), rest


def _checked(place: str, name: str, value: object) -> tuple[str, object]:
    """Return a nested option, checked, with its name in the backend.

    Args:
        place: the name of the dictionary, for messages.
        name: the option's name.
        value: the value that was given.

    Raises:
        TypeError: a primitive doesn't take the option.
        InvalidOptionError: the value isn't allowed.
    """
    known = _OF_BACKEND.get(name, name)
    if known in _NOT_NESTED:
        raise TypeError(f"{place}: a primitive doesn't take {name!r}; {_NOT_NESTED[known]}")
    if known not in NAMES:
        names = ", ".join(sorted(NAMES - _NOT_NESTED.keys()))
        raise TypeError(f"{place}: no option {name!r}; the options are {names}")
    return known, check_option(known, value)


def own_options(backend: FleetBackend) -> RunOptions:
    """Return the options that are set in a backend."""
    return RunOptions(**{name: backend.options[name] for name in NAMES})


def primitive_options(backend: FleetBackend, options: PrimitiveOptions) -> RunOptions:
    """Return the options with which a primitive runs its circuits.

    They are the primitive's own options, and the backend's for the others.
    """
    return dataclasses.replace(
        own_options(backend),
        seed_simulator=options.seed,
        method=options.method,
        max_parallel_threads=options.max_parallel_threads,
        priority=options.priority,
        memory=False,
        parameter_binds=None,
    )
