# SPDX-License-Identifier: Apache-2.0
"""The worker's Celery app: its settings, its one task, its presence."""

from __future__ import annotations

import logging
import os
from functools import partial
from typing import Any

import redis
from celery import Celery
from celery.exceptions import Ignore, Reject
from celery.signals import worker_process_init

import qfleet_worker
from qfleet.wire.messages.machine import machine_id
from qfleet.wire.messages.presence import Presence
from qfleet.wire.messages.work import RUN_SHARD
from qfleet.wire.redis.broker import celery_settings
from qfleet.wire.redis.celery_message import send_shard
from qfleet_worker.connection import Messaging, connect
from qfleet_worker.engines.background import Background
from qfleet_worker.engines.choose import Engines, all_engines
from qfleet_worker.engines.statevector.engine import StatevectorEngine
from qfleet_worker.inbox import Inbox
from qfleet_worker.lifecycle.abandoned import abandoned_step
from qfleet_worker.lifecycle.binder import LateBinder
from qfleet_worker.lifecycle.control import limit_control
from qfleet_worker.lifecycle.doorkeeper import doorkeeper_step
from qfleet_worker.lifecycle.limits import MemoryLimit
from qfleet_worker.lifecycle.pool import PoolStep
from qfleet_worker.lifecycle.presence import SignOfLife, presence_step
from qfleet_worker.lifecycle.reconciler import reconciler_step
from qfleet_worker.lifecycle.request import shard_request
from qfleet_worker.lifecycle.shutdown import limit_shutdown, outlast_termination
from qfleet_worker.machine.allocator import keep_freed_memory
from qfleet_worker.machine.kills import OutOfMemoryKills
from qfleet_worker.machine.resources import most_bytes, usable_bytes, usable_cores
from qfleet_worker.search import Search
from qfleet_worker.settings import Settings
from qfleet_worker.shards.runner import Runner
from qfleet_worker.store import Store
from qfleet_worker.transport import transport_settings

logger = logging.getLogger(__name__)


def make_app(settings: Settings, name: str) -> Any:
    """Return the Celery app of a worker.

    Args:
        settings: the worker's settings.
        name: the worker's identity, which no other worker has or ever had.
    """
    app = Celery("qfleet_worker", set_as_current=False, amqp=Messaging)
    machine = machine_id()
    pool_bytes = _pool_bytes(settings)
    memory_bytes = pool_bytes // settings.concurrency
    faster = StatevectorEngine()
    engines = Engines(all_engines(faster))
    # Before the pool forks: its processes then start with the engine loaded, if it is ready.
    background = Background(engines, faster, allowed=settings.warm)
    # The processes of the pool connect when they first need to.
    store = Store(connect(settings.broker), name, machine=machine)
    limit = MemoryLimit(memory_bytes)
    runner = Runner(
        store, engines, memory_bytes=memory_bytes, max_attempts=settings.max_attempts, limit_memory=limit.allow
    )
    # The main process retries once only: it asks again soon, and the loop that takes tasks waits meanwhile.
    client = connect(settings.broker, retries=1)
    main = Store(client, name, machine=machine)
    binder = LateBinder(
        main,
        name,
        pool_bytes=pool_bytes,
        slots=settings.concurrency,
        cores=max(1, usable_cores() // settings.workers_on_machine),
        engine=lambda: engines.engine.name,
    )
    _configure(app, settings, binder)
    publish = partial(send_shard, app)
    kills = OutOfMemoryKills()

    def was_short() -> bool:
        # Else a shard that is killed each time would never be given up.
        return kills.explain() and binder.can_give_less()

    _register_task(app, store, runner, shard_request(main, publish, binder.ended, was_short))
    presence = Presence(
        name=name,
        version=qfleet_worker.__version__,
        concurrency=settings.concurrency,
        memory_bytes=pool_bytes,
        seen=0.0,
        machine=machine,
        process_id=os.getpid(),
        cores=max(1, usable_cores() // settings.workers_on_machine),
    )
    sign = SignOfLife(main, presence, binder.drain)

    def report() -> dict[str, Any]:
        # What is noticed now can't explain a death that is later than some seconds.
        kills.look()
        return background.report() | binder.report()

    app.steps["consumer"].add(presence_step(sign, report))
    search = Search(connect(settings.broker, retries=1), name, unplaceable_seconds=settings.unplaceable_seconds)
    app.steps["consumer"].add(reconciler_step(search, publish))
    inbox = Inbox(connect(settings.broker, retries=1), partial(app.control.revoke, terminate=True, signal="SIGKILL"))
    app.steps["consumer"].add(doorkeeper_step(inbox, settings.broker.client_options["socket_timeout"]))
    app.steps["consumer"].add(PoolStep)
    app.steps["consumer"].add(abandoned_step(client))
    limit_control()
    limit_shutdown(main, sign, settings.grace_seconds)
    _prepare_processes(engines, limit)
    return app


def _pool_bytes(settings: Settings) -> int:
    """Return the bytes of memory for all shards together."""
    wanted = settings.memory_bytes or usable_bytes() // settings.workers_on_machine
    most = most_bytes()
    if wanted > most:
        has = f"this machine, container or process has {most / 2**30:.2f} GiB at most"
        logger.warning("QFLEET_MEMORY_BYTES is %.2f GiB, but %s, which count instead", wanted / 2**30, has)
    return min(wanted, most)


def _configure(app: Celery, settings: Settings, binder: LateBinder) -> None:
    """Give an app its broker, and the limits that Celery keeps.

    Args:
        app: the worker's app.
        settings: the worker's settings.
        binder: the choice of what runs next.
    """
    app.conf.update(celery_settings(settings.broker))
    app.conf.update(transport_settings(settings.broker))
    app.conf.broker_transport_options |= {"binder": binder}
    app.conf.worker_hijack_root_logger = False
    app.conf.task_time_limit = settings.time_limit_seconds or None


def _register_task(app: Celery, store: Store, runner: Runner, request: type) -> None:
    """Register the task that runs a shard.

    Args:
        app: the worker's app.
        store: the ledger, for the processes of the pool.
        runner: runs the shards.
        request: Celery's class for a task on its way through the main process.
    """

    @app.task(name=RUN_SHARD, ignore_result=True, Request=request)  # type: ignore[untyped-decorator]
    def run_shard(job_id: str, index: int, owner: str, *given: Any) -> None:
        try:
            # A message of a client of version 0.1 named the shard: this process claims it.
            shard = store.chosen(job_id, index, owner, *given) if owner else store.take(job_id, index)
            wanted = shard is not None and runner.run(shard)
        except (redis.ConnectionError, redis.TimeoutError) as exc:
            # Another attempt follows. Any other error would occur again.
            raise Reject(str(exc), requeue=True) from exc
        except MemoryError as exc:
            # Celery would end the whole worker.
            raise Reject("out of memory", requeue=True) from exc
        if not wanted:
            raise Ignore


def _prepare_processes(engines: Engines, limit: MemoryLimit) -> None:
    """Have each process of the pool limit its memory when it begins.

    Args:
        engines: the worker's engines; a faster one that is loaded later needs its own memory.
        limit: the limit of a process's memory.
    """

    @worker_process_init.connect(weak=False)  # type: ignore[untyped-decorator]
    def begin_process(**_: Any) -> None:
        outlast_termination()
        limit.begin()
        engines.on_load = limit.begin
        keep_freed_memory()
