# SPDX-License-Identifier: Apache-2.0
"""Anybody who reaches Redis may put anything on the queue and on the control channel: a live worker goes on."""

from __future__ import annotations

import base64
import bz2
import json
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import redis
from circuits import ENDLESS_SHOTS, bell, endless
from connections import connected
from old_jobs import run_as_0_1
from processes import Worker, owner_process, process, redis_server, worker
from references import ref
from waiting import until

from qfleet import FleetBackend, FleetProvider
from qfleet.wire.redis import keys

QUEUE = f"{keys.PREFIX}{keys.QUEUE}"
CONTROL = f"{keys.PREFIX}/0.celery.pidbox"
MESSAGES = 20_000
#: A worker's main process has some 130 MiB.
MOST_BYTES = 300 * 2**20


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with redis_server() as port:
        yield port


@pytest.fixture(scope="module")
def url(port: int) -> str:
    return f"redis://127.0.0.1:{port}/0"


@pytest.fixture(scope="module")
def server(port: int) -> Iterator[redis.Redis]:
    with redis.Redis(port=port) as client:
        yield client


@pytest.fixture(scope="module")
def backend(url: str) -> Iterator[FleetBackend]:
    with FleetProvider(url) as provider:
        yield provider.get_backend("automatic")


@pytest.fixture(scope="module")
def live(url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    """Yield the worker that all messages go to."""
    with worker(url, tmp_path_factory.mktemp("hostile") / "log") as started:
        yield started


@pytest.fixture(scope="module")
def genuine(backend: FleetBackend, server: redis.Redis) -> dict[str, Any]:
    """Return a message as a client of version 0.1 sends it, of a job that was cancelled."""
    # No worker is there to take it: the fixture `live` comes after this one.
    job = run_as_0_1(backend.provider, server, [bell()])
    raw = until(lambda: server.rpop(QUEUE), "the message is on the queue")
    job.cancel()
    message: dict[str, Any] = json.loads(raw)
    return message


def _is_well(live: Worker, backend: FleetBackend) -> None:
    """Assert that the worker runs another job, and takes no more memory and no other process."""
    assert backend.run(bell(), shots=100).result(timeout=60).success
    assert live.is_alive()
    assert psutil.Process(live.process.pid).memory_info().rss < MOST_BYTES


def _junk(rng: random.Random) -> Any:  # noqa: C901 - a list of cases
    """Any JSON value, most often of a wrong type for where it is put."""
    match rng.randrange(12):
        case 0:
            return [1]
        case 1:
            return {"a": None}
        case 2:
            return rng.choice([10**400, -1, 1e308, True, None])
        case 3:
            return "x" * rng.choice([0, 1, 1000])
        case 4:
            return rng.choice(["\ud800", "\x00", "\x1b]0;x\x07", "‮", "../../x", "qfleet:jobs"])
        case 5:
            nested: Any = 1
            for _ in range(rng.choice([3, 50])):
                nested = [nested]
            return nested
        case 6:
            return rng.choice(["celery.map", "celery.chord_unlock", "celery.backend_cleanup", "qfleet.run_shard"])
        case 7:
            return rng.choice(["job.1", "job.", ".1", "job.1.2", "job.-1", "job.99999999", "a b.1", "jöb.1"])
        case 8:
            return rng.choice(["gzip", "bzip2", "application/x-bz2", "application/x-python-serialize", "zstd"])
        case 9:
            return [None, 0.0001]
        case 10:
            return {"callbacks": [{"task": "qfleet.run_shard", "args": ["job", 0]}]}
    return base64.b64encode(rng.randbytes(rng.randrange(40))).decode()


def _paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    for key, inner in value.items() if isinstance(value, dict) else ():
        yield (*path, key)
        yield from _paths(inner, (*path, key))


def _changed(message: dict[str, Any], rng: random.Random) -> bytes:
    """Return a message with some of its parts replaced, removed or added, or with its bytes damaged."""
    text = json.dumps(message)
    made = json.loads(text)
    for _ in range(rng.randrange(1, 4)):
        *parents, last = rng.choice([*_paths(made)] or [("headers",)])
        inner = made
        for parent in parents:
            inner = inner[parent]
        if rng.random() < 0.2:
            inner.pop(last, None)
        elif rng.random() < 0.2:
            inner[rng.choice(["compression", "timelimit", "eta", "expires", "id", "reply_to", "x"])] = _junk(rng)
        else:
            inner[last] = _junk(rng)
    raw = json.dumps(made).encode()
    if rng.random() < 0.15:
        at = rng.randrange(len(raw))
        raw = raw[:at] + rng.randbytes(rng.randrange(4)) + raw[at + rng.randrange(4) :]
    return raw


SPECIAL = [
    b"",
    b"junk",
    b"\xff\xfe\x00",
    b"[" * 60_000,
    b'{"headers":' * 5_000,
    b"1" * 50_000,
    b'{"properties": {"delivery_tag": [1]}}',
    b'"text"',
    b"null",
]


def _put(server: redis.Redis, messages: list[bytes]) -> None:
    for start in range(0, len(messages), 1000):
        server.lpush(QUEUE, *messages[start : start + 1000])


@pytest.mark.timeout(300)
def test_messages_of_any_form(
    genuine: dict[str, Any], live: Worker, backend: FleetBackend, server: redis.Redis
) -> None:
    rng = random.Random(20)
    messages = SPECIAL + [_changed(genuine, rng) for _ in range(MESSAGES - len(SPECIAL))]
    children = {child.pid for child in live.children()}
    _put(server, messages)
    until(lambda: not server.exists(QUEUE), "every message was taken", seconds=240)
    _is_well(live, backend)
    assert {child.pid for child in live.children()} == children
    assert f"dropped a message from {QUEUE}" in live.log.read_text()
    assert "\x1b" not in live.log.read_text()


@pytest.mark.timeout(300)
def test_commands_of_any_form(live: Worker, backend: FleetBackend, server: redis.Redis) -> None:
    rng = random.Random(21)
    connections = server.info("stats")["total_connections_received"]
    content: dict[str, Any] = {"method": "ping", "arguments": {}, "destination": None, "pattern": None, "matcher": None}
    for number in range(2_000):
        methods = ["shutdown", "pool_shrink", "add_consumer", "stats", "conf", "revoke", "ping", _junk(rng)]
        made = content | {"method": rng.choice(methods), rng.choice([*content, "reply_to", "ticket"]): _junk(rng)}
        body = base64.b64encode(json.dumps(made).encode()).decode()
        wrapped = {
            "body": body,
            "headers": {"clock": 1},
            "properties": {"body_encoding": "base64", "delivery_tag": "t"},
        }
        raw = json.dumps(wrapped).encode() if number % 3 else _changed(wrapped, rng)
        assert server.publish(CONTROL, rng.choice(SPECIAL) if number % 10 == 0 else raw) == 1
    _is_well(live, backend)
    # Celery's own way would connect anew for each that it can't read.
    assert server.info("stats")["total_connections_received"] - connections < 20


def test_a_message_that_inflates(
    genuine: dict[str, Any], live: Worker, backend: FleetBackend, server: redis.Redis
) -> None:
    bomb = base64.b64encode(bz2.compress(bytes(64 << 20)) * 16).decode()
    compressed = {"headers": genuine["headers"] | {"compression": "application/x-bz2"}, "body": bomb}
    _put(server, [json.dumps(genuine | compressed).encode()])
    server.publish(CONTROL, json.dumps(genuine | compressed))
    most = 0
    while server.exists(QUEUE):
        most = max(most, psutil.Process(live.process.pid).memory_info().rss)
    _is_well(live, backend)
    assert most < MOST_BYTES


def test_a_message_sets_no_time_limit_of_its_own(
    genuine: dict[str, Any], live: Worker, backend: FleetBackend, server: redis.Redis
) -> None:
    with FleetProvider(backend.provider.url) as provider:
        held = provider.get_backend().run(endless(), shots=ENDLESS_SHOTS)
        until(held.running, "the worker is busy")
        job = run_as_0_1(provider, server, [endless("limited")], shots=ENDLESS_SHOTS)
        message = json.loads(until(lambda: server.rpop(QUEUE), "the message is on the queue"))
        message["headers"]["timelimit"] = [0.2, 0.1]
        _put(server, [json.dumps(message).encode()])
        held.cancel()
        until(job.running, "it runs")
        runner = owner_process(server, ref(job))
        # A message that comes later is taken by the same process, if no limit ended it.
        ended = provider.get_backend().run(bell())
        until(
            lambda: psutil.Process(live.process.pid).cpu_times().user >= 0 and runner.cpu_times().user > 1, "it ran on"
        )
        assert job.running()
        assert job.cancel()
        assert ended.result(timeout=60).success


def test_the_remote_control_has_two_commands(live: Worker, backend: FleetBackend) -> None:
    with connected(backend.provider) as connection:
        control = connection.app.control
        assert control.ping(timeout=5, limit=1) == [{live.name: {"ok": "pong"}}]
        assert control.inspect(timeout=0.5, limit=1).stats() is None
        control.shutdown()
        control.pool_shrink(1)
    _is_well(live, backend)


def test_a_revocation_stops_what_runs_and_nothing_else(
    live: Worker, backend: FleetBackend, server: redis.Redis
) -> None:
    job = backend.run(endless(), shots=ENDLESS_SHOTS)
    until(job.running, "it runs")
    # Somebody may revoke what the ledger calls running: the process is killed, and the shard runs again.
    with connected(backend.provider) as connection:
        ids = [f"{ref(job)}.0", *(f"other.{number}" for number in range(1000))]
        connection.app.control.revoke(ids, terminate=True)
    until(lambda: job.running() and server.hget(keys.shards(ref(job)), "0:attempts") == b"2", "it runs again")
    assert job.cancel() is True
    _is_well(live, backend)


def test_an_error_that_ends_the_worker_shows_in_its_exit_code(url: str, tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "from qfleet_worker.transport import Transport\n"
        "def broken(*_):\n"
        "    raise RuntimeError('nobody expected that')\n"
        "Transport.on_readable = broken\n"
        "from qfleet_worker.__main__ import main\n"
        "sys.exit(main([]))\n"
    )
    log = tmp_path / "log"
    with process([sys.executable, "-c", program], log, QFLEET_URL=url, QFLEET_CONCURRENCY="1") as started:
        assert started.wait(60) == 1
    assert "nobody expected that" in log.read_text()
