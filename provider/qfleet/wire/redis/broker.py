# SPDX-License-Identifier: Apache-2.0
"""Redis urls, for redis-py and Celery, and shared Celery settings.

Nothing here connects. Accepted urls::

    redis://[[user]:password@]host[:port][/db]
    rediss://...                      the same over TLS (?ssl_ca_certs=FILE, ?ssl_check_hostname=false ...)
    redis+socket:///path[?db=N]       a unix socket; unix:///path is the same
    sentinel://[:password@]host[:port][,host[:port]...][/db]?master_name=NAME

`qfleet.wire.redis.url_options` has the options that a url may have at its end.
"""

from __future__ import annotations

import itertools
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, NamedTuple
from urllib.parse import SplitResult, quote, unquote, urlsplit

from qfleet.wire.messages.work import RUN_SHARD
from qfleet.wire.redis import keys
from qfleet.wire.redis.url_options import parse_options, redact

#: Seconds until a server that doesn't answer counts as unreachable; every connection is tried at most twice.
CONNECT_TIMEOUT_SECONDS: Final = 2.0
#: Seconds until an answer that has begun counts as lost.
READ_TIMEOUT_SECONDS: Final = 30.0
#: Seconds after which a host that acknowledges nothing counts as cut off. The host of a slow Redis acknowledges.
SILENT_HOST_SECONDS: Final = 10

_LOGIN_HINT: Final = "; in a user name or password write / as %2F, ? as %3F, # as %23 and @ as %40"
_SCHEMES: Final = ("redis", "rediss", "redis+socket", "unix", "sentinel")


class BrokerUrlError(ValueError):
    """The url doesn't name a usable Redis.

    The text has the url without its secrets.
    """


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
    #: Celery's ``broker_url``
    celery_url: str = field(repr=False)
    #: the tenant that the url names; empty if it names none
    tenant: str = ""

    def __str__(self) -> str:
        return redact(self.url)


def parse_broker(url: object) -> Broker:
    """Return the Redis that a url names.

    Raises:
        BrokerUrlError: the url isn't text, or doesn't name a usable Redis.
    """
    if not isinstance(url, str):
        raise BrokerUrlError(f"not a Redis url but {type(url).__name__}; give text like redis://localhost:6379/0")
    address = _split(url)
    parts = address.parts
    by_socket = parts.scheme in ("redis+socket", "unix")
    if parts.fragment or "@" in parts.query or ("@" in parts.path and not by_socket):
        raise BrokerUrlError(f"not a Redis url: {redact(url)}{_LOGIN_HINT}")
    try:
        options = dict(_DEFAULTS) | _login(address.login) | _given(parts.scheme, parts.query, address.login)
    except ValueError as exc:
        raise BrokerUrlError(f"{redact(url)}: {exc}") from None
    named: Sequence[tuple[str, int | None]] = address.sentinels or [(unquote(parts.hostname or ""), address.port)]
    for reason in itertools.starmap(_unusable, named):
        if reason:
            raise BrokerUrlError(f"not a Redis url: {redact(url)}: {reason}")
    master, tenant = options.pop("master_name", ""), options.pop("tenant", "")
    if by_socket:
        broker = _at_socket(url, parts.path, options)
    else:
        if options.setdefault("socket_keepalive", True):
            options["socket_keepalive_options"] = dict(_KEEPALIVE)
        options.setdefault("db", _database(parts.path.strip("/") or "0", url))
        if parts.scheme == "sentinel":
            broker = _behind_sentinels(url, address.sentinels, master, options)
        else:
            broker = _at_host(url, address, options)
    return replace(broker, tenant=tenant)


class _Address(NamedTuple):
    """The parts of a url, unchecked."""

    parts: SplitResult
    login: str
    hosts: str
    sentinels: list[tuple[str, int]]
    port: int | None


def _split(url: str) -> _Address:
    try:
        parts = urlsplit(url)
        login, _, hosts = parts.netloc.rpartition("@")
        sentinels = _hosts(hosts) if parts.scheme == "sentinel" else []
        port = None if sentinels else parts.port
    except ValueError as exc:
        # Python's text may contain a part of the password.
        raise BrokerUrlError(f"not a Redis url: {redact(url)}{_LOGIN_HINT if '@' in url else f' ({exc})'}") from None
    if parts.scheme not in _SCHEMES:
        raise BrokerUrlError(
            f"not a Redis url: {redact(url)!r}; it begins with one of " + ", ".join(f"{s}://" for s in _SCHEMES)
        )
    return _Address(parts, login, hosts, sentinels, port)


def _at_socket(url: str, path: str, options: dict[str, Any]) -> Broker:
    if not path.strip("/"):
        raise BrokerUrlError(f"no socket path in {redact(url)}; write it as redis+socket:///path/to/socket")
    options["db"] = options.pop("virtual_host", options.get("db", 0))
    options["unix_socket_path"] = unquote(path)
    celery_url = f"redis+socket://{_login_text(options)}{path}?virtual_host={options['db']}"
    return Broker(url, (), "", options, celery_url)


def _behind_sentinels(url: str, sentinels: list[tuple[str, int]], master: str, options: dict[str, Any]) -> Broker:
    if not master:
        raise BrokerUrlError(f"no master in {redact(url)}; add ?master_name=NAME, the name in sentinel.conf")
    ways = [f"sentinel://{_login_text(options)}{host}:{port}/{options['db']}" for host, port in sentinels]
    return Broker(url, tuple(sentinels), master, options, ";".join(ways))


