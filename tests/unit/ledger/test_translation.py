# SPDX-License-Identifier: Apache-2.0
"""Every error of redis-py and kombu becomes one of ours, and none of them shows a password."""

from __future__ import annotations

import inspect
from collections.abc import Callable

import pytest
import redis.exceptions as of_redis
from kombu.exceptions import BatchPublishError, OperationalError
from redis.sentinel import MasterNotFoundError

from qfleet.errors import (
    BrokerAuthenticationError,
    BrokerError,
    BrokerFullError,
    BrokerModeError,
    BrokerPermissionError,
    BrokerUnreachableError,
)
from qfleet.ledger.translation import UnsuitedServerError, translate, translate_errors
from qfleet.wire.redis.broker import parse_broker

BROKER = parse_broker("redis://user:geheim@host:6379/0")
CLASSES = sorted(
    (item for _, item in inspect.getmembers(of_redis, inspect.isclass) if issubclass(item, Exception)),
    key=lambda item: item.__name__,
)
#: Those whose message must have a form.
TEXTS = {"AskError": "1 host:1", "MovedError": "1 host:1"}


def _made(kind: type[Exception]) -> Exception:
    return kind(TEXTS.get(kind.__name__, "something went wrong"))


def test_there_are_classes_to_translate() -> None:
    assert len(CLASSES) > 20


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_the_map_is_total(kind: type[Exception]) -> None:
    error = translate(_made(kind), BROKER)
    assert isinstance(error, BrokerError)
    assert "redis://user:***@host:6379/0" in str(error)
    assert "geheim" not in f"{error} {error!r}"


@pytest.mark.parametrize("kind", [kind for kind in CLASSES if issubclass(kind, of_redis.RedisError)])
def test_every_error_of_redis_is_caught(kind: type[Exception]) -> None:
    cause = _made(kind)
    with pytest.raises(BrokerError) as caught, translate_errors(BROKER):
        raise cause
    assert caught.value.__cause__ is cause


@pytest.mark.parametrize(
    ("cause", "expected"),
    [
        (of_redis.ConnectionError("refused"), BrokerUnreachableError),
        (of_redis.TimeoutError("timed out"), BrokerUnreachableError),
        (of_redis.ReadOnlyError("You can't write against a read only replica."), BrokerUnreachableError),
        (of_redis.MasterDownError("Link with MASTER is down"), BrokerUnreachableError),
        (BatchPublishError("kombu says so"), BrokerError),
        (of_redis.BusyLoadingError("loading"), BrokerUnreachableError),
        (MasterNotFoundError("<redis.client.Redis(...)>"), BrokerUnreachableError),
        (ConnectionRefusedError(111, "refused"), BrokerUnreachableError),
        (OperationalError("kombu says so"), BrokerUnreachableError),
        (of_redis.AuthenticationError("invalid username-password pair"), BrokerAuthenticationError),
        (of_redis.AuthorizationError("not allowed"), BrokerAuthenticationError),
        (of_redis.NoPermissionError("no permissions to run 'hset'"), BrokerPermissionError),
        (of_redis.ResponseError("NOPERM no permissions to run 'hset'"), BrokerPermissionError),
        (of_redis.ResponseError("The user executing the script can't run this command: 3e"), BrokerPermissionError),
        (of_redis.ResponseError("ACL failure in script: User a has no permissions to run"), BrokerPermissionError),
        (UnsuitedServerError("it runs in cluster mode"), BrokerModeError),
        (of_redis.MovedError("1 host:1"), BrokerModeError),
        (of_redis.AskError("1 host:1"), BrokerModeError),
        (of_redis.ClusterCrossSlotError("Keys in request don't hash to the same slot"), BrokerModeError),
        (of_redis.ClusterDownError("The cluster is down"), BrokerModeError),
        (of_redis.ResponseError("NOAUTH Authentication required."), BrokerAuthenticationError),
        (of_redis.OutOfMemoryError("command not allowed when used memory > 'maxmemory'."), BrokerFullError),
        (of_redis.ResponseError("OOM command not allowed"), BrokerFullError),
        (of_redis.ResponseError("WRONGTYPE Operation against a key"), BrokerError),
        (of_redis.DataError("bad"), BrokerError),
    ],
)
def test_what_becomes_of_an_error(cause: Exception, expected: type[BrokerError]) -> None:
    assert type(translate(cause, BROKER)) is expected


@pytest.mark.parametrize(
    ("cause", "expected"),
    [
        (of_redis.AuthenticationError("wrong"), BrokerAuthenticationError),
        (of_redis.OutOfMemoryError("full"), BrokerFullError),
        (of_redis.ConnectionError("refused"), BrokerUnreachableError),
    ],
)
@pytest.mark.parametrize("kind", [OperationalError, BatchPublishError])
def test_kombus_wrapping_is_looked_into(kind: type[Exception], cause: Exception, expected: type[BrokerError]) -> None:
    with pytest.raises(BrokerError) as caught, translate_errors(BROKER):
        raise kind("wrapped") from cause
    assert type(caught.value) is expected


def test_a_sentinels_error_is_told_shortly() -> None:
    broker = parse_broker("sentinel://:geheim@a:1/0?master_name=main")
    text = str(translate(MasterNotFoundError("No master found for 'main' : <redis.client.Redis(...)>"), broker))
    assert "'main'" in text
    assert "object" not in text
    assert "Redis(" not in text


@pytest.mark.parametrize("make", [ValueError, KeyError, RuntimeError, KeyboardInterrupt])
def test_other_errors_pass(make: Callable[[], BaseException]) -> None:
    error = make()
    with pytest.raises(type(error)) as caught, translate_errors(BROKER):
        raise error
    assert caught.value is error


def test_our_own_errors_pass() -> None:
    error = BrokerFullError("full")
    with pytest.raises(BrokerFullError) as caught, translate_errors(BROKER):
        raise error
    assert caught.value is error


def test_what_a_user_may_not_do_is_asked_for_only_if_redis_refused_a_command() -> None:
    asked = []

    def missing() -> tuple[str, ...]:
        asked.append(1)
        return ("the command HSET (add +hset)", "the channel X (add &qfleet:*)")

    translate(of_redis.ResponseError("WRONGTYPE"), BROKER, missing)
    translate(of_redis.AuthenticationError("wrong"), BROKER, missing)
    assert asked == []
    error = translate(of_redis.NoPermissionError("no permissions"), BROKER, missing)
    assert error.fields == {"broker": str(BROKER), "missing": missing()}
    text = str(error)
    assert "user 'user' may not use the command HSET (add +hset), the channel X (add &qfleet:*)." in text
    assert "password" not in text
