# SPDX-License-Identifier: Apache-2.0
"""What do both primitives have? A backend, and options."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Generic, TypeVar

from qfleet.backend import FleetBackend
from qfleet.options import NAMES, RunOptions
from qfleet.primitives.options import PrimitiveOptions, chosen
from qfleet.provider import FleetProvider

_Options = TypeVar("_Options", bound=PrimitiveOptions)


class FleetPrimitive(Generic[_Options]):
    """A primitive whose jobs run on the fleet."""

    #: the class of its options
    _kind: type[_Options]

    def __init__(
        self,
        fleet: FleetBackend | FleetProvider | str | None = None,
        *,
        options: _Options | Mapping[str, Any] | None = None,
        **given: Any,
    ) -> None:
        """See the class."""
        self._backend = backend_of(fleet)
        self._options = chosen(self._kind, own_options(self._backend), options, given)

    @property
    def backend(self) -> FleetBackend:
        """The backend that its circuits run on."""
        return self._backend

    @property
    def options(self) -> _Options:
        """The options, which may be changed for the runs to come."""
        return self._options


def backend_of(fleet: FleetBackend | FleetProvider | str | None) -> FleetBackend:
    """The backend that is meant by a backend, a provider, or the url of a fleet's Redis.

    Raises:
        InvalidOptionError: the url is missing, or names no Redis.
        TypeError: it is none of these.
    """
    if isinstance(fleet, FleetBackend):
        return fleet
    if isinstance(fleet, FleetProvider):
        return fleet.get_backend()
    if fleet is None or isinstance(fleet, str):
        return FleetProvider(fleet).get_backend()
    raise TypeError(f"{fleet!r}: a FleetProvider, one of its backends or the url of a fleet's Redis is needed")


def own_options(backend: FleetBackend) -> RunOptions:
    """The options that are set at a backend."""
    return RunOptions(**{name: backend.options[name] for name in NAMES})


def primitive_options(backend: FleetBackend, options: PrimitiveOptions) -> RunOptions:
    """How a primitive with these options runs its circuits; what they don't say, the backend does."""
    return dataclasses.replace(
        own_options(backend),
        seed_simulator=options.seed,
        method=options.method,
        max_parallel_threads=options.max_parallel_threads,
        memory=False,
        parameter_binds=None,
    )
