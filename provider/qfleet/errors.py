# SPDX-License-Identifier: Apache-2.0
"""Every error that qfleet raises, in one tree.

::

    QiskitError
    ├── QfleetError                     the base of all errors of qfleet
    │   ├── UnsupportedCircuitError     a circuit has an operation that qfleet doesn't run
    │   ├── UnboundParameterError       a circuit has parameters without a value
    │   ├── CapacityError               a circuit fits no worker, or its data fits no Redis value
    │   ├── InvalidOptionError          a run option or a setting has a wrong value
    │   ├── NoiseError                  a noise model or a channel is impossible, or can't be simulated
    │   ├── CircuitFileError            a file isn't a circuit that qfleet reads
    │   ├── BrokerError                 Redis can't be used
    │   │   ├── BrokerUnreachableError
    │   │   ├── BrokerAuthenticationError
    │   │   ├── BrokerPermissionError
    │   │   ├── BrokerModeError
    │   │   ├── BrokerClosedError
    │   │   └── BrokerFullError
    │   ├── LocalFleetError             a server or worker of a local fleet doesn't start
    │   ├── DamagedDataError            the data that Redis holds for a job can't be read
    │   └── MissingExtraError           an optional package isn't installed
    └── JobError (Qiskit's)
        ├── FleetJobError               the job failed, was cancelled, or can't do what was asked; also a QfleetError
        │   ├── JobFailedError
        │   │   └── QuotaError          the job exceeds a quota of its tenant; nothing of it ran
        │   ├── JobCancelledError
        │   ├── JobNotFoundError        no job has this id
        │   └── JobExpiredError         the job existed; its retention is over
        └── JobTimeoutError (Qiskit's)
            └── FleetJobTimeoutError    the job didn't end in the time given, and goes on; also a QfleetError

The text of an error is for people. Its attributes have the same facts for programs: a `CapacityError` has
``needed_bytes`` and ``available_bytes``, say. Each class lists its own; one that isn't known is ``None``.
"""

from __future__ import annotations

import inspect
import math
from typing import Any, Final, Self

from qiskit.exceptions import QiskitError
from qiskit.providers.exceptions import JobError, JobTimeoutError

__all__ = [
    "BrokerAuthenticationError",
    "BrokerClosedError",
    "BrokerError",
    "BrokerFullError",
    "BrokerModeError",
    "BrokerPermissionError",
    "BrokerUnreachableError",
    "CapacityError",
    "CircuitFileError",
    "DamagedDataError",
    "FleetJobError",
    "FleetJobTimeoutError",
    "InvalidOptionError",
    "JobCancelledError",
    "JobExpiredError",
    "JobFailedError",
    "JobNotFoundError",
    "LocalFleetError",
    "MissingExtraError",
    "NoiseError",
    "QfleetError",
    "QuotaError",
    "UnboundParameterError",
    "UnsupportedCircuitError",
]


#: Largest number of characters of a field's repr.
_LONGEST_REPR: Final = 200
#: The largest integer that a field keeps as a number.
_LARGEST_NUMBER: Final = 1 << 64


class QfleetError(QiskitError):
    """The base class of all errors of qfleet.

    Args:
        message: the text for people.
        fields: values of the attributes that the class lists. Of a value that isn't a number, a text or a tuple of them
            the repr is kept, at most 200 characters.

    Raises:
        TypeError: the class doesn't list an attribute of this name.
    """

    def __init__(self, message: str = "", **fields: object) -> None:
        super().__init__(message)
        unknown = sorted(fields.keys() - self.field_names())
        if unknown:
            raise TypeError(f"{type(self).__name__} has no field {unknown[0]!r}")
        self.__dict__.update({name: _plain(value) for name, value in fields.items()})

    def __str__(self) -> str:
        # QiskitError puts the text in quotes.
        return str(self.message)

    @classmethod
    def field_names(cls) -> frozenset[str]:
        """Return the names of the attributes that this class lists."""
        ours = [kind for kind in cls.__mro__ if kind.__module__ == __name__]
        return frozenset(name for kind in ours for name in inspect.get_annotations(kind))

    @property
    def fields(self) -> dict[str, Any]:
        """Return the known attributes by name."""
        return {name: value for name in sorted(self.field_names()) if (value := getattr(self, name)) is not None}

    def prefixed(self, text: str) -> Self:
        """Return the same error with a text before its own."""
        return type(self)(text + str(self), **self.fields)


def _plain(value: object) -> object:
    """Return a field's value, or its repr.

    The repr stands for a value with which the error couldn't be pickled and written as JSON.
    """
    if isinstance(value, int) and abs(value) > _LARGEST_NUMBER:
        # Python refuses to write the digits of a very long one.
        return f"{'-' if value < 0 else ''}2**{abs(value).bit_length() - 1} or more"
    if value is None or isinstance(value, (bool, int, str)) or (isinstance(value, float) and math.isfinite(value)):
        return value
    if isinstance(value, tuple):
        return tuple(map(_plain, value))
    text = repr(value)
    return text if len(text) <= _LONGEST_REPR else text[: _LONGEST_REPR - 3] + "..."


