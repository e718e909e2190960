# SPDX-License-Identifier: Apache-2.0
"""Every form of url, what it means to redis-py and to Celery, and that no password is ever shown."""

from __future__ import annotations

import socket
from typing import Any

import pytest
import redis
from celery import Celery
from kombu.utils.url import parse_url
from processes import redis_server

from qfleet.wire.redis import keys
from qfleet.wire.redis.broker import BrokerUrlError, celery_settings, parse_broker, redact


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://host", {"host": "host", "port": 6379, "db": 0}),
        ("redis://host:7000/3", {"host": "host", "port": 7000, "db": 3}),
        ("redis://host/", {"host": "host", "db": 0}),
        ("redis://[::1]:7000/0", {"host": "::1", "port": 7000}),
        ("redis://:pw@host/0", {"host": "host", "password": "pw"}),
        ("redis://user:p%40%2F%3A%23@host", {"username": "user", "password": "p@/:#"}),
        ("redis://user@host", {"username": "user"}),
        ("rediss://host:1/2", {"host": "host", "port": 1, "db": 2, "ssl": True}),
        (
            "rediss://host?ssl_cert_reqs=none&ssl_ca_certs=/a%20b.pem",
            {"ssl": True, "ssl_cert_reqs": "none", "ssl_ca_certs": "/a b.pem"},
        ),
        ("redis+socket:///run/r.sock", {"unix_socket_path": "/run/r.sock", "db": 0}),
        ("redis+socket:///run/a%20b.sock?db=4", {"unix_socket_path": "/run/a b.sock", "db": 4}),
        ("redis+socket://u:p%40w@/run/r.sock", {"unix_socket_path": "/run/r.sock", "username": "u", "password": "p@w"}),
        ("unix:///run/@abstract/r.sock", {"unix_socket_path": "/run/@abstract/r.sock"}),
        ("sentinel://:pw@a:1/5?master_name=m", {"password": "pw", "db": 5}),
    ],
)
def test_what_an_url_means_to_redis_py(url: str, expected: dict[str, Any]) -> None:
    options = parse_broker(url).client_options
    assert {name: options.get(name) for name in expected} == expected
    assert ("username" in options, "password" in options) == ("username" in expected, "password" in expected)


@pytest.mark.parametrize(
    ("url", "hosts"),
    [
        ("sentinel://a/0?master_name=m", (("a", 26379),)),
        ("sentinel://a:1,b,c:3/0?master_name=m", (("a", 1), ("b", 26379), ("c", 3))),
        ("sentinel://user:pw@a:1,b:2?master_name=m", (("a", 1), ("b", 2))),
    ],
)
def test_sentinels(url: str, hosts: tuple[tuple[str, int], ...]) -> None:
    broker = parse_broker(url)
    assert (broker.sentinels, broker.master_name) == (hosts, "m")
    settings = celery_settings(broker)
    assert settings["broker_url"].count("sentinel://") == len(hosts)
    assert settings["broker_transport_options"]["master_name"] == "m"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://user:p%40w@host:7000/3", ("redis", "host", 7000, "user", "p@w", "3")),
        ("redis://host", ("redis", "host", None, None, None, "0")),
        ("rediss://:pw@host:1/2", ("rediss", "host", 1, None, "pw", "2")),
    ],
)
def test_what_an_url_means_to_celery(url: str, expected: tuple[object, ...]) -> None:
    parsed = parse_url(parse_broker(url).celery_url)
    found = [parsed[name] for name in ("transport", "hostname", "port", "userid", "password", "virtual_host")]
    assert tuple(found) == expected


@pytest.mark.parametrize(("query", "needed"), [("", "required"), ("?ssl_cert_reqs=none", "none")])
def test_tls_is_checked_unless_the_url_says_otherwise(query: str, needed: str) -> None:
    settings = celery_settings(parse_broker(f"rediss://host{query}"))
    assert settings["broker_use_ssl"]["ssl_cert_reqs"] == needed
    assert celery_settings(parse_broker("redis://host"))["broker_use_ssl"] is None


