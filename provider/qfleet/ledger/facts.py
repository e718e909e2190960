# SPDX-License-Identifier: Apache-2.0
"""Facts about a fleet's health that a client can read.

`qfleet.health.diagnosis` interprets them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any, Final, TypeVar

import redis

from qfleet.ledger.connection import Connection
from qfleet.ledger.ledger import Ledger
from qfleet.wire.cost.tiers import TIERS
from qfleet.wire.lua import UNPUBLISHED_SECONDS
from qfleet.wire.messages.presence import Presence
from qfleet.wire.redis import keys
from qfleet.wire.redis.fields import JobField, SchedField
from qfleet.wire.redis.preflight import missing_rights
from qfleet.wire.redis.references import id_of, is_tenant

#: The number of keys in one step of the search for orphans.
_SCANNED_AT_ONCE: Final = 1000
_QUEUE: Final = f"{keys.PREFIX}{keys.QUEUE}"
_TIERS: Final = range(TIERS)

#: The keys of the whole fleet that more than one command reads, by their type: a cheap read of each.
_Typed = tuple[str, Callable[[Any, str], object]]
_SORTED_SET: Final[_Typed] = ("sorted set", lambda client, key: client.zscore(key, ""))
_TYPED: Final[dict[str, _Typed]] = {
    **dict.fromkeys(
        (keys.UNFINISHED, keys.ACTIVE, keys.STARTED, keys.UNPLACEABLE, *map(keys.ready, _TIERS)), _SORTED_SET
    ),
    **dict.fromkeys(
        (keys.WORKERS, keys.HOLDS, keys.SCHED, keys.VT, keys.WEIGHTS, keys.USED, keys.QUOTAS, keys.QUEUED),
        ("hash", lambda client, key: client.hget(key, "")),
    ),
    **dict.fromkeys(
        (keys.CANCELLING, keys.DRAINING, keys.TENANTS, keys.INBOXES),
        ("set", lambda client, key: client.smembers(key)),
    ),
    **dict.fromkeys((_QUEUE, keys.BELL, *map(keys.tokens, _TIERS)), ("list", lambda client, key: client.llen(key))),
}

_Answer = TypeVar("_Answer")


@dataclass(frozen=True, slots=True)
class Facts:
    """The facts about a fleet.

    ``None`` is a fact that this Redis doesn't allow a client to read.
    """

    #: the tenant whose jobs alone this client may use; empty if it may use those of all tenants
    tenant: str
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
    #: the number of tokens, and of messages of clients of version 0.1
    tokens: int
    #: the number of waiting shards that must have one of these
    waiting_shards: int
    #: for each job that no worker can hold, the reason
    unplaceable_jobs: Mapping[str, str]
    #: ids of jobs in the lists of those with shards left to run that don't exist
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
        if connection.is_confined():
            return _facts_of_a_tenant(connection, ledger)
        server = _if_allowed(lambda: client.info("server")) or {}
        memory = _if_allowed(lambda: client.info("memory")) or {}
        disk = _if_allowed(lambda: client.info("persistence")) or {}
        settings = _if_allowed(lambda: client.config_get("save", "maxmemory-policy", "appendonly")) or {}
        now, clock_ahead = _clock(client)
        wrong = _of_wrong_type(client, _tenants(client))
        workers = () if {keys.WORKERS, keys.HOLDS} & wrong.keys() else tuple(ledger.workers())
        records = {} if keys.WORKERS in wrong else ledger.worker_records()
        readable = {shown(name) for name, record in records.items() if record is not None}
        unfinished = _Unfinished()
        for key in (keys.UNFINISHED, keys.ACTIVE):
            if key not in wrong:
                unfinished.read(client, key, now)
        if keys.SCHED not in wrong:
            unfinished.waiting += sum(
                int(number or 0) for number in client.hmget(keys.SCHED, [SchedField.waiting(tier) for tier in _TIERS])
            )
        damaged = unfinished.damaged
        if keys.TENANTS not in wrong and not any(key.endswith(":jobs") for key in wrong):
            for _ in ledger.jobs(damaged=damaged):
                pass
        return Facts(
            tenant="",
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
            tokens=sum(client.llen(key) for key in (_QUEUE, *map(keys.tokens, _TIERS)) if key not in wrong),
            waiting_shards=unfinished.waiting,
            unplaceable_jobs={} if keys.UNPLACEABLE in wrong else _unplaceable(client),
            gone_jobs=tuple(unfinished.gone),
            damaged_jobs=tuple(sorted(set(damaged))),
            damaged_keys=tuple(f"{key} (a {kind})" for key, kind in wrong.items()),
            orphan_keys=_orphans(client),
        )


def _facts_of_a_tenant(connection: Connection, ledger: Ledger) -> Facts:
    """Gather the facts that the user of a tenant may read.

    Args:
        connection: the connection to Redis.
        ledger: the ledger there.
    """
    client: Any = connection.client
    _, clock_ahead = _clock(client)
    rights = missing_rights(client, "tenant", connection.broker.client_options["db"], connection.tenant)
    return Facts(
        tenant=connection.tenant,
        redis_version=None,
        valkey_version=None,
        maxmemory_policy=None,
        append_only=None,
        in_memory=False,
        save=None,
        writes_succeed=None,
        clock_ahead_seconds=clock_ahead,
        client_version=version("qfleet"),
        missing_rights=tuple(map(str, rights)),
        workers=tuple(ledger.workers()),
        silent_workers=(),
        damaged_workers=(),
        tokens=0,
        waiting_shards=0,
        unplaceable_jobs={},
        gone_jobs=(),
        damaged_jobs=(),
        damaged_keys=(),
        orphan_keys=(),
    )


def _clock(client: Any) -> tuple[float, float]:
    """Return the time of Redis, and this machine's lead in seconds."""
    before = time.time()
    seconds, microseconds = client.time()
    now = seconds + microseconds * 1e-6
    return now, (before + time.time()) / 2 - now


