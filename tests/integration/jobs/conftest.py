# SPDX-License-Identifier: Apache-2.0
"""A fleet with workers, and one without, for tests of jobs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import redis
from circuits import ENDLESS_SHOTS, endless
from waiting import until

from qfleet import FleetBackend, FleetJob, FleetProvider
from qfleet.ledger.client import connect
from qfleet.wire.redis.broker import parse_broker

#: 20 qubits fit a worker of this fleet, 22 don't, and the client lets both pass.
MEMORY_BYTES = 150 * 2**20


@pytest.fixture(scope="module")
def fleet() -> Iterator[FleetProvider]:
    """Yield a fleet of two workers with little memory."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("QFLEET_MEMORY_BYTES", str(MEMORY_BYTES))
        # A circuit that fits no worker fails, instead of waiting for one.
        patch.setenv("QFLEET_UNPLACEABLE_SECONDS", "0")
        provider = FleetProvider.local(workers=2)
    with provider:
        yield provider


@pytest.fixture
def backend(fleet: FleetProvider) -> FleetBackend:
    return fleet.get_backend("automatic")


@pytest.fixture(scope="module")
def server(fleet: FleetProvider) -> Iterator[redis.Redis]:
    """Yield a client of the fleet's Redis."""
    with connect(parse_broker(fleet.url)) as client:
        yield client


@pytest.fixture
def idle(redis_url: str) -> Iterator[FleetBackend]:
    """Yield a backend of a Redis without workers: what it is sent stays queued."""
    with FleetProvider(redis_url) as provider:
        yield provider.get_backend("automatic")


@pytest.fixture
def running(backend: FleetBackend) -> Iterator[FleetJob]:
    """Yield a job that runs, and would for hours."""
    job = backend.run(endless(), shots=ENDLESS_SHOTS)
    until(job.running, "the job runs")
    yield job
    job.cancel()