class _OfCircuit:
    """The attributes of an error that is about a circuit."""

    #: the circuit's name
    circuit: str | None = None
    #: the name of the operation in the circuit
    operation: str | None = None
    #: the operation's index in the circuit's data
    position: int | None = None
    #: the indices of the qubits that the operation acts on
    qubits: tuple[int, ...] | None = None
    #: of an operation in a composite: names and positions from the circuit's own operation inwards
    path: tuple[tuple[str, int], ...] | None = None


class UnsupportedCircuitError(_OfCircuit, QfleetError):
    """A circuit has an operation that qfleet doesn't run."""


class UnboundParameterError(_OfCircuit, QfleetError):
    """A circuit has parameters without a value."""

    #: the parameters' names
    parameters: tuple[str, ...] | None = None


class CapacityError(_OfCircuit, QfleetError):
    """A circuit or a job is too large for the fleet."""

    #: bytes that are needed
    needed_bytes: int | None = None
    #: bytes that are available
    available_bytes: int | None = None
    #: the number of things that are limited, if it was counted: circuits, tasks, operations, terms
    number: int | None = None
    #: the largest number allowed
    limit: int | None = None


class InvalidOptionError(QfleetError, ValueError):
    """An option or a setting has a value that isn't allowed."""

    #: the name of the option, the argument or the environment variable
    option: str | None = None
    #: the value that was given, or its repr
    value: Any = None
    #: the name of the circuit that the value doesn't fit
    circuit: str | None = None


class NoiseError(_OfCircuit, QfleetError, ValueError):
    """A noise model or a channel is impossible, or can't be simulated."""

    #: the wrong entry: an argument, or a gate of the model with its qubits
    entry: str | None = None
    #: the value that was given, or its repr
    value: Any = None


class CircuitFileError(QfleetError):
    """A file isn't a circuit that qfleet reads."""

    #: the path of the file
    path: str | None = None
    #: the number of the line, from 1
    line: int | None = None
    #: the name of the included file that the line is in, if it isn't the file itself
    include: str | None = None


class BrokerError(QfleetError):
    """Redis can't be used."""

    #: the url, its secrets left out
    broker: str | None = None
    #: the job that the call was about
    job_id: str | None = None


class BrokerUnreachableError(BrokerError):
    """Redis doesn't answer."""


class BrokerAuthenticationError(BrokerError):
    """Redis refuses the user name or the password."""


class BrokerPermissionError(BrokerError):
    """Redis doesn't allow its user something that qfleet needs."""

    #: the commands, keys and channels that the user lacks
    missing: tuple[str, ...] | None = None


class BrokerModeError(BrokerError):
    """Redis runs in an unsupported mode, such as cluster mode."""


class BrokerClosedError(BrokerError):
    """The provider was closed while it was in use."""


class BrokerFullError(BrokerError):
    """Redis is out of memory."""


class LocalFleetError(QfleetError):
    """A server or a worker of a local fleet doesn't start."""

    #: the folder of the jobs
    folder: str | None = None
    #: the url of the fleet that uses the folder
    url: str | None = None


class DamagedDataError(QfleetError):
    """The data that Redis holds for a job can't be read."""

    job_id: str | None = None
    #: the number of the task
    shard: int | None = None
    #: the index of the circuit or, for a primitive, of the PUB in the job
    circuit: int | None = None


class MissingExtraError(QfleetError, ImportError):
    """An optional package isn't installed."""

    #: the extra of qfleet that installs it
    extra: str | None = None


class FleetJobError(QfleetError, JobError):
    """A job failed, was cancelled, or can't do what was asked."""

    job_id: str | None = None


class JobFailedError(FleetJobError):
    """The job failed."""

    #: the indices of the circuits or, for a primitive, of the PUBs that failed
    circuits: tuple[int, ...] | None = None


class QuotaError(JobFailedError):
    """The job exceeds a quota of its tenant; nothing of it ran."""

    tenant: str | None = None
    #: ``circuits`` or ``bytes``
    quota: str | None = None
    #: what the tenant would have with the job, and the most that it may have
    figure: int | None = None
    limit: int | None = None


class JobCancelledError(FleetJobError):
    """The job was cancelled."""


class JobNotFoundError(FleetJobError):
    """No job has this id."""

    #: the ids that begin with the one given, if there are several
    candidates: tuple[str, ...] | None = None


class JobExpiredError(FleetJobError):
    """The job's retention is over, and its data are deleted."""


class FleetJobTimeoutError(QfleetError, JobTimeoutError):
    """The job didn't end in the time given; it goes on."""

    job_id: str | None = None
    #: the time given, in seconds
    timeout_seconds: float | None = None
