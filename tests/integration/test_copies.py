# SPDX-License-Identifier: Apache-2.0
"""Providers, backends, jobs and primitives go into other processes, and copies of them work like the originals."""

from __future__ import annotations

import copy
import multiprocessing
import pickle  # noqa: TID251 - users pickle their own objects
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import dill
import numpy as np
import pytest
from circuits import bell
from connections import connected
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter
from references import ref
from remote import counts, excited

from qfleet import EstimatorV2, FleetBackend, FleetJob, FleetProvider, SamplerV2
from qfleet.errors import FleetJobError
from qfleet.submission.prepare import prepare
from qfleet.wire.redis import keys
from qfleet.wire.redis.fields import JobField

cloudpickle = pytest.importorskip("cloudpickle")
joblib = pytest.importorskip("joblib")
sklearn_base = pytest.importorskip("sklearn.base")

COPIES: dict[str, Callable[[Any], Any]] = {
    "pickle": lambda thing: pickle.loads(pickle.dumps(thing)),  # noqa: S301
    "the oldest pickle": lambda thing: pickle.loads(pickle.dumps(thing, protocol=2)),  # noqa: S301
    "cloudpickle": lambda thing: pickle.loads(cloudpickle.dumps(thing)),  # noqa: S301
    "dill": lambda thing: dill.loads(dill.dumps(thing)),  # noqa: S301
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
}


def one_qubit() -> QuantumCircuit:
    return excited().remove_final_measurements(inplace=False)


@pytest.fixture
def backend(provider: FleetProvider) -> FleetBackend:
    return provider.get_backend("basic_simulator", shots=30, seed_simulator=7)


# --- Copies ---


@pytest.mark.parametrize("way", COPIES)
def test_copies_work(way: str, backend: FleetBackend) -> None:
    copied = COPIES[way]
    job = backend.run(excited())
    assert copied(backend).run(excited()).result(timeout=60).get_memory() == ["1"] * 30
    provider = copied(backend.provider)
    assert (provider.url, len(provider.workers())) == (backend.provider.url, 2)
    provider.close()
    again = copied(job)
    assert type(again) is FleetJob
    assert (again.job_id(), again.result(timeout=60).get_counts()) == (job.job_id(), {"1": 30})
    sampler, estimator = copied(SamplerV2(backend)), copied(EstimatorV2(backend, default_precision=0.25))
    sampled = sampler.run([excited()], shots=30)
    assert sampled.result()[0].data.meas.get_counts() == {"1": 30}
    assert copied(sampled).result()[0].data.meas.get_counts() == {"1": 30}
    assert estimator.options.default_precision == 0.25
    assert estimator.run([(one_qubit(), "Z")], precision=0).result()[0].data.evs == -1


@pytest.mark.parametrize("way", COPIES)
def test_a_copy_of_a_backend_keeps_its_options(way: str, backend: FleetBackend) -> None:
    theta = Parameter("θ")
    backend.set_options(parameter_binds=[{theta: [1.0, 2.0]}], precision="single")
    copied = COPIES[way](backend)
    assert dict(copied.options) == dict(backend.options)
    assert (copied.name, copied.description) == (backend.name, backend.description)
    copied.set_options(shots=5)
    assert backend.options.shots == 30
    with pytest.raises(AttributeError):
        copied.set_options(pony=1)


@pytest.mark.parametrize("way", [name for name in COPIES if name != "copy"])
def test_copies_of_what_belongs_together_share_a_provider(way: str, backend: FleetBackend) -> None:
    provider, one, two = COPIES[way]((backend.provider, backend, backend.provider.get_backend()))
    assert one.provider is two.provider is provider
    assert provider is not backend.provider


def test_a_copy_keeps_the_retention(fleet_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QFLEET_RETENTION_SECONDS", "77")
    provider = FleetProvider(fleet_url)
    monkeypatch.delenv("QFLEET_RETENTION_SECONDS")
    copied = copy.deepcopy(provider.get_backend())
    job = copied.run(excited())
    with connected(provider) as connection:
        assert connection.client.hget(keys.job(ref(job)), JobField.RETENTION) == b"77"
    job.result(timeout=60)


def test_the_copy_of_a_local_fleet_leaves_it_alone() -> None:
    with FleetProvider.local(workers=1) as local:
        with copy.deepcopy(local) as copied:
            assert copied.get_backend().run(excited()).result(timeout=60).success
            assert copied.server is None
        del copied
        assert len(local.workers()) == 1
        assert local.get_backend().run(excited()).result(timeout=60).success


def test_a_job_that_isnt_submitted_isnt_copied(backend: FleetBackend) -> None:
    new = prepare(
        bell(), backend_options(backend), backend_name="automatic", output="counts", tags=[], metadata={}, retention=9
    )
    job = FleetJob(backend, new.job_id, new=new)
    for copied in COPIES.values():
        with pytest.raises(FleetJobError, match="can't be copied or pickled before it is submitted"):
            copied(job)


def backend_options(backend: FleetBackend) -> Any:
    from qfleet.primitives.base import own_options

    return own_options(backend)


def test_nothing_shows_the_password_that_a_pickle_holds() -> None:
    provider = FleetProvider("redis://user:geheim@host/0")
    blob = pickle.dumps(provider)
    assert b"geheim" in blob
    assert "geheim" not in repr(pickle.loads(blob))  # noqa: S301


# --- Other processes ---


EXPECTED = [{"1": number} for number in range(1, 5)]


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_multiprocessing(method: str, backend: FleetBackend) -> None:
    assert counts(backend, 3) == {"1": 3}  # it has connections, and a thread that listens
    context = multiprocessing.get_context(method)
    with ProcessPoolExecutor(2, mp_context=context) as pool:
        assert list(pool.map(counts, [backend] * 4, range(1, 5))) == EXPECTED
    assert counts(backend, 3) == {"1": 3}


def test_joblib(backend: FleetBackend) -> None:
    run = joblib.delayed(counts)
    assert joblib.Parallel(n_jobs=2)(run(backend, number) for number in range(1, 5)) == EXPECTED


def test_scikit_learn_clones_and_searches_in_parallel(backend: FleetBackend) -> None:
    model = Model(EstimatorV2(backend), scale=2.0)
    cloned = sklearn_base.clone(model)
    assert cloned.estimator is not model.estimator
    assert cloned.predict(np.zeros((2, 1))).tolist() == [-2.0, -2.0]


class Model(sklearn_base.BaseEstimator):
    """A model as scikit-learn wants it, which asks the fleet."""

    def __init__(self, estimator: EstimatorV2, scale: float = 1.0) -> None:
        self.estimator = estimator
        self.scale = scale

    def predict(self, points: np.ndarray) -> np.ndarray:
        value = self.estimator.run([(one_qubit(), "Z")]).result()[0].data.evs
        return np.full(len(points), self.scale * value)
