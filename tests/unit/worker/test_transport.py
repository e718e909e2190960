# SPDX-License-Identifier: Apache-2.0
"""A worker's channel waits for tokens, or asks for a choice, and delivers the shard that is chosen."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import redis
from celery import Celery
from redis.exceptions import NoScriptError

from qfleet.ledger.client import connect
from qfleet.wire.redis import keys
from qfleet.wire.redis.broker import celery_settings, parse_broker
from qfleet_worker.messages import MessageError, shard_message
from qfleet_worker.picked import Question
from qfleet_worker.transport import transport_settings

JOB = "0b7f0f0e-9b8e-4c7e-8a39-0b9f6c1d2e3f"


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("redis://user:pw@host:7/3", "Transport"),
        ("rediss://host/1", "Transport"),
        ("redis+socket:///run/redis.sock?db=2", "SocketTransport"),
        ("sentinel://a:1,b:2/1?master_name=m", "SentinelTransport"),
    ],
)
def test_every_kind_of_url_is_read_through_it(url: str, name: str) -> None:
    broker = parse_broker(url)
    app = Celery("test", set_as_current=False)
    app.conf.update(celery_settings(broker) | transport_settings(broker))
    with app.connection_for_read() as connection:
        assert connection.get_transport_cls().__name__ == name
        assert connection.get_transport_cls().__module__ == "qfleet_worker.transport"
        assert "pw" not in connection.as_uri()
        taken = set(connection.get_transport_cls().Channel.from_transport_options)
        assert {*app.conf.broker_transport_options, "binder"} - taken == set()


# --- Tokens ---


@dataclass
class _Binder:
    """Waits for some lists, and notes what comes."""

    wanted: list[str] = field(default_factory=list)
    answer: dict[str, Any] | None = None
    bound: list[tuple[str, bytes]] = field(default_factory=list)
    returned: list[tuple[str, bytes]] = field(default_factory=list)
    #: the choices to ask for, one after the other, and the answers to them
    questions: list[Question] = field(default_factory=list)
    answers: list[tuple[Question, Any, bool]] = field(default_factory=list)

    def question(self) -> Question | None:
        return self.questions.pop(0) if self.questions else None

    def chosen(self, question: Question, answer: Any, *, stopped: bool = False) -> dict[str, Any] | None:
        self.answers.append((question, answer, stopped))
        return self.answer

    def lists(self) -> list[str]:
        return self.wanted

    def bind(self, key: str, raw: bytes) -> dict[str, Any] | None:
        self.bound.append((key, raw))
        if raw == b"junk":
            raise MessageError("it is junk")
        return self.answer

    def put_back(self, key: str, raw: bytes) -> None:
        self.returned.append((key, raw))


@pytest.fixture
def binder() -> _Binder:
    return _Binder(wanted=[f"{keys.PREFIX}{uuid.uuid4()}:{number}" for number in range(2)])


@pytest.fixture
def channel(redis_url: str, binder: _Binder) -> Iterator[Any]:
    """Yield a worker's channel, which waits for the lists of the binder."""
    broker = parse_broker(redis_url)
    app = Celery("test", set_as_current=False)
    app.conf.update(celery_settings(broker) | transport_settings(broker))
    app.conf.broker_transport_options |= {"binder": binder}
    with app.connection_for_read() as connection:
        channel = connection.default_channel
        channel.got = []
        channel.basic_consume(keys.QUEUE, no_ack=True, callback=channel.got.append, consumer_tag="tag")
        yield channel


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    with connect(parse_broker(redis_url)) as client:
        yield client


def _wait(channel: Any) -> None:
    channel.connection.cycle._register_BRPOP(channel)


def test_a_token_becomes_the_shard_that_the_binder_chooses(channel: Any, binder: _Binder, client: redis.Redis) -> None:
    client.lpush(binder.wanted[1], b"")
    binder.answer = shard_message(JOB, 12, "owner")
    _wait(channel)
    assert channel._brpop_read() is True
    assert binder.bound == [(binder.wanted[1], b"")]
    (message,) = channel.got
    assert message.payload[0] == [JOB, 12, "owner"]
    assert client.llen(binder.wanted[1]) == 0


def test_a_token_without_a_shard_that_fits_is_no_message(channel: Any, binder: _Binder, client: redis.Redis) -> None:
    client.lpush(binder.wanted[0], b"")
    _wait(channel)
    assert channel._brpop_read() is False
    assert (binder.bound, channel.got) == ([(binder.wanted[0], b"")], [])
    assert channel._in_poll is None


def test_nothing_is_taken_off_a_list_that_the_binder_does_not_name(
    channel: Any, binder: _Binder, client: redis.Redis
) -> None:
    full, binder.wanted = binder.wanted[0], []
    client.lpush(full, b"")
    _wait(channel)
    assert not channel._in_poll
    assert client.llen(full) == 1
    client.delete(full)


@pytest.mark.parametrize("how", ["the worker stops", "the channel closes"])
def test_a_token_that_comes_too_late_goes_back(how: str, channel: Any, binder: _Binder, client: redis.Redis) -> None:
    _wait(channel)
    client.lpush(binder.wanted[0], b"x")
    if how == "the worker stops":
        channel.basic_cancel("tag")
        assert channel._brpop_read() is False
    else:
        channel.close()
    assert (binder.bound, binder.returned) == ([], [(binder.wanted[0], b"x")])


def test_an_entry_that_names_no_shard_is_dropped(
    channel: Any, binder: _Binder, client: redis.Redis, caplog: pytest.LogCaptureFixture
) -> None:
    client.lpush(binder.wanted[0], b"junk")
    _wait(channel)
    assert channel._brpop_read() is False
    assert channel.got == []
    assert f"dropped a message from {binder.wanted[0]}: it is junk" in caplog.text


CHOICE = Question("owner", ("EVAL", "return {'a', ARGV[1], 3, 4}", 0, "b"))


def test_a_choice_is_asked_for_without_a_token(channel: Any, binder: _Binder, client: redis.Redis) -> None:
    client.lpush(binder.wanted[0], b"")
    binder.questions = [CHOICE]
    binder.answer = shard_message(JOB, 12, "owner")
    _wait(channel)
    assert channel._brpop_read() is True
    assert binder.answers == [(CHOICE, [b"a", b"b", 3, 4], False)]
    (message,) = channel.got
    assert message.payload[0] == [JOB, 12, "owner"]
    assert client.llen(binder.wanted[0]) == 1
    _wait(channel)
    assert channel._brpop_read() is True
    assert binder.bound == [(binder.wanted[0], b"")]


@pytest.mark.parametrize("how", ["the worker stops", "the channel closes"])
def test_a_choice_that_comes_too_late_says_so(how: str, channel: Any, binder: _Binder) -> None:
    binder.questions = [CHOICE]
    _wait(channel)
    if how == "the worker stops":
        channel.basic_cancel("tag")
        assert channel._brpop_read() is False
    else:
        channel.close()
    assert binder.answers == [(CHOICE, [b"a", b"b", 3, 4], True)]
    assert channel.got == []


def test_a_choice_that_redis_refuses_is_an_answer(channel: Any, binder: _Binder) -> None:
    refused = Question("owner", ("EVALSHA", "0" * 40, 0))
    binder.questions = [refused]
    _wait(channel)
    assert channel._brpop_read() is False
    ((question, answer, stopped),) = binder.answers
    assert (question, stopped) == (refused, False)
    assert isinstance(answer, NoScriptError)
    assert channel._in_poll is None
