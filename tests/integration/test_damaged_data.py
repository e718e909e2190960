# SPDX-License-Identifier: Apache-2.0
"""Damaged or foreign data in Redis are one error of their owner, and no worker or client falls over them."""

from __future__ import annotations

import random
import signal
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import redis
from circuits import bell
from connections import connected
from make_jobs import make_circuit_result, make_circuit_work, make_shard_work
from msgspec.structs import replace
from processes import Worker, keys_with, redis_server, shard_field, worker
from qiskit import QuantumCircuit
from qiskit.providers import JobStatus
from references import ref
from waiting import until

from qfleet import FleetBackend, FleetJob, FleetProvider
from qfleet.errors import (
    DamagedDataError,
    JobFailedError,
)
from qfleet.wire.codec.blobs import content_hash
from qfleet.wire.codec.programs import encode_program
from qfleet.wire.codec.shards import decode_work, encode_shard
from qfleet.wire.messages.result import ShardResult
from qfleet.wire.program.operations import Op
from qfleet.wire.program.program import Program
from qfleet.wire.redis import keys
from qfleet.wire.redis.fields import JobField


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with redis_server() as port:
        yield port


@pytest.fixture(scope="module")
def server(port: int) -> Iterator[redis.Redis]:
    with redis.Redis(port=port) as client:
        yield client


