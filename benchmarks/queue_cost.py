# SPDX-License-Identifier: Apache-2.0
"""The cost of the queue.

The figures are its share of a job of short circuits, and the costs of publishing, of status(), of a trivial job, and of
a shard's Redis commands.

    python benchmarks/queue_cost.py [--circuits 10000] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

import redis
from qiskit.circuit import QuantumCircuit

from qfleet import FleetBackend, FleetProvider
from qfleet.ledger import Connection
from qfleet.local.server import Server
from qfleet.wire.redis.broker import parse_broker

_WORKERS = 2
_SHARDS = 1000
_TRIVIAL_JOBS = 200


def main() -> None:
    """Run the measurements, print each figure at once, and write them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--circuits", type=int, default=10_000, help="circuits of the large job")
    parser.add_argument("--json", type=Path, help="write the numbers to this file")
    arguments = parser.parse_args()
    report: dict[str, float] = {}
    without_workers(report)
    with FleetProvider.local(workers=_WORKERS) as provider:
        backend = provider.get_backend("automatic")
        for _ in range(30):
            backend.run(small()).result()
        trivial(backend, report)
        with redis.Redis(**parse_broker(provider.url).client_options) as client:
            commands(backend, client, report)
        share(backend, arguments.circuits, report)
    if arguments.json:
        arguments.json.write_text(json.dumps(report, indent=2) + "\n", "utf-8")


def small() -> QuantumCircuit:
    """Return a circuit of two qubits."""
    circuit = QuantumCircuit(2)
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.measure_all()
    return circuit


def a_millisecond(number: int) -> QuantumCircuit:
    """Return a circuit that takes a worker about a millisecond."""
    qubits = 12
    circuit = QuantumCircuit(qubits)
    for layer in range(4):
        for qubit in range(qubits):
            circuit.ry(0.1 + 0.01 * qubit + layer + 1e-5 * number, qubit)
        for qubit in range(qubits - 1):
            circuit.cx(qubit, qubit + 1)
    circuit.measure_all()
    return circuit


def without_workers(report: dict[str, float]) -> None:
    """Measure publishing a job, and asking for its status."""
    with tempfile.TemporaryDirectory(prefix="qfleet-") as folder:
        server = Server(Path(folder), None)
        server.start()
        try:
            with FleetProvider(server.url) as provider, closing(Connection(parse_broker(server.url))) as connection:
                job = provider.get_backend("automatic").run([small()] * _SHARDS, max_job_size=1)
                rates, asked = [], []
                for _ in range(5):
                    begin = time.perf_counter()
                    connection.publish(job.job_id(), range(_SHARDS))
                    rates.append(_SHARDS / (time.perf_counter() - begin))
                for _ in range(200):
                    begin = time.perf_counter()
                    job.status()
                    asked.append(time.perf_counter() - begin)
        finally:
            server.stop()
    report["published_per_second"] = statistics.median(rates)
    report["status_ms"] = statistics.median(asked) * 1e3
    print(f"publishing                        {report['published_per_second']:8.0f} shards/s")
    print(f"status() of {_SHARDS} shards            {report['status_ms']:8.2f} ms, median", flush=True)


def trivial(backend: FleetBackend, report: dict[str, float]) -> None:
    """Measure a job of one small circuit, from run() to its result."""
    seconds = []
    for _ in range(_TRIVIAL_JOBS):
        begin = time.perf_counter()
        backend.run(small()).result()
        seconds.append(time.perf_counter() - begin)
    report["trivial_job_ms"] = statistics.median(seconds) * 1e3
    print(f"run() to result() of a small job  {report['trivial_job_ms']:8.2f} ms, median", flush=True)


def commands(backend: FleetBackend, client: redis.Redis, report: dict[str, float]) -> None:
    """Count the commands to Redis for each shard."""

    def calls() -> Counter[str]:
        stats = client.info("commandstats")
        return Counter({name.removeprefix("cmdstat_"): values["calls"] for name, values in stats.items()})

    def transferred() -> int:
        stats = client.info("stats")
        return int(stats["total_net_input_bytes"]) + int(stats["total_net_output_bytes"])

    before, bytes_before = calls(), transferred()
    backend.run([small()] * _SHARDS, max_job_size=1).result()
    found, moved = calls() - before, transferred() - bytes_before
    per_shard = {name: number / _SHARDS for name, number in found.most_common()}
    report["commands_per_shard"] = sum(per_shard.values())
    report["bytes_per_shard"] = moved / _SHARDS
    print(
        f"Redis commands for each shard     {report['commands_per_shard']:8.1f}, those inside scripts included: "
        + ", ".join(f"{name} {number:.1f}" for name, number in per_shard.items() if number >= 0.1)
    )
    print(f"bytes for each shard              {report['bytes_per_shard']:8.0f}", flush=True)


def share(backend: FleetBackend, circuits: int, report: dict[str, float]) -> None:
    """Measure the share of the workers' time not spent on short circuits."""
    job = backend.run([a_millisecond(number) for number in range(circuits)], shots=100)
    result = job.result()
    with closing(Connection(parse_broker(backend.provider.url))) as connection, connection.ledger() as ledger:
        snapshot = ledger.snapshot(job.job_id())
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
