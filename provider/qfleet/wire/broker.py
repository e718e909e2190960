# SPDX-License-Identifier: Apache-2.0
"""What a Redis url means to redis-py and to Celery, and the Celery settings that both sides share.

Pure: nothing here connects. Accepted urls::

    redis://[[user]:password@]host[:port][/db]
    rediss://...                      the same over TLS (?ssl_ca_certs=FILE, ?ssl_check_hostname=false ...)
    redis+socket:///path[?db=N]       a unix socket; unix:///path is the same
    sentinel://[:password@]host[:port][,host[:port]...][/db]?master_name=NAME
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from qfleet.wire import keys
from qfleet.wire.shard import RUN_SHARD

#: Seconds until a server that doesn't answer counts as unreachable; every connection is tried at most twice.
CONNECT_TIMEOUT_SECONDS: Final = 2.0
#: Seconds until an answer that was begun counts as lost.
READ_TIMEOUT_SECONDS: Final = 30.0

_LOGIN_HINT: Final = "; in a user name or password write / as %2F, ? as %3F and # as %23"
_TLS_OPTIONS: Final = frozenset(
    {
        "ssl_ca_certs",
        "ssl_ca_data",
        "ssl_ca_path",
        "ssl_cert_reqs",
        "ssl_certfile",
        "ssl_check_hostname",
        "ssl_ciphers",
        "ssl_keyfile",
        "ssl_password",
    }
)
_TLS_VALUES: Final = {"ssl_cert_reqs": ("required", "optional", "none"), "ssl_check_hostname": ("true", "false")}
_SCHEMES: Final = ("redis", "rediss", "redis+socket", "unix", "sentinel")


class BrokerUrlError(ValueError):
    """The url names no Redis that can be used; the text holds it without its password."""


def redact(url: str) -> str:
    """The url with its password replaced by ``***``."""
    scheme, separator, rest = url.partition("://")
    if not separator:
        scheme, rest = "", url
    userinfo, at, tail = rest.rpartition("@")
    user, colon, _ = userinfo.partition(":")
    return f"{scheme}{separator}{user}{':***' if colon else ''}{at}{tail}"


@dataclass(frozen=True, slots=True)
class Broker:
    """A Redis, as its url names it."""

    #: the url as it was given
    url: str = field(repr=False)
    #: one (host, port) of each Sentinel; empty without Sentinel
    sentinels: tuple[tuple[str, int], ...]
    #: the name under which the Sentinels know the master
    master_name: str
    #: keyword arguments for ``redis.Redis``, or for the master that a Sentinel finds
    client_options: Mapping[str, Any] = field(repr=False)
    #: Celery's ``broker_url`` and ``result_backend``
    celery_url: str = field(repr=False)

    def __str__(self) -> str:
        return redact(self.url)


def parse_broker(url: str) -> Broker:
    """The Redis that an url names. Raises `BrokerUrlError`."""
    try:
        parts = urlsplit(url)
        hosts = _hosts(parts.netloc.rpartition("@")[2]) if parts.scheme == "sentinel" else []
        port = None if hosts else parts.port
    except ValueError as exc:
        # Python's text may hold a piece of the password.
        raise BrokerUrlError(f"not a Redis url: {redact(url)}{_LOGIN_HINT if '@' in url else f' ({exc})'}") from None
    if parts.scheme not in _SCHEMES:
        raise BrokerUrlError(
            f"not a Redis url: {redact(url)!r}; it begins with one of " + ", ".join(f"{s}://" for s in _SCHEMES)
        )
    if parts.scheme in ("redis", "rediss", "sentinel") and "@" in parts.path + parts.query + parts.fragment:
        raise BrokerUrlError(f"not a Redis url: {redact(url)}{_LOGIN_HINT}")
    query = dict(parse_qsl(parts.query))
    options: dict[str, Any] = {
        "socket_connect_timeout": CONNECT_TIMEOUT_SECONDS,
        "socket_timeout": READ_TIMEOUT_SECONDS,
        "health_check_interval": 10,
    }
    userinfo = parts.netloc.rpartition("@")[0]
    user, _, password = (unquote(part) for part in userinfo.partition(":"))
    if user:
        options["username"] = user
    if password:
        options["password"] = password

    if parts.scheme in ("redis+socket", "unix"):
        if not parts.path.strip("/"):
            raise BrokerUrlError(f"no socket path in {redact(url)}; write it as redis+socket:///path/to/socket")
        options |= {"unix_socket_path": unquote(parts.path), "db": _database(query.get("db", "0"), url)}
        login = f"{userinfo}@" if userinfo else ""
        celery_url = f"redis+socket://{login}{parts.path}?virtual_host={options['db']}"
        return Broker(url, (), "", options, celery_url)

    options |= {"db": _database(parts.path.strip("/") or "0", url), "socket_keepalive": True}
    if parts.scheme == "sentinel":
        master = query.get("master_name", "")
        if not master:
            raise BrokerUrlError(f"no master in {redact(url)}; add ?master_name=NAME, the name in sentinel.conf")
        login = f"{userinfo}@" if userinfo else ""
        celery_url = ";".join(f"sentinel://{login}{host}:{port}/{options['db']}" for host, port in hosts)
        return Broker(url, tuple(hosts), master, options, celery_url)

    if not parts.hostname:
        raise BrokerUrlError(f"no host in {redact(url)}; for example redis://localhost:6379/0")
    options |= {"host": parts.hostname, "port": port or 6379}
    if parts.scheme == "rediss":
        options |= {"ssl": True, **_tls_options(query, url)}
        # Celery demands that this be written out; "required" is redis-py's own default.
        query.setdefault("ssl_cert_reqs", "required")
    celery_url = f"{parts.scheme}://{parts.netloc}/{options['db']}" + (f"?{urlencode(query)}" if query else "")
    return Broker(url, (), "", options, celery_url)


def celery_settings(broker: Broker) -> dict[str, Any]:
    """Celery's settings for a client or a worker of this broker."""
    # A unix socket has no such option, and redis-py refuses it there.
    keepalive = "unix_socket_path" not in broker.client_options
    transport: dict[str, Any] = {
        "global_keyprefix": keys.PREFIX,
        # The ledger says what is left to run, and the reconciler finds what has lost its message. kombu's own list of
        # messages that aren't acknowledged would lose some, and hand out others twice.
        "ack_emulation": False,
        "socket_timeout": READ_TIMEOUT_SECONDS,
        "socket_connect_timeout": CONNECT_TIMEOUT_SECONDS,
        "socket_keepalive": keepalive,
        "health_check_interval": 10,
    }
    results: dict[str, Any] = {"global_keyprefix": keys.PREFIX}
    tls: dict[str, Any] = {}
    result_url = broker.celery_url
    if "ssl_check_hostname" in broker.client_options:
        # Celery's result backend takes "false" in an url for true.
        address, _, query = broker.celery_url.partition("?")
        kept = [(name, value) for name, value in parse_qsl(query) if name != "ssl_check_hostname"]
        result_url = f"{address}?{urlencode(kept)}"
        tls["redis_backend_use_ssl"] = {"ssl_check_hostname": broker.client_options["ssl_check_hostname"]}
    if broker.sentinels:
        transport["master_name"] = results["master_name"] = broker.master_name
    return {
        "broker_url": broker.celery_url,
        "result_backend": result_url,
        **tls,
        "broker_transport_options": transport,
        "result_backend_transport_options": results,
        "task_default_queue": keys.QUEUE,
        "task_create_missing_queues": True,
        "task_serializer": "json",
        "result_serializer": "json",
        "accept_content": ["json"],
        "task_ignore_result": True,  # our scripts are the only writers of a task's record
        "task_acks_late": True,
        "task_reject_on_worker_lost": True,  # the gate bounds how often
        "task_track_started": False,
        "worker_prefetch_multiplier": 1,
        "worker_cancel_long_running_tasks_on_connection_loss": False,
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        # A full Redis refuses what a worker writes when it connects: it tries again, rather than end.
        "broker_channel_error_retry": True,
        "result_backend_always_retry": True,
        "result_backend_max_sleep_between_retries_ms": 2000,
        "redis_socket_timeout": READ_TIMEOUT_SECONDS,
        "redis_socket_connect_timeout": CONNECT_TIMEOUT_SECONDS,
        "redis_socket_keepalive": keepalive,
        "redis_backend_health_check_interval": 10,
        "worker_enable_remote_control": True,
        "worker_send_task_events": False,
        "task_send_sent_event": False,
        "task_routes": {RUN_SHARD: {"queue": keys.QUEUE}},
    }


