# SPDX-License-Identifier: Apache-2.0
"""A sweep, and a loop that runs the same circuit again and again, send it to Redis once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import redis
from connections import connected
from monitored import monitored
from processes import redis_server, worker
from qiskit import QuantumCircuit
from qiskit.circuit.library import efficient_su2
from qiskit.quantum_info import SparsePauliOp
from references import ref

from qfleet import EstimatorV2, FleetProvider, SamplerV2
from qfleet.ledger.new_job import PROGRAM_SECONDS
from qfleet.wire.codec.blobs import content_hash
from qfleet.wire.redis import keys

POINTS = 10_000


def memory_of(client: redis.Redis, job_id: str) -> int:
    """Return bytes that Redis holds of a job, its own bookkeeping left out."""
    size = 0
    for key in client.scan_iter(match=f"*{job_id}*", count=1000):
        if client.type(key) == b"hash":
            size += sum(len(name) + len(value) for name, value in client.hgetall(key).items())
        else:
            size += len(client.get(key))
    return size


def test_a_sweep_takes_little_more_than_its_numbers(tmp_path: Path) -> None:
    circuit = efficient_su2(8, reps=2)
    points = np.random.default_rng(1).uniform(0, 6, (POINTS, 1, circuit.num_parameters))
    labels = ["Z" * 8, "X" * 8, "IZ" * 4]
    measured = circuit.copy()
    measured.measure_all()
    with redis_server() as port, redis.Redis(port=port) as client:
        url = f"redis://127.0.0.1:{port}/0"
        with FleetProvider(url) as provider, worker(url, tmp_path / "log"):
            estimated = EstimatorV2(provider).run([(circuit, labels, points)])
            evs = estimated.result(timeout=100)[0].data.evs
            assert memory_of(client, estimated.job_id()) < 1.2 * points.nbytes + evs.nbytes
            sampled = SamplerV2(provider).run([(measured, points[:, 0])], shots=100)
            bits = sampled.result(timeout=100)[0].data.meas.array
            assert memory_of(client, sampled.job_id()) < 1.2 * points.nbytes + bits.nbytes
            table = {parameter: points[:, 0, at] for at, parameter in enumerate(measured.parameters)}
            counted = provider.get_backend().run(measured, parameter_binds=[table], shots=1)
            counted.result(timeout=100)
            # Of each point an outcome, of a byte and its count of eight, and how many there are, of eight.
            assert memory_of(client, counted.job_id()) < 1.2 * points.nbytes + 17 * POINTS


@pytest.mark.parametrize("kind", ["estimator", "sampler", "run"])
def test_a_loop_sends_its_circuit_once(kind: str, tmp_path: Path) -> None:
    circuit = efficient_su2(6, reps=3)
    observable = SparsePauliOp(["ZZIIII", "IXXIII"], [1, 0.5])
    if kind != "estimator":
        circuit.measure_all()

    def run(provider: FleetProvider, point: np.ndarray) -> str:
        if kind == "estimator":
            job = EstimatorV2(provider).run([(circuit, observable, point)])
        elif kind == "sampler":
            job = SamplerV2(provider).run([(circuit, point)], shots=10)
        else:
            job = provider.get_backend().run(
                circuit, parameter_binds=[dict(zip(circuit.parameters, point, strict=True))], shots=10
            )
        job.result(timeout=60)
        return ref(job)

    points = np.random.default_rng(1).uniform(0, 6, (6, circuit.num_parameters))
    with redis_server() as port, redis.Redis(port=port) as client:
        url = f"redis://127.0.0.1:{port}/0"
        with FleetProvider(url) as provider, worker(url, tmp_path / "log"):
            (name, blob), *_ = client.hgetall(keys.programs(run(provider, points[0]))).items()
            assert content_hash(blob) == name.decode()
            assert not client.exists(keys.program(provider.tenant, name.decode())), "one job alone leaves no copy"
            run(provider, points[1])
            assert 0 < client.ttl(keys.program(provider.tenant, name.decode())) <= PROGRAM_SECONDS
            with monitored(client, scripts=False) as commands:
                third = run(provider, points[2])
            # Neither does the client send it, nor the worker fetch it; the job has it all the same.
            assert all(len(command) < len(blob) for command in commands)
            assert not [command for command in commands if command.startswith(f"HMGET {keys.programs(third)}")]
            assert client.hgetall(keys.programs(third)) == {name: blob}
            # Redis may lose it at any time.
            client.delete(keys.program(provider.tenant, name.decode()))
            assert client.hgetall(keys.programs(run(provider, points[3]))) == {name: blob}
            with FleetProvider(url) as other:
                assert client.hgetall(keys.programs(run(other, points[4]))) == {name: blob}


@pytest.mark.parametrize("jobs", [2, 3])
def test_a_copy_that_is_lost(jobs: int, redis_url: str) -> None:
    circuit = QuantumCircuit(1)
    circuit.rx(0.123, 0)
    circuit.measure_all()
    with FleetProvider(redis_url) as provider, connected(provider) as connection:
        backend, client = provider.get_backend(), connection.client
        first, *others = (backend.run(circuit) for _ in range(jobs))
        programs = client.hgetall(keys.programs(ref(first)))
        ((name, _),) = programs.items()
        client.delete(keys.program(provider.tenant, name.decode()))
        last = backend.run(circuit)
        for job in (*others, last):
            assert client.hgetall(keys.programs(ref(job))) == programs
        assert client.exists(keys.program(provider.tenant, name.decode()))
        for job in (first, *others, last):
            job.cancel()
