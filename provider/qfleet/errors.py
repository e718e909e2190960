# SPDX-License-Identifier: Apache-2.0
"""Every error that qfleet raises, in one tree.

::

    QiskitError
    ├── QfleetError                     anything from qfleet can be caught by this
    │   ├── UnsupportedCircuitError     a circuit holds an operation that isn't run; found before anything is queued
    │   ├── UnboundParameterError       a circuit still has parameters without a value
    │   ├── CapacityError               a circuit fits no worker, or its data fits no Redis value
    │   ├── InvalidOptionError          a run option or a setting has a wrong value
    │   ├── CircuitFileError            a file isn't a circuit that qfleet reads
    │   ├── BrokerError                 Redis can't be used
    │   │   ├── BrokerUnreachableError
    │   │   ├── BrokerAuthenticationError
    │   │   ├── BrokerPermissionError
    │   │   ├── BrokerModeError
    │   │   ├── BrokerClosedError
    │   │   └── BrokerFullError
    │   ├── LocalFleetError             a server or worker of a local fleet doesn't start
    │   ├── DamagedDataError            what Redis holds for a job can't be read
    │   └── MissingExtraError           an optional package isn't installed
    └── JobError (Qiskit's)
        ├── FleetJobError               the job failed, was cancelled, or can't do what was asked; also a QfleetError
        │   ├── JobFailedError
        │   ├── JobCancelledError
        │   ├── JobNotFoundError        no job has this id
        │   └── JobExpiredError         the job was there; its retention is over
        └── JobTimeoutError (Qiskit's)
            └── FleetJobTimeoutError    the time given to wait is over, the job goes on; also a QfleetError
"""

from __future__ import annotations

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
    "QfleetError",
    "UnboundParameterError",
    "UnsupportedCircuitError",
]


class QfleetError(QiskitError):
    """Something that qfleet was asked for can't be done."""

    def __str__(self) -> str:
        # QiskitError's own puts the text in quotes.
        return str(self.message)


class UnsupportedCircuitError(QfleetError):
    """A circuit holds an operation that qfleet doesn't run."""


class UnboundParameterError(QfleetError):
    """A circuit has parameters without a value."""


class CapacityError(QfleetError):
    """A circuit is too large for the fleet."""


class InvalidOptionError(QfleetError, ValueError):
    """An option or a setting has a value that isn't allowed."""


class CircuitFileError(QfleetError):
    """A file isn't a circuit that qfleet reads."""


class BrokerError(QfleetError):
    """Redis can't be used."""


class BrokerUnreachableError(BrokerError):
    """Redis doesn't answer."""


class BrokerAuthenticationError(BrokerError):
    """Redis refuses the user name or the password."""


class BrokerPermissionError(BrokerError):
    """Redis doesn't let its user do something that qfleet needs."""


class BrokerModeError(BrokerError):
    """Redis runs in a mode that qfleet doesn't support, such as cluster mode."""


class BrokerClosedError(BrokerError):
    """The provider was closed while it was in use."""


class BrokerFullError(BrokerError):
    """Redis is out of memory."""


class LocalFleetError(QfleetError):
    """A server or a worker of a local fleet doesn't start."""


class DamagedDataError(QfleetError):
    """What Redis holds for a job can't be read."""


class MissingExtraError(QfleetError, ImportError):
    """An optional package isn't installed."""


class FleetJobError(QfleetError, JobError):
    """A job can't do what was asked of it."""


class JobFailedError(FleetJobError):
    """The job failed."""


class JobCancelledError(FleetJobError):
    """The job was cancelled."""


class JobNotFoundError(FleetJobError):
    """No job has this id."""


class JobExpiredError(FleetJobError):
    """The job's retention is over and its data are deleted."""


class FleetJobTimeoutError(QfleetError, JobTimeoutError):
    """The job didn't end in the time given; it goes on."""
