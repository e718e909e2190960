# SPDX-License-Identifier: Apache-2.0
"""Options of a url mean to all what redis-py means by them, or are refused; nothing secret is ever shown."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest
import redis
from celery import Celery
from hypothesis import assume, example, given
from hypothesis import strategies as st

from qfleet import FleetProvider
from qfleet.errors import InvalidOptionError
from qfleet.ledger.client import connect
from qfleet.wire.redis.broker import BrokerUrlError, celery_settings, parse_broker
from qfleet.wire.redis.url_options import redact


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://host?db=3", {"db": 3}),
        ("redis://host/0?db=3", {"db": 3}),
        ("unix:///r.sock?virtual_host=4", {"db": 4}),
        ("sentinel://a/1?master_name=m&db=2", {"db": 2}),
        ("redis://host?username=u&password=p%26w%40", {"username": "u", "password": "p&w@"}),
        ("redis://u@host?password=pw", {"username": "u", "password": "pw"}),
        ("redis://host?protocol=3", {"protocol": 3}),
        ("redis://host?max_connections=7&client_name=lab-3", {"max_connections": 7, "client_name": "lab-3"}),
        (
            "redis://host?socket_timeout=5&socket_connect_timeout=1.5&health_check_interval=0&socket_keepalive=no",
            {
                "socket_timeout": 5.0,
                "socket_connect_timeout": 1.5,
                "health_check_interval": 0,
                "socket_keepalive": False,
            },
        ),
        ("rediss://host?ssl_check_hostname=0&ssl_password=x", {"ssl_check_hostname": False, "ssl_password": "x"}),
        ("unix:///r.sock?password=pw&db=1", {"password": "pw", "db": 1}),
    ],
)
def test_what_options_mean(url: str, expected: dict[str, Any]) -> None:
    broker = parse_broker(url)
    assert {name: broker.client_options.get(name) for name in expected} == expected
    redis.Redis(**broker.client_options)  # takes them all
    connect(broker)


@pytest.mark.parametrize(
    "url",
    [
        "redis://host?db=3",
        "redis://host:7000/2",
        "redis://host?username=u&password=p%26w%40",
        "rediss://host?socket_timeout=5&ssl_cert_reqs=none",
        "unix:///r.sock?db=3&password=pw",
    ],
)
def test_redis_py_reads_them_alike(url: str) -> None:
    theirs = redis.Redis.from_url(url).connection_pool.connection_kwargs
    ours = connect(parse_broker(url)).connection_pool.connection_kwargs
    defaults = {"port": 6379, "db": 0}
    for name in ("host", "port", "path", "db", "username", "password", "ssl_cert_reqs"):
        assert ours.get(name, defaults.get(name)) == theirs.get(name, defaults.get(name)), name


@pytest.mark.parametrize(
    "url",
    [
        "redis://host?db=3&username=u&password=p%2Fw&socket_timeout=7&client_name=lab&max_connections=4",
        "unix:///run/r.sock?db=3&username=u&password=p%2Fw&socket_timeout=7&client_name=lab&max_connections=4",
    ],
)
def test_celery_is_told_the_same(url: str) -> None:
    app = Celery(set_as_current=False)
    app.conf.update(celery_settings(parse_broker(url)))
    connection = app.connection_for_write()
    # What kombu's channel makes of it, without connecting.
    channel_class = connection.transport.Channel
    channel = channel_class.__new__(channel_class)
    channel.connection = connection.transport
    for name, value in connection.transport_options.items():
        setattr(channel, name, value)
    broker = channel_class._connparams(channel)
    expected = {"db": 3, "username": "u", "password": "p/w", "socket_timeout": 7.0, "client_name": "lab"}
    expected["max_connections"] = 4
    assert {name: broker[name] for name in expected} == expected


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("redis://host?pony=1", "the option pony isn't known; there are client_name, db"),
        ("redis://host?db=1&db=2", "the option db is given twice"),
        ("redis://host?db=", "the option db has no value"),
        ("redis://host?db", "the option db has no value"),
        ("redis://host?db=x", "db='x': a whole number from 0"),
        ("redis://host?db=-1", "db='-1'"),
        ("redis://host?db=٣", "db='٣'"),
        ("redis://host?db=99999999999", "db='99999999999'"),
        ("redis://host?protocol=4", "protocol='4': a whole number from 2 to 3"),
        ("redis://host?max_connections=0", "max_connections='0'"),
        ("redis://host?socket_timeout=0", "socket_timeout='0': a number of seconds from 1"),
        ("redis://host?socket_timeout=nan", "socket_timeout='nan'"),
        ("redis://host?socket_connect_timeout=1e999", "socket_connect_timeout='1e999'"),
        ("redis://host?socket_keepalive=perhaps", "socket_keepalive='perhaps': true or false"),
        ("redis://host?client_name=a%20b", "client_name='a b'"),
        ("redis://host?decode_responses=true", "redis-py's option decode_responses isn't taken"),
        ("redis://host?retry_on_timeout=true", "redis-py's option retry_on_timeout isn't taken"),
        ("redis://host?ssl_ca_certs=a.pem", "the option ssl_ca_certs is for rediss://, not for redis://"),
        ("redis://host?master_name=m", "the option master_name is for sentinel://"),
        ("redis://host?virtual_host=1", "the option virtual_host is for redis\\+socket:// and unix://"),
        ("unix:///r.sock?socket_keepalive=1", "the option socket_keepalive is for redis:// and rediss://"),
        ("unix:///r.sock?db=1&virtual_host=2", "db and virtual_host mean the same"),
        ("sentinel://a?master_name=m&sentinel_password=geheim", "the option sentinel_password isn't known"),
        ("sentinel://a?master_name=m&ssl=true", "the option ssl isn't known"),
        ("redis://:geheim@host?password=geheim", "the password is given twice"),
        ("redis://u:x@host?username=u", "the username is given twice"),
        ("redis://host?password=ge&heim=1", "what follows the option password isn't an option; .*& as %26"),
        ("redis://host?p-o%0any=1", "one of the options has a strange name"),
        ("redis://host/0#part", "not a Redis url"),
    ],
)
def test_what_isnt_taken_is_refused_when_the_provider_is_made(url: str, text: str) -> None:
    with pytest.raises(InvalidOptionError, match=text) as caught:
        FleetProvider(url)
    assert "heim" not in str(caught.value).replace("test_", "")


# --- Secrets ---

SECRET = "geheim"
_around = st.text(st.sampled_from("ab:/?#@&=%;,[]<> \n\\\"'+.-_0é\ud7ff"), max_size=6)


@st.composite
def urls(draw: st.DrawFn) -> str:
    """Urls with a secret where secrets are, escaped as they should be, or not at all."""
    secret = draw(_around) + SECRET + draw(_around)
    if draw(st.booleans()):
        secret = quote(secret, safe="")
    scheme = draw(st.sampled_from(["redis", "rediss", "redis+socket", "unix", "sentinel", "http", ""]))
    start = f"{scheme}://" if scheme else ""
    host = draw(st.sampled_from(["host", "host:6379", "a:1,b:2", "[::1]:7", ""]))
    path = draw(st.sampled_from(["", "/", "/0", "/run/r.sock"]))
    option = draw(st.sampled_from(["password", "username", "ssl_password", "pasword", "sentinel_password"]))
    more = draw(st.sampled_from(["", "&db=1", "&db=x", "&pony=1", "&master_name=m"]))
    before = draw(st.sampled_from(["", "db=1&", "master_name=m&"]))
    return draw(
        st.sampled_from(
            [
                f"{start}:{secret}@{host}{path}",
                f"{start}user:{secret}@{host}{path}?{before}db=2",
                f"{start}{secret}@{host}{path}",
                f"{start}{host}{path}?{before}{option}={secret}{more}",
                f"{start}user:pw@{host}{path}?{before}{option}={secret}{more}",
            ]
        )
    )


@given(urls())
@example(f"redis://host/0?password=a@{SECRET}")
@example(f"redis://host/0?password=a&{SECRET}=b")
@example(f"redis://host?pasword={SECRET}")
@example(f"redis+socket:///{SECRET}@host")
@example(f":{SECRET}://@host")
@example(f"{SECRET}://@host")
def test_no_secret_is_ever_shown(url: str) -> None:
    user, colon, _ = (url.partition("://")[2] or url).partition(":")
    # What stands before a colon is the user's name, which is shown.
    assume(not colon or SECRET not in user)
    said = [redact(url)]
    try:
        broker = parse_broker(url)
    except BrokerUrlError as exc:
        said += [str(exc), repr(exc)]
        said.append(repr(exc.__cause__))
    else:
        said += [str(broker), repr(broker)]
    try:
        said.append(repr(FleetProvider(url)))
    except InvalidOptionError as exc:
        said += [str(exc), repr(exc)]
    for text in said:
        assert SECRET not in text, (url, text)


@given(st.text(max_size=60))
def test_any_text_is_taken_or_refused(text: str) -> None:
    redact(text)
    try:
        broker = parse_broker(text)
    except BrokerUrlError:
        return
    celery_settings(broker)
    connect(broker)
