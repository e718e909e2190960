# SPDX-License-Identifier: Apache-2.0
"""A client's connections to one broker: made when first needed, made anew after a fork."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any, Final

import redis
from celery import Celery
from kombu.pools import ProducerPool
from redis.backoff import NoBackoff
from redis.retry import Retry
from redis.sentinel import Sentinel

from qfleet.queue.ledger import Ledger
from qfleet.queue.repeated import Repeated
from qfleet.queue.translate import translated
from qfleet.wire.broker import CONNECT_TIMEOUT_SECONDS, READ_TIMEOUT_SECONDS, Broker, celery_settings
from qfleet.wire.message import send_shard
from qfleet.wire.state import task_id

#: Messages that go to Redis in one command.
_PUBLISHED_AT_ONCE: Final = 500


class Connection:
    """The way to one broker. Nothing connects before the first command; safe in threads and after a fork."""

    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        self.repeated: Final = Repeated()
        self._lock = threading.Lock()
        self._pid = os.getpid()
        self._client: redis.Redis | None = None
        self._app: Any = None
        self._producers: Any = None

    @property
    def client(self) -> redis.Redis:
        """The redis-py client of this process."""
        with self._of_this_process():
            if self._client is None:
                self._client = connect(self.broker)
            return self._client

    @property
    def app(self) -> Any:
        """The Celery app of this process, as a sender of tasks and a reader of results."""
        with self._of_this_process():
            if self._app is None:
                self._app = Celery("qfleet", set_as_current=False)
                self._app.conf.update(celery_settings(self.broker))
                # Celery would take kombu's pools, which belong to the whole process and outlive this connection.
                limit = self._app.conf.broker_pool_limit
                pool = self._app.connection_for_write().Pool(limit)
                self._producers = ProducerPool(pool, limit)  # type: ignore[no-untyped-call]
                self._app.control.mailbox.producer_pool = self._producers
            return self._app

    @contextmanager
    def ledger(self) -> Iterator[Ledger]:
        """The jobs in this Redis; its errors are raised as `qfleet.errors.BrokerError`."""
        with translated(self.broker):
            yield Ledger(self.client)

    def publish(self, job_id: str, shards: Sequence[int]) -> None:
        """Put the tasks of a job's shards on the queue. Raises `qfleet.errors.BrokerError`."""
        app = self.app
        with (
            translated(self.broker),
            self._producers.acquire(block=True) as producer,
            # a batch costs more than one message does
            producer.batch(max_size=_PUBLISHED_AT_ONCE) if len(shards) > 1 else nullcontext(),
        ):
            for index in shards:
                send_shard(app, job_id, index, producer=producer)

    def revoke(self, job_id: str, shards: Iterable[int]) -> None:
        """Tell every worker to drop a job's shards, and to kill the processes that run one of them."""
        ids = [task_id(job_id, index) for index in shards]
        app = self.app
        with translated(self.broker), self._producers.acquire(block=True) as producer:
            app.control.revoke(ids, terminate=True, signal="SIGKILL", connection=producer.connection)

    def close(self) -> None:
        """Close what was opened. The connection can be used again, and then opens anew."""
        with self._of_this_process():
            client, app, producers = self._client, self._app, self._producers
            self._client = self._app = self._producers = None
        if client is not None:
            client.close()
        if app is not None:
            producers.force_close_all()
            producers.connections.force_close_all()
            app.close()

    def _of_this_process(self) -> threading.Lock:
        # A child of fork() must not write to its parent's sockets. What the parent opened is dropped, not closed.
        if self._pid != os.getpid():
            self._pid, self._lock = os.getpid(), threading.Lock()
            self._client = self._app = self._producers = None
        return self._lock


def connect(broker: Broker) -> redis.Redis:
    """A redis-py client of a broker; it doesn't connect yet. Without an answer it gives up after two attempts."""
    options = dict(broker.client_options) | {
        "retry": Retry(NoBackoff(), 1),
        # Holds until the server has answered for the first time: it may accept the connection and then say nothing.
        "socket_timeout": CONNECT_TIMEOUT_SECONDS,
        "redis_connect_func": _log_in,
    }
    if broker.sentinels:
        # One after the other is asked, and all of them once more: together they get the time of one attempt.
        seconds = CONNECT_TIMEOUT_SECONDS / len(broker.sentinels)
        of_sentinels = {"socket_connect_timeout": seconds, "socket_timeout": seconds, "retry": Retry(NoBackoff(), 0)}
        sentinel: Any = Sentinel(broker.sentinels, sentinel_kwargs=of_sentinels, **options)  # type: ignore[no-untyped-call]
        client: redis.Redis = sentinel.master_for(broker.master_name)
        return client
    return redis.Redis(**options)


def _log_in(connection: Any) -> None:
    connection.on_connect_check_health(check_health=False)
    connection.update_current_socket_timeout(READ_TIMEOUT_SECONDS)
