# SPDX-License-Identifier: Apache-2.0
"""qfleet runs Qiskit circuits on a fleet of simulator workers.

    from qfleet import FleetProvider

    backend = FleetProvider("redis://broker:6379/0").get_backend("automatic")
    counts = backend.run(circuit, shots=4096).result().get_counts()

`FleetProvider.local` starts a fleet on this machine and needs no server. `qfleet.errors` has the tree of errors.

The names in ``dir(qfleet)`` are public, and so are the classes in `qfleet.errors`, `qfleet.noise` and
`qfleet.options`. Everything else may change in any version.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from qfleet import errors, noise
    from qfleet.backend import FleetBackend
    from qfleet.jobs.celery_results import celery_app
    from qfleet.jobs.circuits import FleetJob
    from qfleet.jobs.primitive import PrimitiveFleetJob
    from qfleet.primitives.estimator import EstimatorV2
    from qfleet.primitives.options import EstimatorOptions, SamplerOptions
    from qfleet.primitives.sampler import SamplerV2
    from qfleet.primitives.sweeps import iter_sweep, sweep
    from qfleet.provider import FleetProvider

    __version__: str

__all__ = [
    "EstimatorOptions",
    "EstimatorV2",
    "FleetBackend",
    "FleetJob",
    "FleetProvider",
    "PrimitiveFleetJob",
    "SamplerOptions",
    "SamplerV2",
    "__version__",
    "celery_app",
    "errors",
    "iter_sweep",
    "noise",
    "sweep",
]

_MODULES: Final = {
    "EstimatorOptions": "qfleet.primitives.options",
    "EstimatorV2": "qfleet.primitives.estimator",
    # which sets the fleet of backends that are made without one
    "FleetBackend": "qfleet.provider",
    "FleetJob": "qfleet.jobs.circuits",
    "FleetProvider": "qfleet.provider",
    "PrimitiveFleetJob": "qfleet.jobs.primitive",
    "SamplerOptions": "qfleet.primitives.options",
    "SamplerV2": "qfleet.primitives.sampler",
    "celery_app": "qfleet.jobs.celery_results",
    "iter_sweep": "qfleet.primitives.sweeps",
    "sweep": "qfleet.primitives.sweeps",
}


def __getattr__(name: str) -> Any:
    # A worker imports qfleet.wire, and must not import Qiskit with it.
    if name in _MODULES:
        return getattr(import_module(_MODULES[name]), name)
    if name in ("errors", "noise"):
        return import_module(f"qfleet.{name}")
    if name == "__version__":
        from importlib.metadata import version

        return version("qfleet")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
