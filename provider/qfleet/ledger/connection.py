# SPDX-License-Identifier: Apache-2.0
"""A client's connections to one broker.

They are made when first needed, and again after a fork.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from typing import Any, Final

import redis
from celery import Celery
from kombu.pools import ProducerPool

from qfleet.errors import BrokerClosedError
from qfleet.ledger.client import connect
from qfleet.ledger.confined import ConfinedLedger, is_confined
from qfleet.ledger.hub import EventHub
from qfleet.ledger.ledger import Ledger
from qfleet.ledger.listener import Listener
from qfleet.ledger.repeated_programs import RepeatedPrograms
from qfleet.ledger.translation import translate, translate_errors
from qfleet.wire.redis.broker import Broker, celery_settings
from qfleet.wire.redis.celery_message import send_shard
from qfleet.wire.redis.preflight import Role, missing_rights
from qfleet.wire.redis.states import task_id

#: The number of messages in one command to Redis.
_PUBLISHED_AT_ONCE: Final = 500
#: The number of threads in which coroutines ask Redis.
_THREADS: Final = 8


class Connection:
    """A client's connections to one broker.

    They are made at the first command. The class is safe in threads and after a fork.

    Args:
        broker: the broker.
        tenant: the tenant that the jobs belong to that are sent over it.
    """

    def __init__(self, broker: Broker, tenant: str = "") -> None:
        self.broker = broker
        self.tenant: Final = tenant
        self.repeated: Final = RepeatedPrograms()
        #: True once a job was sent over it: Redis has the script then
        self.has_sent = False
        #: the number of calls of `close`
        self.closings = 0
        #: ``None`` before Redis was asked
        self._confined: bool | None = None
        self._lock = threading.Lock()
        self._pid = os.getpid()
        self._client: redis.Redis | None = None
        self._hub: EventHub | None = None
        self._threads: ThreadPoolExecutor | None = None
        self._app: Any = None
        self._producers: Any = None

    @property
    def client(self) -> redis.Redis:
        """Return the redis-py client of this process."""
        with self.lock_of_this_process():
            if self._client is None:
                self._client = connect(self.broker)
            return self._client

    @property
    def hub(self) -> EventHub:
        """Return the event hub of this process."""
        with self.lock_of_this_process():
            if self._hub is None:
                self._hub = EventHub(lambda: connect(self.broker, max_connections=1), self.tenant)
            return self._hub

    @property
    def threads(self) -> ThreadPoolExecutor:
        """Return the threads in which coroutines ask Redis.

        No thread waits for a job.
        """
        with self.lock_of_this_process():
            if self._threads is None:
                self._threads = ThreadPoolExecutor(_THREADS, "qfleet-await")
            return self._threads

    @property
    def app(self) -> Any:
        """Return the Celery app of this process.

        It sends tasks and reads results.
        """
        return self._sender()[0]

    def _sender(self) -> tuple[Any, Any]:
        """Return the Celery app of this process and its producers."""
        with self.lock_of_this_process():
            if self._app is None:
                self._app = Celery("qfleet", set_as_current=False)
                self._app.conf.update(celery_settings(self.broker))
                # Celery would use kombu's pools, which belong to the whole process and outlive this connection.
                limit = self._app.conf.broker_pool_limit
                pool = self._app.connection_for_write().Pool(limit)
                self._producers = ProducerPool(pool, limit)  # type: ignore[no-untyped-call]
                # Celery would use a second producer for each message, and fail without one.
                self._app.control.mailbox.producer_pool = None
            return self._app, self._producers

    @contextmanager
    def ledger(self) -> Iterator[Ledger]:
        """Lend the ledger in this Redis.

        Raises:
            BrokerError: Redis raised an error in the block.
        """
        with translate_errors(self.broker, self._missing):
            kind = ConfinedLedger if self.is_confined() else Ledger
            yield kind(self.client, self.tenant)

    def is_confined(self) -> bool:
        """Tell whether the Redis user is confined to its tenant."""
        if self._confined is None:
            self._confined = is_confined(self.client)
        return self._confined

    def check(self, listener: Listener) -> None:
        """Check that a listener is subscribed. Raises `qfleet.errors.BrokerError`."""
        if listener.error is not None:
            raise translate(listener.error, self.broker, self._missing) from listener.error

    def closed_error(self) -> BrokerClosedError:
        """Return the error of a call during which this connection was closed."""
        text = f"the provider of {self.broker} was closed by close() while it was in use"
        return BrokerClosedError(text, broker=str(self.broker))

    def publish(self, job_id: str, shards: Sequence[int]) -> None:
        """Put the messages of a job's shards on the queue. Raises `qfleet.errors.BrokerError`."""
        with (
            self._producer() as (app, producer),
            # A batch costs more than a single message.
            producer.batch(max_size=_PUBLISHED_AT_ONCE) if len(shards) > 1 else nullcontext(),
        ):
            for index in shards:
                send_shard(app, job_id, index, producer=producer)

    def revoke(self, job_id: str, shards: Iterable[int]) -> None:
        """Revoke shards of a job on every worker.

        Workers drop them, and kill the processes that run them.

        Args:
            job_id: the job.
            shards: the indices of the shards.
        """
        ids = [task_id(job_id, index) for index in shards]
        with self._producer() as (app, producer):
            link = {"connection": producer.connection, "channel": producer.channel}
            app.control.revoke(ids, terminate=True, signal="SIGKILL", **link)

    def close(self) -> None:
        """Close all connections.

        Waiting calls raise an error. The next call opens connections again.
        """
        with self.lock_of_this_process():
            client, hub, threads, app, producers = self._client, self._hub, self._threads, self._app, self._producers
            self._client = self._hub = self._threads = self._app = self._producers = None
            self.closings += 1
        if hub is not None:
            hub.close()
        if threads is not None:
            threads.shutdown(wait=False)
        if client is not None:
            # redis-py can't close a connection in use; it is closed when its thread returns it.
            client.connection_pool.disconnect(inuse_connections=False)
        if app is not None:
            producers.force_close_all()
            producers.connections.force_close_all()
            app.close()

    @contextmanager
    def _producer(self) -> Iterator[tuple[Any, Any]]:
        """Lend the Celery app and one of its producers.

        The call waits for a free producer.
        """
        closings = self.closings
        app, producers = self._sender()
        try:
            with translate_errors(self.broker, self._missing), producers.acquire(block=True) as producer:
                yield app, producer
        except Exception as exc:
            if self.closings == closings:
                raise
            # kombu's connections were closed in the meantime.
            raise self.closed_error() from exc

    def _missing(self) -> tuple[str, ...]:
        """Return the rights that this broker's user lacks.

        The tuple is empty if they can't be determined.
        """
        try:
            role: Role = "tenant" if self._confined else "client"
            rights = missing_rights(self.client, role, self.broker.client_options["db"], self.tenant)
        except redis.RedisError:
            return ()
        return tuple(map(str, rights))

    def lock_of_this_process(self) -> threading.Lock:
        """Return the lock under which connections are made and closed."""
        # A child of fork() must not write to its parent's sockets: it drops them without closing them.
        if self._pid != os.getpid():
            self._pid, self._lock = os.getpid(), threading.Lock()
            self._client = self._hub = self._threads = self._app = self._producers = None
        return self._lock
