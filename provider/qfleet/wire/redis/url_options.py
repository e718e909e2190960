# SPDX-License-Identifier: Apache-2.0
"""The options at the end of a Redis url; urls without secrets.

Names and values are redis-py's, but for ``tenant``. Other options are refused: nobody would notice that one is ignored.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl

from qfleet.wire.redis.references import MOST_TENANT_LETTERS, is_tenant

_SOCKET_SCHEMES: Final = frozenset({"redis+socket", "unix"})
_TCP_SCHEMES: Final = frozenset({"redis", "rediss", "sentinel"})
_ANY_SCHEME: Final = _SOCKET_SCHEMES | _TCP_SCHEMES
#: A host and a port. Without a host, the apparent port may be a password.
_ADDRESS: Final = re.compile(r"(\[[0-9A-Fa-f:.%]*\]|[^:\[\]]+)(:\d{0,5})?|")
_TRUE, _FALSE = frozenset({"1", "t", "true", "y", "yes"}), frozenset({"0", "f", "false", "n", "no"})


@dataclass(frozen=True, slots=True)
class _Option:
    #: turns the text into the value; raises ValueError with what is needed
    parse: Callable[[str], Any]
    schemes: frozenset[str] = _ANY_SCHEME
    secret: bool = False


def _whole(least: int, most: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not (text.isascii() and text.isdecimal() and len(text) < 11 and least <= int(text) <= most):
            raise ValueError(f"a whole number from {least} to {most} is needed")
        return int(text)

    return parse


def _seconds(text: str) -> float:
    if not re.fullmatch(r"\d{1,6}(\.\d{1,6})?", text, re.ASCII) or not 1 <= float(text) <= 3600:
        raise ValueError("a number of seconds from 1 to 3600 is needed")
    return float(text)


def _flag(text: str) -> bool:
    if text.lower() not in _TRUE | _FALSE:
        raise ValueError("true or false is needed")
    return text.lower() in _TRUE


def _one_of(*values: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in values:
            raise ValueError(f"one of {', '.join(values)} is needed")
        return text

    return parse


def _client_name(text: str) -> str:
    if not re.fullmatch(r"[!-~]{1,100}", text):
        raise ValueError("at most 100 letters, digits or signs without spaces are needed")
    return text


def _tenant(text: str) -> str:
    if not is_tenant(text):
        raise ValueError(f"at most {MOST_TENANT_LETTERS} letters, digits or the signs . _ @ - are needed")
    return text


_TLS: Final = frozenset({"rediss"})
_OPTIONS: Final[Mapping[str, _Option]] = {
    "client_name": _Option(_client_name),
    "db": _Option(_whole(0, 2**31 - 1)),
    "health_check_interval": _Option(_whole(0, 86_400)),
    "master_name": _Option(str, frozenset({"sentinel"})),
    "max_connections": _Option(_whole(1, 10_000)),
    "password": _Option(str, secret=True),
    "protocol": _Option(_whole(2, 3)),
    "socket_connect_timeout": _Option(_seconds),
    "socket_keepalive": _Option(_flag, _TCP_SCHEMES),
    "socket_timeout": _Option(_seconds),
    "ssl_ca_certs": _Option(str, _TLS),
    "ssl_ca_data": _Option(str, _TLS),
    "ssl_ca_path": _Option(str, _TLS),
    "ssl_cert_reqs": _Option(_one_of("required", "optional", "none"), _TLS),
    "ssl_certfile": _Option(str, _TLS),
    "ssl_check_hostname": _Option(_flag, _TLS),
    "ssl_ciphers": _Option(str, _TLS),
    "ssl_keyfile": _Option(str, _TLS),
    "ssl_password": _Option(str, _TLS, secret=True),
    "tenant": _Option(_tenant),
    "username": _Option(str, secret=True),
    "virtual_host": _Option(_whole(0, 2**31 - 1), _SOCKET_SCHEMES),  # Celery's name for db
}
#: Options of redis-py that qfleet sets itself.
_OWN: Final = frozenset(
    {
        "credential_provider",
        "decode_responses",
        "encoding",
        "encoding_errors",
        "legacy_responses",
        "lib_name",
        "lib_version",
        "retry_on_error",
        "retry_on_timeout",
        "socket_read_size",
        "timeout",
    }
)


def parse_options(scheme: str, query: str) -> dict[str, Any]:
    """Return the options of a url, in the form of redis-py.

    Args:
        scheme: the scheme of the url.
        query: the part of the url after the question mark.

    Raises:
        ValueError: an option isn't known or has a wrong value; the text has no secret.
    """
    options: dict[str, Any] = {}
    secret = ""
    for name, text in parse_qsl(query, keep_blank_values=True):
        option = _OPTIONS.get(name)
        if option is None:
            raise ValueError(_why_not(name, secret, scheme))
        if scheme not in option.schemes:
            raise ValueError(f"the option {name} is for {_written(option.schemes)}, not for {scheme}://")
        if name in options:
            raise ValueError(f"the option {name} is given twice")
        if not text:
            raise ValueError(f"the option {name} has no value")
        try:
            options[name] = option.parse(text)
        except ValueError as exc:
            raise ValueError(f"{name}={text!r}: {exc}") from None
        secret = name if option.secret else secret
    return options


#: RFC 3986, section 3.1.
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*")


def redact(url: str) -> str:
    """Return a url with ``***`` for all parts that may be secret.

    The url need not be valid.
    """
    scheme, separator, rest = url.partition("://")
    if not separator:
        scheme, rest = "", url
    elif scheme.lower() not in _ANY_SCHEME and ("@" in rest or not _SCHEME.fullmatch(scheme)):
        # The ``://`` may be a part of a login.
        return "***"
    start = f"{scheme}{separator}"
    head, mark, query = rest.partition("?")
    head, fragment, _ = head.partition("#")
    query, more, _ = query.partition("#")
    of_path = scheme.lower() in _SOCKET_SCHEMES and head.startswith("/")
    address = head if of_path else head.partition("/")[0]
    if not of_path and "@" in rest[len(address) :]:
        # The ``@`` may belong to a password and should have been escaped: any part of the url may be the password's.
        return f"{start}***"
    if of_path and "@" in head.split("/")[1]:
        # This may be a login after one slash too many.
        head = f"/***@{head.rpartition('@')[2]}"
    if not of_path:
        login, at, _ = address.rpartition("@")
        place = head[len(login) + len(at) :]
        if not all(map(_ADDRESS.fullmatch, place.partition("/")[0].split(","))):
            return f"{start}***"
        user, colon, _ = login.partition(":")
        is_name = colon and "@" not in user and user.isprintable()
        head = f"{user}:***@{place}" if is_name else f"{'***@' if at else ''}{place}"
    shown = "&".join(map(_shown, query.split("&"))) if query else ""
    return f"{start}{head}{'#***' if fragment else ''}{mark}{shown}{'#***' if more else ''}"


def _shown(option: str) -> str:
    name, sign, _ = option.partition("=")
    if name not in _OPTIONS or not sign:
        return "***"
    return f"{name}=***" if _OPTIONS[name].secret or name == "ssl_ca_data" else option


def _why_not(name: str, secret: str, scheme: str) -> str:
    if secret:
        # The name may be a part of the secret.
        return f"what follows the option {secret} isn't an option; in its value write & as %26, = as %3D and # as %23"
    if not re.fullmatch(r"[A-Za-z0-9_]{1,40}", name):
        return "one of the options has a strange name"
    if name in _OWN:
        return f"redis-py's option {name} isn't taken: qfleet sets it as it needs it"
    known = sorted(known for known, option in _OPTIONS.items() if scheme in option.schemes)
    return f"the option {name} isn't known; there are {', '.join(known)}"


def _written(schemes: frozenset[str]) -> str:
    return " and ".join(f"{scheme}://" for scheme in sorted(schemes))


__all__ = ["parse_options", "redact"]