@pytest.mark.parametrize(("text", "value"), [("true", True), ("false", False)])
def test_whether_the_host_name_is_checked_means_the_same_to_all(text: str, value: bool) -> None:
    broker = parse_broker(f"rediss://host?ssl_check_hostname={text}")
    assert broker.client_options["ssl_check_hostname"] is value
    settings = celery_settings(broker)
    app = Celery(set_as_current=False)
    app.conf.update(settings)
    assert app.connection_for_write().ssl["ssl_check_hostname"] is value


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("ssl_check_hostname=maybe", "ssl_check_hostname='maybe': true or false is needed"),
        ("ssl_cert_reqs=never", "ssl_cert_reqs='never': one of required, optional, none is needed"),
        ("ssl_pony=1", "the option ssl_pony isn't known; there are .*ssl_ca_certs"),
    ],
)
def test_what_is_wrong_about_tls_is_told_when_the_url_is_read(query: str, text: str) -> None:
    with pytest.raises(BrokerUrlError, match=text) as caught:
        parse_broker(f"rediss://:geheim@host?{query}")
    assert "geheim" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("", "not a Redis url"),
        ("host", "not a Redis url"),
        ("host:6379", "not a Redis url"),
        ("http://host", "begins with one of redis://"),
        ("amqp://u:geheim@host", "begins with one of"),
        ("redis://", "no host"),
        ("redis://:geheim@", "no host"),
        ("redis://:geheim@/0", "no host"),
        ("redis://host:port", "not a Redis url"),
        ("redis://:geheim@host:99999", "not a Redis url"),
        ("redis://u:geheim@host/db", "'db' isn't a database number"),
        ("redis://host/-1", "isn't a database number"),
        ("redis+socket://", "no socket path"),
        ("redis+socket://u:geheim@/", "no socket path"),
        ("redis+socket:///r.sock?db=x", "db='x': a whole number from 0"),
        ("sentinel://a:1/0", "no master"),
        ("sentinel://:geheim@a:x/0?master_name=m", "not a Redis url"),
        ("sentinel://a,,b?master_name=m", "an empty host name"),
        ("sentinel://?master_name=m", "an empty host name"),
        ("redis://u:ge/heim@host/0", "%2F"),
        ("redis://u:1/geheim@host/0", "%2F"),
        ("redis://u:ge?heim@host/0", "%3F"),
        ("redis://u:ge#heim@host/0", "%23"),
        ("redis://u:[geheim]@host/0", "not a Redis url"),
        ("redis://u:geheim@[host/0", "not a Redis url"),
        ("u:geheim@host", "not a Redis url"),
        ("redis://:geheim@broker..example/0", "an empty part"),
        ("redis://:geheim@.example/0", "an empty part"),
        (f"redis://:geheim@{'a' * 64}.example/0", "more than 63 letters"),
        ("redis://:geheim@\udc80/0", "not a Redis url"),
        ("redis://:geheim@a%20b/0", "a space or a control character"),
        ("redis://:geheim@a%00b/0", "a space or a control character"),
        ("redis://:geheim@host:0/0", "the port is 0; ports go from 1 to 65535"),
        ("sentinel://:geheim@a,b..c?master_name=m", "an empty part"),
        ("sentinel://:geheim@a:1,b:70000?master_name=m", "the port is 70000"),
        ("sentinel://:geheim@a:-1?master_name=m", "not a Redis url"),
    ],
)
def test_a_wrong_url_is_refused_without_its_password(url: str, text: str) -> None:
    with pytest.raises(BrokerUrlError) as caught:
        parse_broker(url)
    assert text in str(caught.value)
    assert "heim" not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("url", [b"redis://host", 5, ("redis://host",)])
def test_what_is_not_text_is_no_url(url: object) -> None:
    with pytest.raises(BrokerUrlError, match=f"not a Redis url but {type(url).__name__}; give text like redis://"):
        parse_broker(url)


