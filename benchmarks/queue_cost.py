# SPDX-License-Identifier: Apache-2.0
"""The cost of the queue, and the waits of its users.

The figures are its share of a job of short circuits, and the costs of storing a job, of status(), of a trivial job, of
many in flight, and of a shard's Redis commands; the wait of one circuit while others use the fleet, too; and the shares
of two tenants with weights. What is compared is measured in one run.

    python benchmarks/queue_cost.py [--circuits 10000] [--seconds 60] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from contextlib import closing
from pathlib import Path

import redis
from _fairness import behind_a_sweep, behind_a_tenant, shares
from _fake_workers import make_job
from _measure import machine
from _redis_meter import Meter, own_redis
from _report import heading
from qiskit.circuit import QuantumCircuit

from qfleet import FleetBackend, FleetProvider
from qfleet.ledger import Connection
from qfleet.wire.redis.broker import parse_broker
from qfleet.wire.redis.references import reference

_WORKERS = 2
_SHARDS = 1000
_TRIVIAL_JOBS = 200
_IN_FLIGHT = 500

Report = dict[str, float]


def main() -> None:
    """Run the measurements, print each figure at once, and write them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--circuits", type=int, default=10_000, help="circuits of the large job")
    parser.add_argument("--seconds", type=float, default=60.0, help="seconds for which two tenants share the fleet")
    parser.add_argument("--json", type=Path, help="write the numbers to this file")
    arguments = parser.parse_args()
    about = machine()
    print(heading(about), flush=True)
    report: Report = {}
    without_workers(report)
    with FleetProvider.local(workers=_WORKERS) as provider:
        backend = provider.get_backend("automatic")
        for _ in range(30):
            backend.run(small()).result()
        trivial(backend, report)
        in_flight(backend, report)
        with redis.Redis(**parse_broker(provider.url).client_options) as client:
            commands(backend, client, report)
        share(backend, arguments.circuits, report)
        behind_a_sweep(backend, small(), report)
        with FleetProvider(provider.url, tenant="other") as other:
            behind_a_tenant(backend, other.get_backend("automatic"), small(), report)
        shares(provider, arguments.seconds, report)
    if arguments.json:
        arguments.json.write_text(json.dumps({"machine": about} | report, indent=2) + "\n", "utf-8")


def small() -> QuantumCircuit:
    """Return a circuit of two qubits."""
    circuit = QuantumCircuit(2)
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.measure_all()
    return circuit


def a_millisecond(number: int) -> QuantumCircuit:
    """Return a circuit that takes a worker about a millisecond."""
    qubits = 14
    circuit = QuantumCircuit(qubits)
    for layer in range(16):
        for qubit in range(qubits):
            circuit.ry(0.1 + 0.01 * qubit + layer + 1e-5 * number, qubit)
        for qubit in range(qubits - 1):
            circuit.cx(qubit, qubit + 1)
    circuit.measure_all()
    return circuit


def without_workers(report: Report) -> None:
    """Measure storing a job, and asking for its status."""
    with own_redis() as port:
        url = f"redis://127.0.0.1:{port}/0"
        with FleetProvider(url) as provider, closing(Connection(parse_broker(url))) as connection:
            job = provider.get_backend("automatic").run([small()] * _SHARDS, max_job_size=1)
            rates, asked = [], []
            for number in range(5):
                stored = make_job(number, _SHARDS, "tenant")
                begin = time.perf_counter()
                with connection.ledger() as ledger:
                    ledger.store(stored)
                rates.append(_SHARDS / (time.perf_counter() - begin))
            for _ in range(200):
                begin = time.perf_counter()
                job.status()
                asked.append(time.perf_counter() - begin)
    report["stored_per_second"] = statistics.median(rates)
    report["status_ms"] = statistics.median(asked) * 1e3
    print(f"storing                           {report['stored_per_second']:8.0f} shards/s")
    print(f"status() of {_SHARDS} shards            {report['status_ms']:8.2f} ms, median", flush=True)


def trivial(backend: FleetBackend, report: Report) -> None:
    """Measure a job of one small circuit, from run() to its result."""
    seconds = []
    for _ in range(_TRIVIAL_JOBS):
        begin = time.perf_counter()
        backend.run(small()).result()
        seconds.append(time.perf_counter() - begin)
    report["trivial_job_ms"] = statistics.median(seconds) * 1e3
    print(f"run() to result() of a small job  {report['trivial_job_ms']:8.2f} ms, median", flush=True)


def in_flight(backend: FleetBackend, report: Report) -> None:
    """Measure many jobs of one small circuit that are in flight together."""
    circuit = small()
    begin = time.perf_counter()
    jobs = [backend.run(circuit) for _ in range(_IN_FLIGHT)]
    for job in jobs:
        job.result()
    report["in_flight_job_ms"] = (time.perf_counter() - begin) / _IN_FLIGHT * 1e3
    print(f"{_IN_FLIGHT} such jobs in flight            {report['in_flight_job_ms']:8.2f} ms for each", flush=True)


def commands(backend: FleetBackend, client: redis.Redis, report: Report) -> None:
    """Measure the cost of a shard to Redis, from run() to result()."""
    meter = Meter(client)
    backend.run([small()] * _SHARDS, max_job_size=1).result()
    spent = meter.stop()
    per_shard = {name: number / _SHARDS for name, number in spent.commands.most_common()}
    sent = sum(per_shard.get(name, 0.0) for name in ("brpop", "evalsha"))
    report["sent_per_shard"] = sent
    report["commands_per_shard"] = sum(per_shard.values())
    report["bytes_per_shard"] = spent.bytes / _SHARDS
    report["redis_us_per_shard"] = spent.seconds / _SHARDS * 1e6
    print(
        f"Redis commands for each shard     {report['commands_per_shard']:8.1f}, those inside scripts included; "
        f"{sent:.1f} tokens and scripts: "
        + ", ".join(f"{name} {number:.1f}" for name, number in per_shard.items() if number >= 0.1)
    )
    print(f"bytes for each shard              {report['bytes_per_shard']:8.0f}")
    print(f"time of Redis for each shard      {report['redis_us_per_shard']:8.0f} us", flush=True)


def share(backend: FleetBackend, circuits: int, report: Report) -> None:
    """Measure the share of the workers' time not spent on short circuits."""
    job = backend.run([a_millisecond(number) for number in range(circuits)], shots=100)
    result = job.result()
    with closing(Connection(parse_broker(backend.provider.url))) as connection, connection.ledger() as ledger:
        snapshot = ledger.snapshot(reference(job.tenant, job.job_id()))
    assert snapshot.ended is not None
    # Starting when all circuits were lowered and the job was stored.
    total = (snapshot.ended - snapshot.created) * _WORKERS
    simulated = sum(experiment.time_taken for experiment in result.results)
    report["circuit_ms"] = simulated / circuits * 1e3
    report["queue_share"] = 1 - simulated / total
    print(
        f"{circuits} circuits of {report['circuit_ms']:.2f} ms: {total / _WORKERS:.1f} s on {_WORKERS} workers in "
        f"{sum(snapshot.states.values())} tasks; the queue's share {report['queue_share']:.1%}"
    )


if __name__ == "__main__":
    main()
