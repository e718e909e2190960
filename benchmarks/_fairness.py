# SPDX-License-Identifier: Apache-2.0
"""Waits and shares on a fleet that others use, too."""

from __future__ import annotations

import time
from contextlib import suppress

import numpy as np
from qiskit.circuit import QuantumCircuit

from qfleet import FleetBackend, FleetJob, FleetProvider

#: Runs without others, before each flood.
_ALONE = 40
_FLOODS = 3
_FLOOD_SHARDS = 2000
#: A flood counts as one as long as so much of it is left.
_LEFT = 200
_FLOOD_JOBS = 300
_MOST_FLOODED = 60
#: The share of the second tenant is three times that of the first one.
_WEIGHTS = {"light": 1, "heavy": 3}
_SHARE_SHARDS = 50_000


def layers(qubits: int, number: int) -> QuantumCircuit:
    """Return a circuit of layers of rotations and CNOTs."""
    circuit = QuantumCircuit(qubits)
    for layer in range(number):
        for qubit in range(qubits):
            circuit.ry(0.1 + 0.01 * qubit + layer, qubit)
        for qubit in range(qubits - 1):
            circuit.cx(qubit, qubit + 1)
    circuit.measure_all()
    return circuit


def behind_a_sweep(backend: FleetBackend, circuit: QuantumCircuit, report: dict[str, float]) -> None:
    """Measure one circuit behind a job of many of the same tenant.

    Args:
        backend: the backend.
        circuit: a small circuit.
        report: gets the figures.
    """
    alone: list[float] = []
    behind: list[float] = []
    for _ in range(_FLOODS):
        alone += [_wait(backend, circuit) for _ in range(_ALONE)]
        flood = backend.run([circuit] * _FLOOD_SHARDS, shots=10, max_job_size=1)
        while flood.progress().done < _FLOOD_SHARDS - _LEFT:
            behind.append(_wait(backend, circuit))
        flood.result()
    for name, seconds in (("alone", alone), ("behind_sweep", behind)):
        report[f"{name}_ms"], report[f"{name}_p95_ms"] = np.median(seconds) * 1e3, _p95(seconds) * 1e3
    print(
        f"one circuit behind {_FLOOD_SHARDS} trivial shards {report['behind_sweep_ms']:10.2f} ms, median of "
        f"{len(behind)}; {report['behind_sweep_p95_ms']:.2f} ms, 95th percentile; alone {report['alone_ms']:.2f} and "
        f"{report['alone_p95_ms']:.2f} ms",
        flush=True,
    )


def behind_a_tenant(
    backend: FleetBackend, other: FleetBackend, circuit: QuantumCircuit, report: dict[str, float]
) -> None:
    """Measure a job of one circuit while another tenant floods the fleet.

    Args:
        backend: the backend of the tenant with a single job.
        other: the backend of the one that floods.
        circuit: a small circuit.
        report: gets the figures.
    """
    long = layers(20, 12)
    shard = float(np.median([_wait(other, long, shots=10) for _ in range(5)]))
    alone = [_wait(backend, circuit) for _ in range(_ALONE)]
    flood = [other.run(long, shots=10) for _ in range(_FLOOD_JOBS)]
    behind: list[float] = []
    while len(behind) < _MOST_FLOODED and not flood[-1].in_final_state():
        behind.append(_wait(backend, circuit))
    _cancel(*flood)
    report["flooding_shard_ms"] = shard * 1e3
    report["behind_tenant_p95_ms"] = _p95(behind) * 1e3
    print(
        f"one circuit beside {_FLOOD_JOBS} jobs of another  {report['behind_tenant_p95_ms']:8.2f} ms, 95th percentile "
        f"of {len(behind)}; alone {_p95(alone) * 1e3:.2f} ms; a shard of the other tenant takes {shard * 1e3:.0f} ms",
        flush=True,
    )


def shares(provider: FleetProvider, seconds: float, report: dict[str, float]) -> None:
    """Measure the shares of two tenants with weights.

    Both have more work than the fleet can do.

    Args:
        provider: a provider of the fleet.
        seconds: how long they are measured.
        report: gets the figures.
    """
    circuit = layers(16, 8)
    for name, weight in _WEIGHTS.items():
        provider.set_weight(name, weight)
    tenants = {name: FleetProvider(provider.url, tenant=name) for name in _WEIGHTS}
    jobs = {
        name: tenant.get_backend("automatic").run([circuit] * _SHARE_SHARDS, shots=10, max_job_size=1)
        for name, tenant in tenants.items()
    }
    while not all(job.progress().done for job in jobs.values()):
        time.sleep(0.01)
    begin = {name: job.progress().done for name, job in jobs.items()}
    time.sleep(seconds)
    now = {name: job.progress().done for name, job in jobs.items()}
    assert max(now.values()) < _SHARE_SHARDS, "a tenant ran out of work; measure for a shorter time"
    done = {name: now[name] - begin[name] for name in jobs}
    _cancel(*jobs.values())
    for tenant in tenants.values():
        tenant.close()
    wanted = _WEIGHTS["heavy"] / sum(_WEIGHTS.values())
    total = sum(done.values())
    share = done["heavy"] / total
    report["heavy_share"], report["heavy_share_error"] = share, abs(share - wanted) / wanted
    print(
        f"shares of weights {_WEIGHTS['light']} and {_WEIGHTS['heavy']}           {share:8.1%} for the second, of "
        f"{total} shards in {seconds:.0f} s; {wanted:.0%} is its due, {report['heavy_share_error']:.1%} off",
        flush=True,
    )


def _wait(backend: FleetBackend, circuit: QuantumCircuit, shots: int = 10) -> float:
    """Return the seconds from run() to the result of one circuit."""
    begin = time.perf_counter()
    backend.run(circuit, shots=shots).result()
    return time.perf_counter() - begin


def _cancel(*jobs: FleetJob) -> None:
    for job in jobs:
        job.cancel()
    for job in jobs:
        with suppress(Exception):
            job.wait_for_final_state(timeout=60)


def _p95(seconds: list[float]) -> float:
    return float(np.percentile(seconds, 95))
