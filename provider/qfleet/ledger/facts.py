# SPDX-License-Identifier: Apache-2.0
"""Facts about a fleet's health that a client can read.

`qfleet.health.diagnosis` interprets them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, Final, TypeVar

import redis

from qfleet.ledger.connection import Connection
from qfleet.wire.lua import UNPUBLISHED_SECONDS
from qfleet.wire.messages.presence import Presence
from qfleet.wire.redis import keys
from qfleet.wire.redis.keys import JobField
from qfleet.wire.redis.preflight import missing_rights

#: The number of keys in one step of the search for orphans.
_SCANNED_AT_ONCE: Final = 1000
_LEDGER: Final = keys.job("").encode()
_QUEUE: Final = f"{keys.PREFIX}{keys.QUEUE}"

#: The keys of the whole fleet that more than one command reads, by their type: a cheap read of each.
_TYPED: Final[dict[str, tuple[str, Callable[[Any, str], object]]]] = {
    keys.JOBS: ("sorted set", lambda client, key: client.zscore(key, "")),
    keys.IDS: ("sorted set", lambda client, key: client.zscore(key, "")),
    keys.ACTIVE: ("sorted set", lambda client, key: client.zscore(key, "")),
    keys.WORKERS: ("hash", lambda client, key: client.hget(key, "")),
    _QUEUE: ("list", lambda client, key: client.llen(key)),
}

_Answer = TypeVar("_Answer")


@dataclass(frozen=True, slots=True)
class Facts:
    """The facts about a fleet.

    ``None`` is a fact that this Redis doesn't allow a client to read.
    """

    #: the version of Redis, or the version of Redis that Valkey is compatible with
    redis_version: str | None
    #: the version of Valkey; ``None`` for Redis
    valkey_version: str | None
    maxmemory_policy: str | None
    #: True if the append-only file is on
    append_only: bool | None
    #: True if a local fleet keeps its jobs in memory on purpose
    in_memory: bool
    #: Redis's setting ``save``; empty if there are no snapshots
    save: str | None
    #: True if the last write of Redis to its disk succeeded
    writes_succeed: bool | None
    #: the time of this machine minus the time of Redis, in seconds
    clock_ahead_seconds: float
    client_version: str
    #: the rights that this client needs and lacks, each with the missing ACL rule
    missing_rights: tuple[str, ...]
    #: the workers that are up
    workers: tuple[Presence, ...]
    #: names of workers that disappeared without signing off
    silent_workers: tuple[str, ...]
    #: names of unreadable records of workers; unprintable bytes are escaped
    damaged_workers: tuple[str, ...]
    #: the number of messages on the queue
    messages: int
    #: the number of waiting shards that must have a message on the queue
    waiting_shards: int
    #: ids of jobs in the list of active ones that don't exist
    gone_jobs: tuple[str, ...]
    #: ids of jobs that can't be read
    damaged_jobs: tuple[str, ...]
    #: keys of the whole fleet with a wrong type: the name and the right type
    damaged_keys: tuple[str, ...]
    #: keys of jobs that don't exist
    orphan_keys: tuple[str, ...]


def shown(name: bytes) -> str:
    """Return a name in Redis as text.

    It is escaped if it isn't UTF-8 or can't be printed.
    """
    try:
        text = name.decode()
    except UnicodeDecodeError:
        text = ""
    return text if text.isprintable() and (text or not name) else repr(name)[2:-1]


def gather_facts(connection: Connection) -> Facts:
    """Gather the facts about a fleet.

    Raises:
        BrokerError: Redis can't be used.
    """
    with connection.ledger() as ledger:
        # So that later refusals mean missing rights and not an unreachable Redis.
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
        wrong = _of_wrong_type(client)
        workers = () if keys.WORKERS in wrong else tuple(ledger.workers())
        records = {} if keys.WORKERS in wrong else ledger.worker_records()
        readable = {shown(name) for name, record in records.items() if record is not None}
        waiting, gone, damaged = _active_jobs(client, now) if keys.ACTIVE not in wrong else (0, (), [])
        if keys.JOBS not in wrong:
            for _ in ledger.jobs(damaged=damaged):
                pass
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
            missing_rights=tuple(map(str, missing_rights(client, "client", connection.broker.client_options["db"]))),
            workers=workers,
            silent_workers=tuple(sorted(readable - {worker.name for worker in workers})),
            damaged_workers=tuple(sorted(shown(name) for name, record in records.items() if record is None)),
            messages=0 if _QUEUE in wrong else client.llen(_QUEUE),
            waiting_shards=waiting,
            gone_jobs=gone,
            damaged_jobs=tuple(sorted(set(damaged))),
            damaged_keys=tuple(f"{key} (a {_TYPED[key][0]})" for key in wrong),
            orphan_keys=_orphans(client),
        )


def _of_wrong_type(client: Any) -> list[str]:
    """Return the keys of the whole fleet with a wrong type."""
    wrong = []
    for key, (_, read) in _TYPED.items():
        try:
            read(client, key)
        except redis.ResponseError as exc:
            if not str(exc).startswith("WRONGTYPE"):
                raise
            wrong.append(key)
    return wrong


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


def _active_jobs(client: Any, now: float) -> tuple[int, tuple[str, ...], list[str]]:
    """Return the facts about the list of active jobs.

    Args:
        client: the client.
        now: the time by Redis's clock, in seconds since the epoch.

    Returns:
        The number of waiting shards, the active jobs that don't exist, and the damaged ones.
    """
    ids = client.zrange(keys.ACTIVE, 0, -1)
    fields = (JobField.CREATED, JobField.PUBLISHED, JobField.count("PENDING"))
    answers = _each(client, ids, lambda pipe, job_id: pipe.hmget(_LEDGER + job_id, fields))
    waiting, gone, damaged = 0, list[str](), list[str]()
    for job_id, answer in answers.items():
        try:
            if isinstance(answer, redis.ResponseError):
                raise answer
            created, published, pending = answer
            if created is None:
                gone.append(shown(job_id))
            elif published or now - float(created) > UNPUBLISHED_SECONDS:
                waiting += int(pending or 0)
        except (ValueError, redis.ResponseError):
            damaged.append(shown(job_id))
    return waiting, tuple(gone), damaged


def _orphans(client: Any) -> tuple[str, ...]:
    of_jobs: dict[bytes, list[bytes]] = {}
    for raw in client.scan_iter(match=f"{keys.PREFIX}*", count=_SCANNED_AT_ONCE):
        # Each byte as a character, since a key may have any bytes.
        job_id = keys.job_of(raw.decode("latin-1"))
        if job_id is not None:
            of_jobs.setdefault(job_id.encode("latin-1"), []).append(raw)
    # Read after the scan: the keys of a job are stored together with its ledger or later.
    there = _each(client, of_jobs, lambda pipe, job_id: pipe.hexists(_LEDGER + job_id, JobField.CREATED))
    # A ledger that isn't a hash belongs to a damaged job.
    lost = [key for job_id, own in of_jobs.items() if there[job_id] == 0 for key in own]
    # The keys of a job that was deleted in the meantime are gone.
    left = _each(client, lost, lambda pipe, key: pipe.exists(key))
    return tuple(sorted(shown(key) for key in lost if left[key]))


def _each(client: Any, names: Iterable[bytes], ask: Callable[[Any, bytes], object]) -> dict[bytes, Any]:
    """Return the answers to a question for each name.

    Args:
        client: the client.
        names: the names.
        ask: adds the question about a name to a pipeline.

    Returns:
        The answers by name; the error where Redis refuses one.
    """
    names = list(names)
    answers: list[Any] = []
    for start in range(0, len(names), _SCANNED_AT_ONCE):
        with client.pipeline(transaction=False) as pipe:
            for name in names[start : start + _SCANNED_AT_ONCE]:
                ask(pipe, name)
            answers += pipe.execute(raise_on_error=False)
    return dict(zip(names, answers, strict=True))
