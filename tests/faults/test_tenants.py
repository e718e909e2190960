# SPDX-License-Identifier: Apache-2.0
"""Keep the entries of a tenant's inbox while workers die and Redis restarts."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator

import pytest
import redis
from circuits import ENDLESS_SHOTS, bell, endless
from fleet_state import nothing_left
from processes import Worker
from redis_process import RedisProcess
from waiting import until

from qfleet import FleetProvider
from qfleet.wire.redis import keys
from qfleet.wire.redis.acl import tenant_rules

StartWorker = Callable[..., Worker]


def add_tenant(client: redis.Redis) -> None:
    client.execute_command("ACL", "SETUSER", "alice", "reset", "on", ">secret", *tenant_rules("alice"))


@pytest.fixture
def alice(server: RedisProcess, client: redis.Redis) -> Iterator[FleetProvider]:
    """Yield a provider with the user of a tenant."""
    add_tenant(client)
    with FleetProvider(server.url.replace("://", "://alice:secret@")) as provider:
        yield provider


def test_a_worker_dies_between_the_bell_and_the_inbox(
    alice: FleetProvider, client: redis.Redis, start_worker: StartWorker
) -> None:
    first = start_worker()
    assert alice.get_backend().run(bell()).result(timeout=60).success
    # Redis still gives it what it waits for.
    first.process.send_signal(signal.SIGSTOP)
    job = alice.get_backend().run(bell())
    until(lambda: client.llen(keys.BELL) == 0, "the worker that is stopped was rung for")
    first.lose_machine()
    assert client.llen(keys.inbox("alice")) == 1
    start_worker()
    assert job.result(timeout=60).success
    until(lambda: nothing_left(client) and not client.exists(keys.INBOXES), "nothing is left over")


def test_redis_starts_again_with_what_is_in_an_inbox(
    alice: FleetProvider, client: redis.Redis, server: RedisProcess, start_worker: StartWorker
) -> None:
    worker = start_worker()
    running = alice.get_backend().run(endless(), shots=ENDLESS_SHOTS)
    until(running.running, "it runs")
    worker.process.send_signal(signal.SIGSTOP)
    job = alice.get_backend().run(bell())
    server.kill()
    server.start()
    add_tenant(client)
    worker.process.send_signal(signal.SIGCONT)
    # The worker knows the scripts that this Redis has forgotten.
    assert running.cancel() is True
    until(running.cancelled, "it is cancelled")
    assert job.result(timeout=60).success
    until(lambda: nothing_left(client), "nothing is left over")
