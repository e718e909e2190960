# SPDX-License-Identifier: Apache-2.0
"""Primitives take a backend and its options under the names that other primitives have for them."""

from __future__ import annotations

from typing import Any

import pytest

from qfleet import EstimatorV2, FleetProvider, SamplerV2
from qfleet.errors import InvalidOptionError
from qfleet.primitives.base import primitive_options

URL = "redis://localhost:1/0"  # nothing is sent
BOTH = [SamplerV2, EstimatorV2]


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize("name", ["fleet", "mode", "backend"])
def test_a_backend_by_every_name(kind: Any, name: str) -> None:
    backend = FleetProvider(URL).get_backend("qasm_simulator")
    assert kind(**{name: backend}).backend is backend
    assert kind(**{name: backend.provider}).backend.name == "automatic"
    assert kind(**{name: URL}, seed=5).options.seed == 5


def test_a_subclass_may_call_its_first_argument_otherwise() -> None:
    class Mine(SamplerV2):
        def __init__(self, simulator: Any, **options: Any) -> None:
            super().__init__(simulator, **options)

    assert Mine.from_backend(URL, seed=5).options.seed == 5


@pytest.mark.parametrize("kind", BOTH)
def test_from_backend(kind: Any) -> None:
    backend = FleetProvider(URL).get_backend("automatic", precision="single")
    found = kind.from_backend(backend, seed=3, options={"max_parallel_threads": 2})
    assert type(found) is kind
    assert found.backend is backend
    assert (found.options.seed, found.options.max_parallel_threads) == (3, 2)


@pytest.mark.parametrize("kind", BOTH)
def test_two_backends_are_one_too_many(kind: Any) -> None:
    backend = FleetProvider(URL).get_backend()
    with pytest.raises(TypeError, match="`fleet`, `mode` and `backend` are names of the same argument"):
        kind(backend, mode=backend)
    with pytest.raises(TypeError, match="a FleetProvider, one of its backends or the url"):
        kind(mode=object())


@pytest.mark.parametrize("kind", BOTH)
def test_aers_nested_options(kind: Any) -> None:
    backend = FleetProvider(URL).get_backend("automatic", max_job_size=7, seed_simulator=1)
    nested = {
        "backend_options": {"method": "statevector", "precision": "single", "seed_simulator": 4},
        "run_options": {"max_parallel_threads": 3, "seed_simulator": 9},
    }
    for primitive in (kind(backend, options=nested), kind.from_backend(backend, **nested)):
        run = primitive_options(primitive.backend, primitive.options)
        assert (run.method, run.precision, run.seed_simulator, run.max_parallel_threads) == (
            "statevector",
            "single",
            9,
            3,
        )
        assert run.max_job_size == 7
    # What was given stays as it was.
    assert set(nested) == {"backend_options", "run_options"}
    assert backend.options.precision == "double"


def test_shots_and_seeds_of_aers_primitives() -> None:
    sampler = SamplerV2(URL, default_shots=50, seed=3, options={"backend_options": {}, "run_options": None})
    assert (sampler.options.default_shots, sampler.options.seed) == (50, 3)
    assert SamplerV2(URL, options={"run_options": {"shots": 60}}).options.default_shots == 60
    assert SamplerV2(URL, options={"run_options": {"shots": 60}, "default_shots": 70}).options.default_shots == 70
    assert SamplerV2(URL, default_shots=80, options={"run_options": {"shots": 60}}).options.default_shots == 80
    assert SamplerV2(URL, options={"run_options": {"seed": 6}}).options.seed == 6
    # Qiskit's BackendSamplerV2 and BackendEstimatorV2
    assert SamplerV2(backend=URL, options={"default_shots": 5, "seed_simulator": 6}).options.seed == 6
    estimator = EstimatorV2(URL, options={"default_precision": 0.5, "run_options": {"seed_simulator": 2}})
    assert (estimator.options.default_precision, estimator.options.seed) == (0.5, 2)


@pytest.mark.parametrize(
    ("kind", "options", "error", "text"),
    [
        (
            SamplerV2,
            {"backend_options": {"device": "GPU"}},
            TypeError,
            "backend_options: no option 'device'; the options are",
        ),
        (SamplerV2, {"run_options": {"memory": True}}, TypeError, "run_options: a primitive doesn't take 'memory'"),
        (EstimatorV2, {"run_options": {"parameter_binds": []}}, TypeError, "give the values in a PUB"),
        (EstimatorV2, {"run_options": {"shots": 10}}, TypeError, "an estimator has no shots: give `default_precision`"),
        (SamplerV2, {"backend_options": {"precision": "half"}}, InvalidOptionError, "precision='half'"),
        (SamplerV2, {"backend_options": {"noise_model": object()}}, InvalidOptionError, "noise_model"),
        (SamplerV2, {"backend_options": 5}, TypeError, "backend_options=5: a dictionary"),
        (SamplerV2, {"shots": 5}, TypeError, "no option 'shots'; the options are"),
        (EstimatorV2, {"abelian_grouping": True}, TypeError, "no option 'abelian_grouping'; the options are"),
    ],
)
def test_what_isnt_an_option_is_named(kind: Any, options: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error) as caught:
        kind(URL, options=options)
    assert text in str(caught.value)