def _tls_options(query: dict[str, str], url: str) -> dict[str, Any]:
    """What an url says of TLS, as redis-py takes it."""
    options: dict[str, Any] = {name: value for name, value in query.items() if name.startswith("ssl_")}
    unknown = sorted(options.keys() - _TLS_OPTIONS)
    if unknown:
        raise BrokerUrlError(f"{unknown[0]} in {redact(url)} isn't known; there are {', '.join(sorted(_TLS_OPTIONS))}")
    for name, allowed in (
        ("ssl_check_hostname", ("true", "false")),
        ("ssl_cert_reqs", ("required", "optional", "none")),
    ):
        if name in options and options[name] not in allowed:
            raise BrokerUrlError(f"{name}={options[name]} in {redact(url)}: one of {', '.join(allowed)} is needed")
    if "ssl_check_hostname" in options:
        options["ssl_check_hostname"] = options["ssl_check_hostname"] == "true"
    return options


def _hosts(netloc: str) -> list[tuple[str, int]]:
    hosts = []
    for part in netloc.split(","):
        host, colon, port = part.rpartition(":")
        hosts.append((host, int(port)) if colon else (port, 26379))
    if not all(host for host, _ in hosts):
        raise ValueError("an empty host name")
    return hosts


def _database(text: str, url: str) -> int:
    if not text.isdecimal():
        raise BrokerUrlError(f"{text!r} is no database number in {redact(url)}; write a whole number, such as 0")
    return int(text)


__all__ = [
    "CONNECT_TIMEOUT_SECONDS",
    "READ_TIMEOUT_SECONDS",
    "Broker",
    "BrokerUrlError",
    "celery_settings",
    "parse_broker",
    "redact",
]
