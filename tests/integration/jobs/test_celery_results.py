# SPDX-License-Identifier: Apache-2.0
"""Celery's own result objects on the shards of a fleet, against a real Redis and real worker processes."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import redis
from celery import Celery
from celery.exceptions import ImproperlyConfigured, TaskRevokedError
from celery.exceptions import TimeoutError as CeleryTimeoutError
from celery.result import AsyncResult, GroupResult
from circuits import ENDLESS_SHOTS, bell, endless
from fleet_state import run_too_wide
from make_jobs import make_job, run_shard
from qiskit import QuantumCircuit
from qiskit.primitives import StatevectorEstimator
from qiskit.quantum_info import SparsePauliOp
from waiting import until

import qfleet
from qfleet import FleetBackend, FleetProvider
from qfleet.errors import JobFailedError, JobNotFoundError
from qfleet.ledger import Ledger
from qfleet.ledger.client import connect
from qfleet.wire.lua import Scripts
from qfleet.wire.redis.broker import parse_broker


@pytest.fixture
def app(fleet: FleetProvider) -> Iterator[Celery]:
    app = qfleet.celery_app(fleet.url)
    yield app
    app.close()


def _task(job: Any, app: Celery, index: int = 0) -> Any:
    return AsyncResult(f"{job.job_id()}.{index}", app=app)


def test_a_result_is_what_the_shard_gave(backend: FleetBackend, app: Celery) -> None:
    job = backend.run([bell()] * 3, shots=100, memory=True, seed_simulator=3, max_job_size=1)
    result = job.result()
    for index in range(3):
        (value,) = _task(job, app, index).get(timeout=60)
        assert (value["circuit"], value["shots"], value["first_shot"]) == (index, 100, 0)
        assert value["counts"] == result.data(index)["counts"]
        assert value["memory"] == result.data(index)["memory"]
        assert _task(job, app, index).state == "SUCCESS"


def test_blocks_of_shots_come_one_by_one(backend: FleetBackend, app: Celery) -> None:
    job = backend.run(bell(), shots=100, max_shot_size=40)
    job.result()
    values = [_task(job, app, index).get(timeout=60)[0] for index in range(3)]
    assert [(value["first_shot"], value["shots"]) for value in values] == [(0, 40), (40, 40), (80, 20)]
    assert sum(sum(value["counts"].values()) for value in values) == 100


def test_the_results_of_primitives_are_arrays(fleet: FleetProvider, app: Celery) -> None:
    backend = fleet.get_backend()
    circuit = QuantumCircuit(3, 2)
    circuit.x(1)
    circuit.measure([0, 1], [0, 1])
    job = qfleet.SamplerV2(backend).run([circuit], shots=5)
    job.result()
    (value,) = _task(job, app).get(timeout=60)
    assert value["bits"].dtype == bool
    np.testing.assert_array_equal(value["bits"], np.broadcast_to([False, True], (1, 5, 2)))

    circuit = QuantumCircuit(1)
    circuit.ry(0.3, 0)
    pub = (circuit, SparsePauliOp(["Z"]))
    job = qfleet.EstimatorV2(backend).run([pub])
    job.result()
    (value,) = _task(job, app).get(timeout=60)
    wanted = StatevectorEstimator().run([pub]).result()[0].data.evs
    np.testing.assert_allclose(value["expectation_values"], [wanted])


def test_a_group_has_all_shards_of_a_job(backend: FleetBackend, app: Celery) -> None:
    job = backend.run([bell()] * 4, shots=10, max_job_size=1)
    group = GroupResult.restore(job.job_id(), app=app)
    assert [value[0]["circuit"] for value in group.get(timeout=60)] == [0, 1, 2, 3]
    assert group.successful()
    assert group.completed_count() == 4


def test_states_and_errors(backend: FleetBackend, idle: FleetBackend, app: Celery, redis_url: str) -> None:
    waiting = qfleet.celery_app(redis_url)
    queued = _task(idle.run(bell()), waiting)
    assert (queued.state, queued.result) == ("PENDING", None)
    with pytest.raises(CeleryTimeoutError, match="did not end within"):
        queued.get(timeout=0.01)
    waiting.close()

    running = backend.run(endless(), shots=ENDLESS_SHOTS)
    until(lambda: _task(running, app).state == "STARTED", "Celery calls it STARTED")
    running.cancel()
    assert _task(running, app).state == "REVOKED"
    with pytest.raises(TaskRevokedError):
        _task(running, app).get(timeout=10)

    failed = run_too_wide(backend)
    assert _task(failed, app, 0).state == "SUCCESS"
    assert _task(failed, app, 0).get(timeout=10)[0]["counts"]
    assert _task(failed, app, 1).state == "FAILURE"
    with pytest.raises(JobFailedError, match="23 qubits") as caught:
        _task(failed, app, 1).get(timeout=10)
    assert caught.value.job_id == failed.job_id()


def test_a_shard_that_no_worker_can_hold_says_so(redis_url: str) -> None:
    job, why = make_job(2), "needs 64 GiB"
    with connect(parse_broker(redis_url)) as client:
        Ledger(client).store(job)
        # The job's own error is that of the circuit that failed first.
        assert run_shard(client, job.job_id, 0, error="it never ends")
        scripts = Scripts(client)
        assert scripts.call("hold", job.job_id, why) == 1
        assert scripts.call("refuse", job.job_id, 0, 2, why) == -1
    app = qfleet.celery_app(redis_url)
    for index, error in enumerate(["it never ends", why]):
        with pytest.raises(JobFailedError, match=error):
            AsyncResult(f"{job.job_id}.{index}", app=app).get(timeout=10)
    app.close()


def test_unknown_shards(backend: FleetBackend, app: Celery) -> None:
    job = backend.run(bell())
    job.result()
    assert _task(job, app).exists()
    for name in (f"{job.job_id()}.1", "job.0", "no task"):
        task = AsyncResult(name, app=app)
        assert not task.exists()
        assert task.state == "PENDING"
        with pytest.raises(JobNotFoundError):
            task.get(timeout=10)


def test_nothing_is_mirrored(backend: FleetBackend, server: redis.Redis) -> None:
    backend.run(bell()).result()
    assert not list(server.scan_iter("qfleet:celery-task-meta-*"))


def test_a_copy_of_a_result_reads_the_same_ledger(backend: FleetBackend, app: Celery) -> None:
    task = copy.deepcopy(_task(backend.run(bell(), shots=7), app))
    assert task.get(timeout=60)[0]["shots"] == 7


def test_a_password_is_not_shown() -> None:
    app = qfleet.celery_app("redis://user:secret@localhost:1/0")
    assert "secret" not in app.backend.as_uri()
    assert "secret" in app.backend.as_uri(include_password=True)


def test_what_the_backend_does_not_do_is_refused_with_the_way_to_do_it(backend: FleetBackend, app: Celery) -> None:
    task = _task(backend.run(bell()), app)
    task.get(timeout=60)
    with pytest.raises(ImproperlyConfigured, match="delete_job"):
        task.forget()
    with pytest.raises(ImproperlyConfigured, match="another result_backend"):
        app.backend.store_result("task", 1, "SUCCESS")