@pytest.mark.parametrize(
    "url",
    [
        "redis://host./0",
        "redis://ünï.example:1/0",
        "redis://[::1]/0",
        "redis://[fe80::1%25eth0]/0",
        "redis://a_b:65535",
    ],
)
def test_names_that_can_be_looked_up_are_taken(url: str) -> None:
    assert parse_broker(url).client_options["host"]


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://host/0", "redis://host/0"),
        ("redis://geheim@host/0", "redis://***@host/0"),
        ("REDIS://user:pw@host/0", "REDIS://user:***@host/0"),
        ("Unix:///r.sock", "Unix:///r.sock"),
        ("redis://:pw@host/0", "redis://:***@host/0"),
        ("rediss://user:p:w@host:1/0?ssl_ca_certs=a", "rediss://user:***@host:1/0?ssl_ca_certs=a"),
        ("redis://user:p@w@host", "redis://user:***@host"),
        ("sentinel://:pw@a:1,b:2/0?master_name=m", "sentinel://:***@a:1,b:2/0?master_name=m"),
        ("redis+socket://u:pw@/r.sock", "redis+socket://u:***@/r.sock"),
        ("user:pw@host", "user:***@host"),
        ("redis://redis://u:pw@host", "redis://***"),
        ("redis://u:p://w@host", "redis://***"),
        ("redis://host?password=geheim&db=3", "redis://host?password=***&db=3"),
        ("rediss://host/0?ssl_password=geheim&ssl_keyfile=k", "rediss://host/0?ssl_password=***&ssl_keyfile=k"),
        ("redis://host?pasword=geheim&geheim", "redis://host?***&***"),
        ("redis://host/0?password=ge@heim", "redis://***"),
        ("redis://host/0?password=ge#heim", "redis://host/0?password=***#***"),
        ("redis://host/0#geheim", "redis://host/0#***"),
        ("redis://:geheim", "redis://***"),
        ("redis://:12345", "redis://***"),
        ("redis://user:geheim", "redis://***"),
        ("redis://geheim@:x@host", "redis://***@host"),
        ("redis://u:geheim@[host/0", "redis://***"),
        ("redis://u:pw@[::1]:7000/0", "redis://u:***@[::1]:7000/0"),
        ("unix:///run/@abstract/r.sock?db=3&password=geheim", "unix:///run/@abstract/r.sock?db=3&password=***"),
        ("sentinel://a:1,b/0?master_name=m&password=geheim", "sentinel://a:1,b/0?master_name=m&password=***"),
        ("", ""),
    ],
)
def test_redact(url: str, shown: str) -> None:
    assert redact(url) == shown


@pytest.mark.parametrize(
    "url", ["redis://u:geheim@host/1", "redis+socket://u:geheim@/r.sock", "sentinel://u:geheim@a?master_name=m"]
)
def test_a_broker_shows_no_password(url: str) -> None:
    broker = parse_broker(url)
    assert "geheim" not in f"{broker} {broker!r}"
    assert str(broker) == redact(url)


def test_celery_keeps_to_the_prefix_and_writes_no_state() -> None:
    settings = celery_settings(parse_broker("redis://host"))
    assert settings["broker_transport_options"]["global_keyprefix"] == keys.PREFIX
    assert "result_backend" not in settings
    assert settings["task_default_queue"] == keys.QUEUE
    assert settings["task_ignore_result"] is True
    assert settings["task_track_started"] is False
    assert settings["accept_content"] == ["json"]


def _options_of(sock: socket.socket) -> dict[str, int]:
    names = ("TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT", "TCP_USER_TIMEOUT")
    return {name: sock.getsockopt(socket.IPPROTO_TCP, getattr(socket, name)) for name in names}


def test_connections_of_redis_py_and_of_kombu_notice_that_a_host_is_cut_off() -> None:
    with redis_server() as port:
        broker = parse_broker(f"redis://127.0.0.1:{port}/0")
        expected = {"TCP_KEEPIDLE": 10, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 2, "TCP_USER_TIMEOUT": 10_000}
        with redis.Redis(**broker.client_options) as client:
            assert _options_of(client.connection_pool.get_connection()._sock) == expected
        app = Celery("test", set_as_current=False)
        app.conf.update(celery_settings(broker))
        with app.connection_for_write() as connection, connection.default_channel.conn_or_acquire() as client:
            assert _options_of(client.connection_pool.get_connection()._sock) == expected


@pytest.mark.parametrize("url", ["redis://host?socket_keepalive=no", "redis+socket:///run/r.sock"])
def test_options_of_tcp_are_left_out(url: str) -> None:
    broker = parse_broker(url)
    assert "socket_keepalive_options" not in broker.client_options
    assert "socket_keepalive_options" not in celery_settings(broker)["broker_transport_options"]