@pytest.fixture(scope="module")
def one_worker(port: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    """Yield the only worker of that server."""
    with worker(f"redis://127.0.0.1:{port}/0", tmp_path_factory.mktemp("worker") / "log") as started:
        yield started


@pytest.fixture
def backend(port: int, one_worker: Worker) -> Iterator[FleetBackend]:
    with FleetProvider(f"redis://127.0.0.1:{port}/0") as provider:
        yield provider.get_backend("automatic")


WORK = make_shard_work(make_circuit_work())


def _program(**changed: Any) -> bytes:
    """Return a program of one X and one measurement, with something changed."""
    fields: dict[str, Any] = {
        "num_qubits": 1,
        "num_clbits": 1,
        "codes": np.array([Op.X, Op.MEASURE], np.uint8),
        "num_controls": np.zeros(2, np.uint16),
        "num_targets": np.ones(2, np.uint16),
        "operands": np.zeros(2, np.int32),
        "clbits": np.zeros(1, np.int32),
        "params": np.zeros(0),
        "table_refs": np.zeros(0, np.int32),
        "tables": (),
    }
    return encode_program(Program(**fields | changed))


def _tampered(backend: FleetBackend, client: redis.Redis, worker: Worker, tamper: Any) -> FleetJob:
    """Return a job whose data are changed before its worker chooses it."""
    # Workers keep the programs that they had.
    circuit = QuantumCircuit(1, 1, name="hostile")
    circuit.rx(random.random(), 0)
    circuit.measure(0, 0)
    worker.process.send_signal(signal.SIGSTOP)
    try:
        job = backend.run(circuit, shots=10)
        tamper(client, ref(job))
    finally:
        worker.process.send_signal(signal.SIGCONT)
    return job


def _work(blob: bytes | None) -> Any:
    def tamper(client: redis.Redis, job_id: str) -> None:
        if blob is None:
            client.hdel(keys.work(job_id), "0")
        else:
            client.hset(keys.work(job_id), "0", blob)

    return tamper


def _programs(blob: bytes | None, *, renamed: bool = True) -> Any:
    """Another program in place of the job's; ``renamed``, so that it's what its name says."""

    def tamper(client: redis.Redis, job_id: str) -> None:
        (name,) = client.hkeys(keys.programs(job_id))
        client.delete(keys.programs(job_id))
        if blob is None:
            return
        if renamed:
            work = decode_work(client.hget(keys.work(job_id), "0"))
            name = content_hash(blob)
            circuits = tuple(replace(circuit, program=name) for circuit in work.circuits)
            client.hset(keys.work(job_id), "0", encode_shard(replace(work, circuits=circuits)))
        client.hset(keys.programs(job_id), name, blob)

    return tamper


@pytest.mark.parametrize(
    ("tamper", "text"),
    [
        pytest.param(_work(b""), "not a qfleet message", id="work-empty"),
        pytest.param(_work(None), "not a qfleet message", id="work-missing"),
        pytest.param(_work(b"\x80\x04\x95pickle"), "not a qfleet message", id="work-foreign"),
        pytest.param(_work(encode_shard(WORK)[:-3]), "damaged message", id="work-truncated"),
        pytest.param(_work(encode_shard(WORK) + b"x"), "damaged message", id="work-too-long"),
        pytest.param(_work(b"qf\x63W" + encode_shard(WORK)[4:]), "a message of format 99", id="work-newer"),
        pytest.param(_work(_program()), "of kind b'P'", id="work-is-a-program"),
        pytest.param(_work(encode_shard(WORK)[:4] + b"\x91" * 100_000), "damaged message", id="work-deeply-nested"),
        pytest.param(_work(encode_shard(WORK)), "its program is missing", id="work-of-unknown-program"),
        pytest.param(_programs(None), "its program is missing", id="program-missing"),
        pytest.param(_programs(_program(), renamed=False), "isn't the one that its name says", id="program-of-another"),
        pytest.param(_programs(b""), "not a qfleet message", id="program-empty"),
        pytest.param(_programs(_program()[:-5]), "damaged message", id="program-truncated"),
        pytest.param(_programs(encode_shard(WORK)), "of kind b'W'", id="program-is-work"),
        pytest.param(_programs(_program(num_qubits=40)), r"its 40 qubits need (18022|4915[0-9])", id="too-wide"),
        pytest.param(_programs(_program(num_qubits=40_000)), "damaged message", id="program-far-too-wide"),
        pytest.param(_programs(_program(codes=np.array([99, 32], np.uint8))), "unknown operation", id="program-code"),
        pytest.param(_programs(_program(operands=np.array([0, 5], np.int32))), "names a qubit", id="program-qubit"),
        pytest.param(_programs(_program(clbits=np.array([7], np.int32))), "writes a clbit", id="program-clbit"),
    ],
)
def test_a_worker_outlives_what_it_cant_read(
    tamper: Any, text: str, backend: FleetBackend, server: redis.Redis, one_worker: Worker
) -> None:
    pool = {child.pid for child in one_worker.children()}
    job = _tampered(backend, server, one_worker, tamper)
    with pytest.raises(JobFailedError, match=text):
        job.result(timeout=60)
    assert job.status() is JobStatus.ERROR
    assert "hostile" in str(job.error_message())

    counters = server.hgetall(keys.job(ref(job)))
    assert {name: counters.get(JobField.count(name).encode()) for name in ("PENDING", "STARTED", "SUCCESS")} == {
        "PENDING": b"0",
        "STARTED": b"0",
        "SUCCESS": None,
    }
    assert counters[JobField.count("FAILURE").encode()] == b"1"
    assert counters[JobField.CIRCUITS_DONE.encode()] == b"0"
    assert shard_field(server, ref(job), 0, "attempts") == "1"
    assert all(server.ttl(key) > 0 for key in keys_with(server, job.job_id()))

    assert backend.run(bell()).result(timeout=60).success
    assert one_worker.is_alive()
    assert {child.pid for child in one_worker.children()} == pool


@pytest.mark.parametrize(
    ("name", "arguments"),
    [("qfleet.run_shard", ("no-such-job", 0)), ("qfleet.run_shard", ("job", "zero")), ("os.system", ("true",))],
)
def test_a_worker_outlives_a_foreign_message(
    name: str, arguments: tuple[object, ...], backend: FleetBackend, one_worker: Worker, server: redis.Redis
) -> None:
    with connected(backend.provider) as connection:
        connection.app.send_task(name, args=arguments, queue=keys.QUEUE)
    assert backend.run(bell()).result(timeout=60).success
    assert one_worker.is_alive()
    assert keys_with(server, "no-such-job") == []


def test_a_job_whose_ledger_is_no_ledger_is_set_aside(
    backend: FleetBackend, one_worker: Worker, server: redis.Redis
) -> None:
    def tamper(client: redis.Redis, job_id: str) -> None:
        client.set(keys.shards(job_id), "no hash")

    job = _tampered(backend, server, one_worker, tamper)
    for _ in range(3):
        assert backend.run(bell()).result(timeout=60).success
    held = until(lambda: server.hget(keys.job(ref(job)), JobField.HELD), "nobody tries it again")
    assert held.startswith(b"its data are damaged")
    assert one_worker.is_alive()


def _result(**changed: Any) -> bytes:
    fields: dict[str, Any] = {
        "outcomes": b"\x00\x03",
        "counts": np.array([4, 6]).tobytes(),
        "memory": np.array([0] * 4 + [1] * 6, np.uint32).tobytes(),
    }
    return encode_shard(ShardResult(circuits=(make_circuit_result(**fields | changed),)))


@pytest.mark.parametrize(
    ("blob", "text"),
    [
        pytest.param(b"", "not a qfleet message", id="empty"),
        pytest.param(_result()[:-5], "damaged message", id="truncated"),
        pytest.param(encode_shard(WORK), "of kind b'W'", id="work"),
        pytest.param(_result(outcomes=b"\x00"), "don't fit", id="outcomes"),
        pytest.param(_result(counts=b"123"), "circuit 0|array", id="counts"),
    ],
)
def test_a_damaged_result_is_told_to_who_asks(
    blob: bytes, text: str, backend: FleetBackend, server: redis.Redis
) -> None:
    job = backend.run(bell(), shots=10, memory=True)
    job.wait_for_final_state(timeout=60)
    server.hset(keys.results(ref(job)), "0", _result())
    assert backend.retrieve_job(job.job_id()).result().get_counts() == {"00": 4, "11": 6}
    server.hset(keys.results(ref(job)), "0", blob)
    with pytest.raises(DamagedDataError, match=text) as caught:
        backend.retrieve_job(job.job_id()).result()
    assert caught.value.job_id == job.job_id()
    assert (caught.value.shard, caught.value.circuit) in [(0, None), (None, 0)]


def test_a_damaged_record_is_told_to_who_asks(backend: FleetBackend, server: redis.Redis) -> None:
    job = backend.run(bell(), shots=10)
    job.wait_for_final_state(timeout=60)
    server.hset(keys.job(ref(job)), JobField.RECORD, b"\x80\x04\x95")
    with pytest.raises(DamagedDataError) as caught:
        backend.retrieve_job(job.job_id()).result()
    assert caught.value.fields == {"job_id": job.job_id()}


def test_something_else_in_place_of_a_job_is_one_of_our_errors(backend: FleetBackend, server: redis.Redis) -> None:
    server.set(keys.job("no-hash"), "x")
    with pytest.raises(DamagedDataError, match="WRONGTYPE"):
        backend.retrieve_job("no-hash")
