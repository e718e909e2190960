# SPDX-License-Identifier: Apache-2.0
"""Jobs of circuits that a client of version 0.1 runs."""

from __future__ import annotations

import time

import redis
from connections import connected
from make_jobs import store_as_0_1
from qiskit import QuantumCircuit

from qfleet import FleetJob, FleetProvider
from qfleet.options import RunOptions, check_option
from qfleet.submission.prepare import prepare
from qfleet.wire.redis import keys
from qfleet.wire.redis.fields import JobField


def run_as_0_1(
    provider: FleetProvider, client: redis.Redis, circuits: list[QuantumCircuit], **options: object
) -> FleetJob:
    """Store and publish a job of circuits."""
    chosen = RunOptions(**{name: check_option(name, value) for name, value in options.items()})  # type: ignore[arg-type]
    new = prepare(circuits, chosen, backend_name="automatic", output="counts", tags=(), metadata={}, retention=1000)
    store_as_0_1(client, new)
    with connected(provider) as connection:
        connection.publish(new.job_id, range(len(new.shards)))
    client.hset(keys.job(new.job_id), JobField.PUBLISHED, repr(time.time()))
    return provider.job(new.job_id)
