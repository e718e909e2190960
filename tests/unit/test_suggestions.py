# SPDX-License-Identifier: Apache-2.0
"""A misspelt name is answered with the nearest one, wherever names are given."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from circuits import bell
from qiskit.providers.exceptions import QiskitBackendNotFoundError

from qfleet import EstimatorOptions, FleetBackend, FleetProvider, SamplerV2
from qfleet._suggestions import did_you_mean
from qfleet.errors import BrokerUnreachableError, InvalidOptionError

KNOWN = ["seed_simulator", "shots", "memory", "max_memory_mb"]


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("shot", ". Did you mean 'shots'?"),
        ("SHOTS", ". Did you mean 'shots'?"),
        ("memroy", ". Did you mean 'memory'?"),
        ("sed_simulator", ". Did you mean 'seed_simulator'?"),
        ("seed", ". Did you mean 'seed_simulator'?"),
        ("resilience", ""),
        ("e", ""),
        ("", ""),
        (3, ""),
    ],
)
def test_the_nearest_name(name: object, answer: str) -> None:
    assert did_you_mean(name, KNOWN) == answer


@pytest.fixture
def backend() -> Iterator[FleetBackend]:
    """Yield a backend of a fleet that isn't there."""
    with FleetProvider("redis://127.0.0.1:1/0") as provider:
        yield provider.get_backend()


@pytest.mark.parametrize(
    ("give", "error", "meant"),
    [
        (lambda backend: backend.set_options(sed_simulator=1), AttributeError, "seed_simulator"),
        (lambda backend: setattr(backend.options, "shot", 1), AttributeError, "shots"),
        (lambda backend: backend.options.update_options(seed=1), AttributeError, "seed_simulator"),
        (lambda backend: backend.set_options(method="statevectr"), InvalidOptionError, "statevector"),
        (lambda backend: backend.run(bell(), precision="singel"), InvalidOptionError, "single"),
        (lambda backend: backend.provider.get_backend("automatc"), QiskitBackendNotFoundError, "automatic"),
        (lambda backend: backend.provider.get_backend(shot=1), AttributeError, "shots"),
        (lambda backend: SamplerV2(backend, shots=1), TypeError, "default_shots"),
        (lambda backend: SamplerV2(backend, options={"sede": 1}), TypeError, "seed"),
        (lambda backend: SamplerV2(backend, method="statevectr"), InvalidOptionError, "statevector"),
        (lambda _: setattr(EstimatorOptions(), "precision", 0), AttributeError, "default_precision"),
    ],
)
def test_an_error_asks_for_it(
    backend: FleetBackend, give: Callable[[Any], object], error: type[Exception], meant: str
) -> None:
    with pytest.raises(error, match=rf"\. Did you mean '{meant}'\?"):
        give(backend)


def test_an_option_of_a_run_that_isnt_known_gives_a_warning_that_asks(backend: FleetBackend) -> None:
    with (
        pytest.warns(UserWarning, match=r"option 'shot' is not used by backend 'automatic'\. Did you mean 'shots'\?"),
        pytest.raises(BrokerUnreachableError),
    ):
        backend.run(bell(), shot=100)