def _at_host(url: str, address: _Address, options: dict[str, Any]) -> Broker:
    parts = address.parts
    if not parts.hostname:
        raise BrokerUrlError(f"no host in {redact(url)}; for example redis://localhost:6379/0")
    options |= {"host": unquote(parts.hostname), "port": address.port or 6379}
    if parts.scheme == "rediss":
        options["ssl"] = True
    return Broker(url, (), "", options, f"{parts.scheme}://{_login_text(options)}{address.hosts}/{options['db']}")


def celery_settings(broker: Broker) -> dict[str, Any]:
    """Return Celery's settings for a client or a worker of this broker."""
    options = broker.client_options
    # A unix socket has no such option, and redis-py refuses it there.
    keepalive = options.get("socket_keepalive", False)
    transport: dict[str, Any] = {
        "global_keyprefix": keys.PREFIX,
        # The ledger knows the shards that are left to run, and the reconciler finds those that lost their message.
        # kombu's own list of messages that aren't acknowledged would lose some, and deliver others twice.
        "ack_emulation": False,
        "socket_timeout": options["socket_timeout"],
        "socket_connect_timeout": options["socket_connect_timeout"],
        "socket_keepalive": keepalive,
        "health_check_interval": options["health_check_interval"],
        **{name: options[name] for name in _PASSED_ON if name in options},
    }
    # Not in the url: Celery takes "false" there for true, and shows the url in its log.
    tls = {name: value for name, value in options.items() if name.startswith("ssl_")}
    if options.get("ssl"):
        tls.setdefault("ssl_cert_reqs", "required")
    if broker.sentinels:
        transport["master_name"] = broker.master_name
    return {
        "broker_url": broker.celery_url,
        "broker_use_ssl": tls or None,
        "broker_transport_options": transport,
        "task_default_queue": keys.QUEUE,
        "task_create_missing_queues": True,
        "task_serializer": "json",
        "accept_content": ["json"],
        "task_ignore_result": True,  # our scripts are the only writers of results
        "task_acks_late": True,
        "task_reject_on_worker_lost": True,  # the attempts of a shard are limited
        "task_track_started": False,
        "worker_prefetch_multiplier": 1,
        "worker_cancel_long_running_tasks_on_connection_loss": False,
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        # A full Redis refuses the commands of a worker that connects: the worker tries again instead of ending.
        "broker_channel_error_retry": True,
        "worker_enable_remote_control": True,
        "worker_send_task_events": False,
        "task_send_sent_event": False,
        "task_routes": {RUN_SHARD: {"queue": keys.QUEUE}},
    }


#: Options of redis-py that kombu takes under the same names.
_PASSED_ON: Final = ("client_name", "max_connections", "socket_keepalive_options")

#: Options of TCP, as far as this system has them. Without them, TCP waits for many minutes.
_KEEPALIVE: Final[Mapping[int, int]] = {
    getattr(socket, name): value
    for name, value in {
        "TCP_KEEPIDLE": SILENT_HOST_SECONDS,
        "TCP_KEEPINTVL": SILENT_HOST_SECONDS // 2,
        "TCP_KEEPCNT": 2,
        "TCP_USER_TIMEOUT": SILENT_HOST_SECONDS * 1000,
    }.items()
    if hasattr(socket, name)
}

_DEFAULTS: Final[Mapping[str, Any]] = {
    "socket_connect_timeout": CONNECT_TIMEOUT_SECONDS,
    "socket_timeout": READ_TIMEOUT_SECONDS,
    "health_check_interval": 10,
}


def _login(text: str) -> dict[str, Any]:
    user, _, password = (unquote(part) for part in text.partition(":"))
    return {name: value for name, value in (("username", user), ("password", password)) if value}


def _given(scheme: str, query: str, login: str) -> dict[str, Any]:
    """Return the options in the query. Raises ValueError."""
    given = parse_options(scheme, query)
    twice = [name for name in ("username", "password") if name in given and name in _login(login)]
    if twice:
        raise ValueError(f"the {twice[0]} is given twice: before the @, and as an option")
    if "db" in given and "virtual_host" in given:
        raise ValueError("the options db and virtual_host mean the same: give one of them")
    return given


def _login_text(options: Mapping[str, Any]) -> str:
    user, password = options.get("username", ""), options.get("password", "")
    return f"{quote(user, safe='')}:{quote(password, safe='')}@" if user or password else ""


def _unusable(host: str, port: int | None) -> str:
    """Return the problem of a host or a port.

    The text doesn't contain them. It is empty if there is no problem.
    """
    try:
        host.encode("idna")  # as the socket module does
    except UnicodeError:
        return "the host name has an empty part, a part of more than 63 letters, or a character that no name has"
    if any(letter.isspace() or not letter.isprintable() for letter in host):
        return "the host name holds a space or a control character"
    if port is not None and not 0 < port < 1 << 16:
        return f"the port is {port}; ports go from 1 to 65535"
    return ""


def _hosts(netloc: str) -> list[tuple[str, int]]:
    hosts = []
    for part in netloc.split(","):
        host, colon, port = part.rpartition(":")
        hosts.append((host, int(port)) if colon else (port, 26379))
    if not all(host for host, _ in hosts):
        raise ValueError("an empty host name")
    return hosts


def _database(text: str, url: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise BrokerUrlError(f"{text!r} isn't a database number in {redact(url)}; write a whole number, such as 0")
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
