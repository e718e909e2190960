# SPDX-License-Identifier: Apache-2.0
"""A job is stored whole, or not at all, wherever the connection breaks; on a real Redis."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence

import pytest
import redis
from make_jobs import make_job
from processes import redis_server

from qfleet.errors import BrokerError, BrokerFullError, BrokerUnreachableError
from qfleet.ledger import Connection, Ledger, NewJob, send
from qfleet.wire.redis import keys
from qfleet.wire.redis.broker import parse_broker
from qfleet.wire.redis.keys import JobField

BROKEN = redis.ConnectionError("Connection closed by server.")


@pytest.fixture
def connection(redis_url: str) -> Iterator[Connection]:
    connection = Connection(parse_broker(redis_url))
    yield connection
    connection.close()


def _left(connection: Connection, job: NewJob) -> list[str]:
    return [key.decode() for key in connection.client.scan_iter(match=f"*{job.job_id}*", count=1000)]


def _queued(connection: Connection, job: NewJob) -> int:
    messages = connection.client.lrange(f"{keys.PREFIX}{keys.QUEUE}", 0, -1)
    return sum(job.job_id.encode() in message for message in messages)


def _breaking(monkeypatch: pytest.MonkeyPatch, method: str, *, first: bool = True, times: int = 1) -> Callable[[], int]:
    """Let the connection break while a method of the ledger runs: after it was done, unless not even that."""
    done = getattr(Ledger, method)
    calls = []

    def breaks(self: Ledger, *arguments: object, **named: object) -> object:
        calls.append(arguments)
        answer = done(self, *arguments, **named) if first or len(calls) > times else None
        if len(calls) <= times:
            raise BROKEN
        return answer

    monkeypatch.setattr(Ledger, method, breaks)
    return lambda: len(calls)


def test_a_job_is_stored_and_published(connection: Connection) -> None:
    job = make_job(3)
    send(connection, job)
    assert _queued(connection, job) == 3
    assert connection.client.hget(keys.job(job.job_id), JobField.PUBLISHED)


def test_the_connection_breaks_after_the_job_was_stored(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = make_job(3)
    _breaking(monkeypatch, "store")
    send(connection, job)
    assert _queued(connection, job) == 3


def test_the_connection_breaks_before_the_job_was_stored(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = make_job(3)
    _breaking(monkeypatch, "store", first=False)
    with pytest.raises(BrokerUnreachableError, match="no Redis answers") as caught:
        send(connection, job)
    assert caught.value.__cause__ is BROKEN
    assert _left(connection, job) == []
    assert _queued(connection, job) == 0


def test_whether_it_was_stored_is_asked_until_there_is_an_answer(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = make_job(3)
    _breaking(monkeypatch, "store")
    asked = _breaking(monkeypatch, "snapshot", times=3)
    send(connection, job)
    assert asked() == 4
    assert _queued(connection, job) == 3


def test_without_an_answer_the_error_says_what_isnt_known(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = make_job(3)
    _breaking(monkeypatch, "store")
    _breaking(monkeypatch, "snapshot", times=1000)
    with pytest.raises(BrokerUnreachableError, match=f"job {job.job_id} was being stored, and whether it was is not"):
        send(connection, job, settle_seconds=0.3)


def test_a_redis_that_isnt_there_is_asked_nothing_more() -> None:
    connection = Connection(parse_broker("redis://127.0.0.1:1/0"))
    with pytest.raises(BrokerUnreachableError, match=r"no Redis answers at redis://127\.0\.0\.1:1/0") as caught:
        send(connection, make_job())
    assert "is not known" not in str(caught.value)


@pytest.mark.parametrize("broken", ["publish", "published"])
def test_the_connection_breaks_while_a_stored_job_is_published(
    broken: str, connection: Connection, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    job = make_job(3)
    if broken == "publish":

        def publish(self: Connection, *_: object) -> None:
            raise BrokerUnreachableError("gone")

        monkeypatch.setattr(Connection, "publish", publish)
    else:
        _breaking(monkeypatch, "published", first=False)
    with caplog.at_level(logging.WARNING, "qfleet"):
        send(connection, job)
    assert f"job {job.job_id} is stored, but the connection broke" in caplog.text
    # It is the workers' now: the ledger doesn't say that all was published.
    assert connection.client.hget(keys.job(job.job_id), JobField.PUBLISHED) is None
    assert connection.client.zscore(keys.ACTIVE, job.job_id) is not None


@pytest.mark.parametrize("error", [BrokerFullError("full"), BrokerError("bad"), KeyboardInterrupt(), ValueError()])
def test_anything_else_while_it_is_published_takes_the_job_back(
    error: BaseException, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = make_job(3)

    def publish(self: Connection, *_: object) -> None:
        raise error

    monkeypatch.setattr(Connection, "publish", publish)
    with pytest.raises(type(error)) as caught:
        send(connection, job)
    assert caught.value is error
    assert _left(connection, job) == []
    assert connection.client.zscore(keys.JOBS, job.job_id) is None
    assert connection.client.zscore(keys.ACTIVE, job.job_id) is None


def test_connections_that_were_dropped_meanwhile_are_made_anew(connection: Connection) -> None:
    send(connection, make_job(3))
    for shards in (1, 3):
        job = make_job(shards)
        connection.client.client_kill_filter(skipme=True)
        send(connection, job)
        assert _queued(connection, job) == shards
        assert connection.client.hget(keys.job(job.job_id), JobField.PUBLISHED)


def test_a_copy_of_a_program_is_lost_as_the_connection_breaks(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(2):
        send(connection, make_job(1))
    job = make_job(3)
    (name,) = job.programs
    keep = Ledger.keep

    def lose(self: Ledger, names: Sequence[str]) -> tuple[float, set[str]]:
        found = keep(self, names)
        assert found[1] == {name}
        connection.client.delete(keys.program(name))
        return found

    monkeypatch.setattr(Ledger, "keep", lose)
    _breaking(monkeypatch, "store")
    send(connection, job)
    assert connection.client.hgetall(keys.programs(job.job_id)) == {name.encode(): job.programs[name]}
    assert _queued(connection, job) == 3


@pytest.mark.parametrize("key", [keys.JOBS, keys.IDS, keys.ACTIVE])
def test_a_key_of_another_type_leaves_no_job(key: str) -> None:
    with redis_server() as port:
        connection = Connection(parse_broker(f"redis://127.0.0.1:{port}/0"))
        connection.client.set(key, "junk")
        job = make_job(2)
        with pytest.raises(BrokerError, match=f"WRONGTYPE|{key}"):
            send(connection, job)
        assert _left(connection, job) == []
        assert [each for each in connection.client.scan_iter()] == [key.encode()]
        connection.close()


def test_a_program_that_cant_be_given_leaves_no_job(connection: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    job = make_job(3)
    store = Ledger.store

    def lose(self: Ledger, *arguments: object, **named: object) -> list[str]:
        store(self, *arguments, **named)  # type: ignore[arg-type]
        return list(job.programs)

    def refuse(*_: object) -> None:
        raise BrokerFullError("Redis is out of memory")

    monkeypatch.setattr(Ledger, "store", lose)
    monkeypatch.setattr(Ledger, "give", refuse)
    with pytest.raises(BrokerFullError):
        send(connection, job)
    assert _left(connection, job) == []