def _of_wrong_type(client: Any, tenants: Iterable[str]) -> dict[str, str]:
    """Return the right types of keys with a wrong type.

    Args:
        client: the client.
        tenants: the tenants whose lists of jobs are looked at beside the keys of the whole fleet.
    """
    lists = [key for tenant in tenants for key in (keys.jobs(tenant), keys.ids(tenant))]
    wrong = {}
    for key, (kind, read) in (_TYPED | dict.fromkeys(lists, _SORTED_SET)).items():
        try:
            read(client, key)
        except redis.ResponseError as exc:
            if not str(exc).startswith("WRONGTYPE"):
                raise
            wrong[key] = kind
    return wrong


def _tenants(client: Any) -> list[str]:
    """Return the tenants with jobs, and the one of version 0.1."""
    try:
        found = client.smembers(keys.TENANTS)
    except redis.ResponseError as exc:
        if not str(exc).startswith("WRONGTYPE"):
            raise
        found = []
    return ["", *sorted(filter(is_tenant, (raw.decode("ascii", "replace") for raw in found)))]


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


@dataclass(slots=True)
class _Unfinished:
    """The facts about the lists of jobs with shards left to run."""

    #: shards that wait, each for a message or a token of its own
    waiting: int = 0
    gone: list[str] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)

    def read(self, client: Any, listed: str, now: float) -> None:
        """Add the facts about one list.

        Args:
            client: the client.
            listed: the key of the list.
            now: the time by Redis's clock, in seconds since the epoch.
        """
        fields = (JobField.CREATED, JobField.PUBLISHED, JobField.count("PENDING"), JobField.TIERS)
        ids = client.zrange(listed, 0, -1)
        for job_id, answer in _each(client, ids, lambda pipe, job_id: pipe.hmget(_ledger(job_id), fields)).items():
            try:
                if isinstance(answer, redis.ResponseError):
                    raise answer
                created, published, pending, tiers = answer
                if created is None:
                    self.gone.append(shown(job_id))
                elif tiers is None and (published or now - float(created) > UNPUBLISHED_SECONDS):
                    self.waiting += int(pending or 0)
            except (ValueError, redis.ResponseError):
                self.damaged.append(shown(job_id))


def _unplaceable(client: Any) -> dict[str, str]:
    """Return the reason for each job that no worker can hold."""
    ids = client.zrange(keys.UNPLACEABLE, 0, -1)
    held = _each(client, ids, lambda pipe, job_id: pipe.hget(_ledger(job_id), JobField.HELD))
    return {id_of(shown(job_id)): shown(why) for job_id, why in held.items() if isinstance(why, bytes)}


def _orphans(client: Any) -> tuple[str, ...]:
    of_jobs: dict[bytes, list[bytes]] = {}
    for raw in client.scan_iter(match=f"{keys.PREFIX}*", count=_SCANNED_AT_ONCE):
        # Each byte as a character, since a key may have any bytes.
        job_id = keys.job_of(raw.decode("latin-1"))
        if job_id is not None:
            of_jobs.setdefault(job_id.encode("latin-1"), []).append(raw)
    # Read after the scan: the keys of a job are stored together with its ledger or later.
    there = _each(client, of_jobs, lambda pipe, job_id: pipe.hexists(_ledger(job_id), JobField.CREATED))
    # A ledger that isn't a hash belongs to a damaged job.
    lost = [key for job_id, own in of_jobs.items() if there[job_id] == 0 for key in own]
    # The keys of a job that was deleted in the meantime are gone.
    left = _each(client, lost, lambda pipe, key: pipe.exists(key))
    return tuple(sorted(shown(key) for key in lost if left[key]))


def _ledger(job_id: bytes) -> bytes:
    """Return the key of a ledger; a reference may have any bytes."""
    return keys.job(job_id.decode("latin-1")).encode("latin-1")


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
