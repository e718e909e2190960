# SPDX-License-Identifier: Apache-2.0
"""What can a client see of a fleet's health? Read only; `qfleet.health.diagnosis` says what it means."""

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

#: Keys that one step of the search for orphans looks at.
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
    #: what Redis doesn't let this client do that it needs to, each with the ACL rule that is missing
    missing_rights: tuple[str, ...]
    #: those that are up
    workers: tuple[Presence, ...]
    #: names of those that stopped to show themselves, and didn't leave
    silent_workers: tuple[str, ...]
    #: names under which something stands that no worker wrote; bytes that can't be shown are escaped
    damaged_workers: tuple[str, ...]
    #: messages on the queue
    messages: int
    #: shards that nobody has taken, of jobs whose messages must all be there
    waiting_shards: int
    #: ids of jobs that are listed as active, and aren't there
    gone_jobs: tuple[str, ...]
    #: ids of jobs that can't be read
    damaged_jobs: tuple[str, ...]
    #: keys of the whole fleet that hold something else than they should: their name, and the type they should have
    damaged_keys: tuple[str, ...]
    #: keys of jobs that aren't there
    orphan_keys: tuple[str, ...]


def shown(name: bytes) -> str:
    """Return a name in Redis as text; as an escaped one, if it isn't UTF-8 or can't be printed."""
    try:
        text = name.decode()
    except UnicodeDecodeError:
        text = ""
    return text if text.isprintable() and (text or not name) else repr(name)[2:-1]


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
    """Return the keys of the whole fleet whose type isn't the one that they should have."""
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
    """Return how many shards of active jobs wait to be taken, the active jobs that aren't there, and damaged ones."""
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
        # Each byte as a character: a key may be any bytes.
        job_id = keys.job_of(raw.decode("latin-1"))
        if job_id is not None:
            of_jobs.setdefault(job_id.encode("latin-1"), []).append(raw)
    # Asked after the scan: whatever belongs to a job was stored with its ledger, or later.
    there = _each(client, of_jobs, lambda pipe, job_id: pipe.hexists(_LEDGER + job_id, JobField.CREATED))
    # A ledger that isn't a hash belongs to a damaged job.
    lost = [key for job_id, found in of_jobs.items() if there[job_id] == 0 for key in found]
    # Those of a job that was deleted meanwhile are no more.
    left = _each(client, lost, lambda pipe, key: pipe.exists(key))
    return tuple(sorted(shown(key) for key in lost if left[key]))


def _each(client: Any, names: Iterable[bytes], ask: Callable[[Any, bytes], object]) -> dict[bytes, Any]:
    """Ask the same for each name. Where Redis refuses, the answer is its error."""
    names = list(names)
    answers: list[Any] = []
    for start in range(0, len(names), _SCANNED_AT_ONCE):
        with client.pipeline(transaction=False) as pipe:
            for name in names[start : start + _SCANNED_AT_ONCE]:
                ask(pipe, name)
            answers += pipe.execute(raise_on_error=False)
    return dict(zip(names, answers, strict=True))
