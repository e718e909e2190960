# SPDX-License-Identifier: Apache-2.0
"""Calls that wait for jobs, and their connections."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import redis
from make_jobs import run_shard
from references import ref

from qfleet import FleetJob
from qfleet.wire.redis import keys
from qfleet.wire.redis.fields import JobField


class Waits:
    """Calls that wait, each in its own thread."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(32)

    def __call__(self, call: Callable[[], Any]) -> Future[Any]:
        """Start a call."""
        return self._pool.submit(call)

    def close(self) -> None:
        """Start no more calls."""
        self._pool.shutdown(wait=False)


def subscriptions(client: redis.Redis, job: FleetJob) -> int:
    """Return the number of connections that are told of a job.

    All waits of a provider share one connection.
    """
    listener = client.hget(keys.job(ref(job)), JobField.LISTENER)
    channels = [keys.events(ref(job)), keys.client(job.tenant, (listener or b"").decode())]
    return sum(int(number) for _, number in client.pubsub_numsub(*channels))


def finish(client: redis.Redis, job: FleetJob, *shards: int, error: str = "") -> None:
    """Do a worker's part for shards, by default for the first."""
    for index in shards or (0,):
        assert run_shard(client, ref(job), index, error)
