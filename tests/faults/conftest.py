# SPDX-License-Identifier: Apache-2.0
"""A fleet of real processes for each test: a durable Redis, and as many workers as the test starts."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import redis
from processes import Worker, worker
from redis_process import RedisProcess

from qfleet import FleetBackend, FleetProvider


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisProcess]:
    """Yield a real Redis that writes all to its disk."""
    folder = tmp_path / "redis"
    folder.mkdir()
    started = RedisProcess(folder)
    started.start()
    yield started
    started.kill()


@pytest.fixture
def client(server: RedisProcess) -> Iterator[redis.Redis]:
    with server.client() as client:
        yield client


@pytest.fixture
def provider(server: RedisProcess) -> Iterator[FleetProvider]:
    with FleetProvider(server.url) as provider:
        yield provider


@pytest.fixture
def backend(provider: FleetProvider) -> FleetBackend:
    return provider.get_backend("automatic")


@pytest.fixture
def start_worker(server: RedisProcess, tmp_path: Path) -> Iterator[Callable[..., Worker]]:
    """Starts a worker, which takes tasks when this returns; it is gone after the test."""
    numbers = itertools.count()
    with ExitStack() as workers:

        def start(**settings: object) -> Worker:
            log = tmp_path / f"worker-{next(numbers)}.log"
            return workers.enter_context(worker(server.url, log, **settings))  # type: ignore[arg-type]

        yield start
