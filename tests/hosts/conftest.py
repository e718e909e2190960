# SPDX-License-Identifier: Apache-2.0
"""A fleet on several hosts: a durable Redis, three workers and a client, each with its own network."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from host_fleet import HostFleet
from network import network
from processes import worker
from redis_process import RedisProcess

from qfleet import FleetProvider


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[HostFleet]:
    with ExitStack() as stack:
        # A folder of pytest's would have a name too long for a unix socket.
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="qfleet-")))
        net = stack.enter_context(network())
        broker = net.add("broker")
        server = RedisProcess(folder, host=broker)
        stack.callback(server.kill)
        server.start()
        workers = []
        for name in ("first", "second", "third"):
            host = net.add(name)
            started = worker(server.url, tmp_path / f"{name}.log", host=host, seen_at=server.socket_url)
            workers.append((host, stack.enter_context(started)))
        provider = stack.enter_context(FleetProvider(server.socket_url))
        client = stack.enter_context(server.client())
        yield HostFleet(server, broker, workers, net.add("laptop"), client, provider.get_backend("automatic"))
