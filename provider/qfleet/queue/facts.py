# SPDX-License-Identifier: Apache-2.0
"""What can a client see of a fleet's health? Read only; `qfleet.doctor` says what it means."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, Final, TypeVar

import redis

from qfleet.queue.connection import Connection
from qfleet.wire import keys
from qfleet.wire.keys import JobField
from qfleet.wire.lua import UNPUBLISHED_SECONDS
from qfleet.wire.presence import Presence

#: Keys that one step of the search for orphans looks at.
_SCANNED_AT_ONCE: Final = 1000

_Answer = TypeVar("_Answer")


@dataclass(frozen=True, slots=True)
class Facts:
    """What was seen. ``None`` stands for what this Redis doesn't let a client see."""

    #: the version of Redis, or the one that Valkey is compatible with
    redis_version: str | None
    #: the version of Valkey, if that is what it is
    valkey_version: str | None
    maxmemory_policy: str | None
    #: whether the append-only file is on
    append_only: bool | None
    #: whether a local fleet keeps its jobs in memory on purpose
    in_memory: bool
    #: Redis's setting ``save``; empty if there are no snapshots
    save: str | None
    #: whether Redis could write to its disk when it tried last
    writes_succeed: bool | None
    #: this machine's clock less that of Redis, in seconds
    clock_ahead_seconds: float
    client_version: str
    #: those that are up
    workers: tuple[Presence, ...]
    #: names of those that stopped to show themselves, and didn't leave
    silent_workers: tuple[str, ...]
    #: messages on the queue
    messages: int
    #: shards that nobody has taken, of jobs whose messages must all be there
    waiting_shards: int
    #: ids of jobs that are listed as active, and aren't there
    gone_jobs: tuple[str, ...]
    #: keys of jobs that aren't there
    orphan_keys: tuple[str, ...]


def gather_facts(connection: Connection) -> Facts:
    """Look at a fleet. Raises `qfleet.errors.BrokerError` if Redis can't be used."""
    with connection.ledger() as ledger:
        # So that what can't be seen below is what isn't allowed, and not what is out of reach.
        ledger.ping()
        client: Any = connection.client
        server = _if_allowed(lambda: client.info("server")) or {}
        memory = _if_allowed(lambda: client.info("memory")) or {}
        disk = _if_allowed(lambda: client.info("persistence")) or {}
        settings = _if_allowed(lambda: client.config_get("save", "maxmemory-policy", "appendonly")) or {}
        before = time.time()
        seconds, microseconds = client.time()
        now = seconds + microseconds * 1e-6
        clock_ahead = (before + time.time()) / 2 - now
        workers = tuple(ledger.workers())
        known = {raw.decode() for raw in client.hkeys(keys.WORKERS)}
        waiting, gone = _active_jobs(client, now)
        return Facts(
            redis_version=server.get("redis_version"),
            valkey_version=server.get("valkey_version"),
            maxmemory_policy=settings.get("maxmemory-policy") or memory.get("maxmemory_policy"),
            append_only=_is_on(settings.get("appendonly"), disk.get("aof_enabled")),
            in_memory=bool(client.exists(keys.IN_MEMORY)),
            save=settings.get("save"),
            writes_succeed=_writes_succeed(disk),
            clock_ahead_seconds=clock_ahead,
            client_version=version("qfleet"),
            workers=workers,
            silent_workers=tuple(sorted(known - {worker.name for worker in workers})),
            messages=client.llen(f"{keys.PREFIX}{keys.QUEUE}"),
            waiting_shards=waiting,
            gone_jobs=gone,
            orphan_keys=_orphans(client),
        )


def _if_allowed(read: Callable[[], _Answer]) -> _Answer | None:
    try:
        return read()
    except (redis.ResponseError, redis.exceptions.NoPermissionError):
        return None


def _is_on(setting: str | None, enabled: int | None) -> bool | None:
    if setting is not None:
        return setting == "yes"
    return None if enabled is None else bool(enabled)


def _writes_succeed(disk: dict[str, Any]) -> bool | None:
    states = [disk[name] for name in ("rdb_last_bgsave_status", "aof_last_write_status") if name in disk]
    return all(state == "ok" for state in states) if states else None


def _active_jobs(client: Any, now: float) -> tuple[int, tuple[str, ...]]:
    """How many shards of active jobs wait to be taken, and the active jobs that aren't there."""
    ids = [raw.decode() for raw in client.zrange(keys.ACTIVE, 0, -1)]
    fields = (JobField.CREATED, JobField.PUBLISHED, JobField.count("PENDING"))
    with client.pipeline(transaction=False) as pipe:
        for job_id in ids:
            pipe.hmget(keys.job(job_id), fields)
        answers = pipe.execute()
    waiting, gone = 0, []
    for job_id, (created, published, pending) in zip(ids, answers, strict=True):
        if created is None:
            gone.append(job_id)
        elif published or now - float(created) > UNPUBLISHED_SECONDS:
            waiting += int(pending or 0)
    return waiting, tuple(gone)


def _orphans(client: Any) -> tuple[str, ...]:
    of_jobs: dict[str, list[str]] = {}
    for raw in client.scan_iter(match=f"{keys.PREFIX}*", count=_SCANNED_AT_ONCE):
        key = raw.decode(errors="replace")
        job_id = keys.job_of(key)
        if job_id is not None:
            of_jobs.setdefault(job_id, []).append(key)
    # Asked after the scan: whatever belongs to a job was stored with its ledger, or later.
    there = _each(client, of_jobs, lambda pipe, job_id: pipe.hexists(keys.job(job_id), JobField.CREATED))
    lost = [key for job_id, found in of_jobs.items() if not there[job_id] for key in found]
    # Those of a job that was deleted meanwhile are no more.
    left = _each(client, lost, lambda pipe, key: pipe.exists(key))
    return tuple(sorted(key for key in lost if left[key]))


def _each(client: Any, names: Iterable[str], ask: Callable[[Any, str], object]) -> dict[str, Any]:
    names = list(names)
    answers: list[Any] = []
    for start in range(0, len(names), _SCANNED_AT_ONCE):
        with client.pipeline(transaction=False) as pipe:
            for name in names[start : start + _SCANNED_AT_ONCE]:
                ask(pipe, name)
            answers += pipe.execute()
    return dict(zip(names, answers, strict=True))
