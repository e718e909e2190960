# SPDX-License-Identifier: Apache-2.0
"""The rights that a client or a worker needs.

The check of them changes nothing: the commands are sent inside a transaction that is never executed, and Redis checks
the user's rights as it queues them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from qfleet.wire.redis import keys
from qfleet.wire.redis.acl import rule_of
from qfleet.wire.redis.references import reference

#: The oldest Redis that runs the scripts: major and minor version.
OLDEST_REDIS: Final = (6, 2)

Role = Literal["client", "worker", "tenant"]
Command = tuple[str, ...]

#: The id of a job that never exists.
_JOB: Final = keys.job("preflight")
_CHANNEL: Final = keys.events("preflight")
_OWN_CHANNEL: Final = keys.client("preflight", "0")
_JOBS: Final = keys.jobs("preflight")
_QUEUE: Final = f"{keys.PREFIX}{keys.QUEUE}"
#: kombu's key for the queues that are bound to an exchange.
_BINDING: Final = f"{keys.PREFIX}_kombu.binding.preflight"

#: The commands that scripts send too, with harmless arguments.
_BY_BOTH: Final[tuple[Command, ...]] = (
    ("TIME",),
    ("PING",),
    ("EVAL", "return 1", "1", _JOB),
    ("EVALSHA", 40 * "0", "1", _JOB),
    ("SCRIPT", "LOAD", "return 1"),
    ("SCRIPT", "EXISTS", 40 * "0"),
    ("DEL", _JOB),
    ("EXISTS", _JOB),
    ("EXPIRE", _JOB, "1"),
    ("PERSIST", _JOB),
    ("GET", _JOB),
    ("HDEL", _JOB, ""),
    ("HEXISTS", _JOB, ""),
    ("HGET", _JOB, ""),
    ("HGETALL", keys.WORKERS),
    ("HINCRBY", _JOB, "", "1"),
    ("HINCRBYFLOAT", _JOB, "", "1"),
    ("HKEYS", keys.WORKERS),
    ("HLEN", _JOB),
    ("HMGET", _JOB, ""),
    ("HSET", _JOB, "", ""),
    ("HSETNX", _JOB, "", ""),
    ("HSTRLEN", keys.WORKERS, ""),
    ("LLEN", _QUEUE),
    ("MEMORY", "USAGE", _JOB),
    ("LPUSH", _QUEUE, ""),
    ("SADD", _BINDING, ""),
    ("SET", _JOB, ""),
    ("SMEMBERS", _BINDING),
    ("SREM", _BINDING, ""),
    ("UNLINK", _JOB),
    ("ZADD", keys.UNFINISHED, "0", ""),
    ("ZRANGE", keys.UNFINISHED, "0", "0"),
    ("ZRANGEBYSCORE", _JOBS, "0", "0"),
    ("ZREM", keys.UNFINISHED, ""),
    ("ZREVRANGE", keys.ACTIVE, "0", "0"),
    ("ZSCORE", _JOBS, ""),
    ("PUBLISH", _CHANNEL, ""),
    ("PUBLISH", _OWN_CHANNEL, ""),
)
_BY_CLIENT: Final[tuple[Command, ...]] = (
    ("HVALS", keys.WORKERS),
    ("SCAN", "0"),
    ("ZCARD", _JOBS),
    ("ZCOUNT", _JOBS, "0", "0"),
    ("ZRANGEBYLEX", keys.ids("preflight"), "-", "+", "LIMIT", "0", "1"),
    ("ZRANK", _JOBS, ""),
    ("ZREVRANK", _JOBS, ""),
    ("SUBSCRIBE", _CHANNEL, _OWN_CHANNEL),
)
_BY_WORKER: Final[tuple[Command, ...]] = (
    ("BRPOP", _QUEUE, "1"),
    ("RPOP", _QUEUE),
    ("RPUSH", _QUEUE, ""),
    ("LTRIM", _QUEUE, "0", "0"),
    ("HRANDFIELD", keys.VT, "1"),
    ("PEXPIRE", _JOB, "1"),
    ("SRANDMEMBER", keys.CANCELLING, "1"),
    ("SISMEMBER", keys.DRAINING, ""),
    ("SCARD", keys.INBOXES),
    ("LRANGE", _QUEUE, "0", "0"),
    ("LREM", _QUEUE, "1", ""),
    ("RENAME", _JOB, _JOB),
    ("TYPE", _JOB),
    ("HLEN", _JOB),
)
_UNSUITED: Final = {
    "cluster": "it runs in cluster mode, which qfleet doesn't support; use a Redis without cluster mode, or Sentinel",
    "sentinel": "it is a Sentinel, which holds no jobs; write sentinel://HOST:PORT/0?master_name=NAME",
}


@dataclass(frozen=True, slots=True)
class Missing:
    """A right that a Redis user lacks."""

    #: a command, keys, or a channel
    what: str
    #: the ACL rule that grants it
    rule: str

    def __str__(self) -> str:
        return f"{self.what} (add {self.rule})"


def control_channel(database: int) -> str:
    """Return the channel on which workers are told to drop tasks."""
    return f"{keys.PREFIX}/{database}.celery.pidbox"


def why_unsuited(hello: object) -> str:
    """Return the reason why a server can't hold jobs.

    Args:
        hello: its answer to HELLO.

    Returns:
        The reason; empty if the server can hold jobs, or doesn't tell.
    """
    if isinstance(hello, (list, tuple)):  # RESP2 has no maps
        hello = dict(zip(hello[::2], hello[1::2], strict=False))
    mode = (hello.get(b"mode") or hello.get("mode") or b"") if isinstance(hello, dict) else b""
    return _UNSUITED.get(mode.decode() if isinstance(mode, bytes) else str(mode), "")


def commands_of(role: Role, tenant: str = "") -> tuple[Command, ...]:
    """Return the commands that a role needs, with harmless arguments.

    Args:
        role: the role.
        tenant: the tenant, for the role ``tenant``.
    """
    if role == "tenant":
        return _by_tenant(tenant)
    return _BY_BOTH + (_BY_CLIENT if role == "client" else _BY_WORKER)


def _by_tenant(tenant: str) -> tuple[Command, ...]:
    job = reference(tenant, "preflight")
    ledger, incoming = keys.job(job), keys.incoming(job)
    return (
        ("TIME",),
        ("PING",),
        ("EXISTS", ledger),
        ("HEXISTS", ledger, ""),
        ("HGET", ledger, ""),
        ("HMGET", ledger, ""),
        ("HMGET", incoming, ""),
        ("HSET", incoming, "", ""),
        ("UNLINK", incoming),
        ("LPUSH", keys.inbox(tenant), ""),
        ("BLPOP", keys.answer(tenant, "preflight"), "1"),
        ("ZSCORE", keys.jobs(tenant), ""),
        ("ZRANGEBYSCORE", keys.jobs(tenant), "0", "0"),
        ("ZREVRANGEBYSCORE", keys.jobs(tenant), "0", "0"),
        ("ZRANGEBYLEX", keys.ids(tenant), "-", "+"),
        ("SADD", keys.INBOXES, ""),
        ("LPUSH", keys.BELL, ""),
        ("HVALS", keys.WORKERS),
        ("SUBSCRIBE", keys.events(job)),
    )


def missing_rights(client: Any, role: Role, database: int, tenant: str = "") -> list[Missing]:
    """Return the rights that this user lacks. Raises redis-py's errors.

    Args:
        client: a ``redis.Redis``.
        role: the role that the user has.
        database: its number, which is part of the workers' channel's name.
        tenant: the tenant, for the role ``tenant``.
    """
    commands = commands_of(role, tenant)
    control: dict[Role, Command] = {
        "client": ("PUBLISH", control_channel(database), ""),
        "worker": ("SUBSCRIBE", control_channel(database)),
    }
    if role in control:
        commands += (control[role],)
    found: dict[str, Missing] = {}
    for command, answer in _asked(client, [("MULTI",)], commands):
        missing = missing_right(command, answer)
        if missing is not None and role == "tenant" and not missing.rule.startswith("+"):
            is_channel = missing.rule.startswith("&")
            rule = f"&{keys.home(tenant)}*" if is_channel else rule_of(command[1], tenant)
            missing = Missing(f"the {'channel' if is_channel else 'key'} {command[1]}", rule)
        if missing is not None:
            found.setdefault(missing.rule, missing)
    return list(found.values())


def problems(client: Any, role: Role, database: int) -> list[str]:
    """Return the reasons why this user can't use a Redis.

    Args:
        client: a ``redis.Redis``.
        role: ``client`` or ``worker``.
        database: the number of the database.

    Returns:
        One line for each; empty if it can be used.

    Raises:
        redis.RedisError: Redis doesn't answer.
    """
    ((_, hello),) = _asked(client, [("HELLO",)])
    unsuited = why_unsuited(hello)
    if unsuited:
        return [unsuited]
    missing = missing_rights(client, role, database)
    return [f"its user may not use {', '.join(map(str, missing))}"] if missing else []


def _asked(client: Any, *rounds: Sequence[Command]) -> list[tuple[Command, object]]:
    """Return commands with their answers, or errors.

    The commands of a round are sent together. No round follows one with a refusal. The connection is closed afterwards.
    """
    connection = client.connection_pool.get_connection()
    answers: list[tuple[Command, object]] = []
    try:
        for commands in rounds:
            for command in commands:
                connection.send_command(*command, check_health=False)
            answers += [(command, _answer(connection)) for command in commands]
            if any(isinstance(answer, Exception) for _, answer in answers):
                break
    finally:
        # This ends a transaction that has begun.
        connection.disconnect()
        client.connection_pool.release(connection)
    return answers


def _answer(connection: Any) -> object:
    try:
        return connection.read_response()
    except Exception as exc:  # redis-py isn't imported here
        if not connection.is_connected:
            raise
        return exc


def missing_right(command: Command, answer: object) -> Missing | None:
    """Return the missing right that makes Redis refuse a command.

    Args:
        command: the command with its arguments.
        answer: what Redis answers; its errors are exceptions.

    Returns:
        ``None`` if Redis doesn't refuse the command, or for another reason.
    """
    text = str(answer).lower()
    if not isinstance(answer, Exception) or "permission" not in text:
        return None
    name = command[0].lower()
    if "to run" not in text:
        if "channel" in text:
            return Missing(f"the channel {command[1]}", f"&{keys.PREFIX}*")
        return Missing(f"keys under {keys.PREFIX}", f"~{keys.PREFIX}*")
    shown = "|".join(command[:2]).lower() if name in ("script", "memory") else name
    return Missing(f"the command {shown.replace('|', ' ').upper()}", f"+{shown}")


__all__ = [
    "Missing",
    "Role",
    "commands_of",
    "control_channel",
    "missing_right",
    "missing_rights",
    "problems",
    "why_unsuited",
]
