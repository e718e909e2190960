# SPDX-License-Identifier: Apache-2.0
"""Shards that run here and belong elsewhere by now.

The message of a cancel may be lost with a connection. A worker that was cut off or stopped for long comes back to find
that its shards were given to others. Nobody waits for the results, so their processes are killed.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, Protocol

from celery import bootsteps
from redis.exceptions import RedisError

from qfleet.wire.redis import keys
from qfleet.wire.redis.fields import ShardField
from qfleet_worker.lifecycle.held import held_requests

logger = logging.getLogger(__name__)

#: Seconds between two checks. A check reads two fields of each shard that the worker holds.
CHECK_SECONDS: Final = 10.0


class Held(Protocol):
    """A shard that this worker holds; see `qfleet_worker.lifecycle.request`."""

    id: str

    @property
    def shard(self) -> tuple[str, int]:
        """Return the job and the index of the shard."""
        ...

    @property
    def is_chosen(self) -> bool:
        """Tell whether the main process chose the shard."""
        ...

    @property
    def owner(self) -> str:
        """Return the name of the attempt."""
        ...

    def abandon(self, pool: Any) -> None:
        """Kill the process of the shard."""
        ...


def stop_abandoned(client: Any, pool: Any, held: Callable[[], Iterable[Held]] = held_requests) -> None:
    """Kill the processes of shards that the ledger no longer has here.

    Args:
        client: the Redis that holds the ledger.
        pool: Celery's pool of processes.
        held: a function that returns the shards that the worker holds.
    """
    # The process of a shard that a message named claims it, and may not have done so yet.
    requests = [request for request in held() if request.is_chosen]
    try:
        abandoned = _abandoned(client, requests) if requests else []
    except RedisError as exc:
        logger.warning("could not check the shards that this worker holds: %s", exc)
        return
    for request in abandoned:
        logger.warning("stopping %s: it was cancelled, or given to another worker", request.id)
        request.abandon(pool)


def _abandoned(client: Any, requests: Sequence[Held]) -> list[Held]:
    """Return the shards that were cancelled or have another owner."""
    with client.pipeline(transaction=False) as pipe:
        for request in requests:
            job_id, index = request.shard
            fields = [ShardField.of(index, name) for name in (ShardField.OWNER, ShardField.STATE)]
            pipe.hmget(keys.shards(job_id), fields)
        answers = pipe.execute(raise_on_error=False)
    known = [(request, answer) for request, answer in zip(requests, answers, strict=True) if isinstance(answer, list)]
    return [request for request, (owner, state) in known if owner != request.owner.encode() or state == b"REVOKED"]


def abandoned_step(client: Any) -> type[bootsteps.StartStopStep]:
    """Return a step of Celery's consumer that stops abandoned shards.

    It checks when the worker connects, and every few seconds.

    Args:
        client: the Redis that holds the ledger.
    """

    class AbandonedStep(bootsteps.StartStopStep):
        requires = ("celery.worker.consumer.tasks:Tasks",)
        _timer: Any = None

        def start(self, consumer: Any) -> None:
            stop_abandoned(client, consumer.pool)
            self._timer = consumer.timer.call_repeatedly(CHECK_SECONDS, stop_abandoned, (client, consumer.pool))

        def stop(self, consumer: Any) -> None:  # noqa: ARG002 - Celery's signature
            if self._timer is not None:
                self._timer.cancel()

    return AbandonedStep
