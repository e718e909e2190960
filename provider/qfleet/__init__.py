# SPDX-License-Identifier: Apache-2.0
"""qfleet runs Qiskit circuits on a fleet of simulator workers.

    from qfleet import FleetProvider

    backend = FleetProvider("redis://broker:6379/0").get_backend("automatic")
    counts = backend.run(circuit, shots=4096).result().get_counts()

``FleetProvider.local()`` starts a fleet on this machine and needs no server. `qfleet.errors` has the tree of errors.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from qfleet.backend import FleetBackend
    from qfleet.jobs.circuits import FleetJob
    from qfleet.jobs.primitive import PrimitiveFleetJob
    from qfleet.primitives.estimator import EstimatorV2
    from qfleet.primitives.options import EstimatorOptions, SamplerOptions
    from qfleet.primitives.sampler import SamplerV2
    from qfleet.primitives.sweeps import iter_sweep, sweep
    from qfleet.provider import FleetProvider

__all__ = [
    "EstimatorOptions",
    "EstimatorV2",
    "FleetBackend",
    "FleetJob",
    "FleetProvider",
    "PrimitiveFleetJob",
    "SamplerOptions",
    "SamplerV2",
    "iter_sweep",
    "sweep",
]

_HOMES = {
    "EstimatorOptions": "qfleet.primitives.options",
    "EstimatorV2": "qfleet.primitives.estimator",
    "FleetBackend": "qfleet.backend",
    "FleetJob": "qfleet.jobs.circuits",
    "FleetProvider": "qfleet.provider",
    "PrimitiveFleetJob": "qfleet.jobs.primitive",
    "SamplerOptions": "qfleet.primitives.options",
    "SamplerV2": "qfleet.primitives.sampler",
    "iter_sweep": "qfleet.primitives.sweeps",
    "sweep": "qfleet.primitives.sweeps",
}


def __getattr__(name: str) -> Any:
    # A worker imports qfleet.wire, and must not import Qiskit with it.
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
