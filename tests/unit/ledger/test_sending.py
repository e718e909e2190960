# SPDX-License-Identifier: Apache-2.0
"""A job is stored whole, or not at all, wherever the connection breaks; on a real Redis."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import msgspec
import pytest
import redis
from make_jobs import make_job, store_as_0_1
from monitored import monitored
from picker import Picker
from processes import redis_server
from redis.client import Pipeline

from qfleet.errors import BrokerError, BrokerFullError, BrokerUnreachableError
from qfleet.ledger import Connection, Ledger, NewJob, publish, send
from qfleet.wire.cost.tiers import Tier
from qfleet.wire.lua import INLINE_BYTES
from qfleet.wire.redis import keys
from qfleet.wire.redis.broker import parse_broker
from qfleet.wire.redis.fields import JobField

BROKEN = redis.ConnectionError("Connection closed by server.")


@pytest.fixture
def connection() -> Iterator[Connection]:
    """Yield a connection to a Redis that this test has for itself."""
    with redis_server() as port:
        connection = Connection(parse_broker(f"redis://127.0.0.1:{port}/0"), "lab")
        yield connection
        connection.close()


def _left(connection: Connection, job: NewJob) -> list[str]:
    return [key.decode() for key in connection.client.scan_iter(match=f"*{job.job_id}*", count=1000)]


def _queued(connection: Connection, job: NewJob) -> int:
    """Return the number of a job's shards that can be chosen, and forget the tokens."""
    tokens = sum(connection.client.llen(keys.tokens(tier.number)) for tier in job.all_tiers)
    connection.client.delete(*(keys.tokens(tier.number) for tier in job.all_tiers))
    waits = connection.client.zscore(keys.ready(0, job.tenant), job.job_id) is not None
    return tokens if waits else 0


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


def test_the_first_job_has_as_many_tokens_as_shards(connection: Connection) -> None:
    job = make_job(3)
    send(connection, job)
    assert _queued(connection, job) == 3


@pytest.mark.parametrize(("bytes_of_work", "field"), [(10, b"1"), (INLINE_BYTES, None)])
def test_a_job_says_whether_its_work_is_small(connection: Connection, bytes_of_work: int, field: bytes | None) -> None:
    job = make_job(2)
    large = msgspec.structs.replace(job.shards[0].circuits[0], values=bytes(8 * (bytes_of_work // 8)))
    shards = [job.shards[0], msgspec.structs.replace(job.shards[1], circuits=(large,))]
    send(connection, replace(job, shards=shards))
    assert connection.client.hget(keys.job(job.job_id), JobField.INLINE) == field


def test_a_job_is_stored_in_one_transaction(connection: Connection) -> None:
    send(connection, make_job(1))
    connection.client.delete(keys.tokens(0))
    job = make_job(3)
    with monitored(connection.client, scripts=False) as commands:
        record = send(connection, job).record
    assert (commands[0], commands[-1]) == ("MULTI", "EXEC")
    assert [command.split()[0] for command in commands].count("MULTI") == 1
    assert _queued(connection, job) == 3
    with connection.ledger() as ledger:
        assert ledger.snapshot(job.job_id).created == record.created
        assert ledger.record(job.job_id) == record
    assert abs(record.created - connection.client.time()[0]) < 60
    assert connection.client.zscore(keys.UNFINISHED, job.job_id) == pytest.approx(record.created, abs=1e-6)


def test_a_job_without_a_tenant_is_the_connections(connection: Connection) -> None:
    named, unnamed = make_job(1, tenant="bob"), make_job(1, tenant="")
    for job in (named, unnamed):
        send(connection, job)
    with connection.ledger() as ledger:
        assert [ledger.snapshot(job.job_id).tenant for job in (named, unnamed)] == ["bob", "lab"]


def test_a_job_without_shards_has_ended(connection: Connection) -> None:
    job = make_job(0, programs={})
    send(connection, job)
    with connection.ledger() as ledger:
        snapshot = ledger.snapshot(job.job_id)
    assert snapshot.is_final
    assert snapshot.ended == snapshot.created
    assert connection.client.ttl(keys.job(job.job_id)) > 0
    assert connection.client.zscore(keys.UNFINISHED, job.job_id) is None


def test_the_tiers_of_a_job_are_chosen_by_their_memory(connection: Connection) -> None:
    tiers = (
        Tier(0, 0, 2, need=2**20, slow=3 * 2**20, seconds=0.25, num_qubits=3),
        Tier(4, 2, 3, need=2**30, slow=3 * 2**30, seconds=1.5, num_qubits=26),
    )
    job = make_job(3, tiers=tiers, weight=8)
    send(connection, job)
    assert [connection.client.llen(keys.tokens(tier)) for tier in range(5)] == [2, 0, 0, 0, 1]
    picker = Picker(connection.client)
    assert picker.pick(0, 2**20 - 1) == 0
    chosen = [picker.choose(tier) for tier in (0, 0, 4)]
    assert sorted((choice.index, choice.need, choice.seconds) for choice in chosen) == [
        (0, 2**20, 0.25),
        (1, 2**20, 0.25),
        (2, 2**30, 1.5),
    ]


def test_a_redis_that_has_just_started_gets_the_script(connection: Connection) -> None:
    send(connection, make_job(1))
    connection.client.delete(keys.tokens(0))
    connection.client.script_flush()
    job = make_job(3)
    send(connection, job)
    # Workers may have popped the tokens of the first try, and found nothing.
    assert _queued(connection, job) == 6
    with connection.ledger() as ledger:
        assert ledger.snapshot(job.job_id).states["PENDING"] == 3


def test_a_full_redis_stores_nothing(connection: Connection) -> None:
    connection.client.config_set("maxmemory", 1)
    job = make_job(3)
    with pytest.raises(BrokerFullError):
        send(connection, job)
    connection.client.config_set("maxmemory", 0)
    assert _queued(connection, job) == 0


def test_a_job_is_never_stored_twice(connection: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    send(connection, make_job(1))
    connection.client.delete(keys.tokens(0))
    job = make_job(3)
    picker = Picker(connection.client, pool=2**30)
    execute = Pipeline._execute_transaction

    def breaks(self: Pipeline, *arguments: object) -> object:
        execute(self, *arguments)
        # The answer is lost, and meanwhile a worker has begun.
        while picker.choose(None).job_id != job.job_id:
            pass
        monkeypatch.undo()
        raise BROKEN

    monkeypatch.setattr(Pipeline, "_execute_transaction", breaks)
    send(connection, job)
    with connection.ledger() as ledger:
        snapshot = ledger.snapshot(job.job_id)
    assert (snapshot.states["STARTED"], snapshot.states["PENDING"]) == (1, 2)


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
    asked = _breaking(monkeypatch, "store_again", times=3)
    send(connection, job)
    assert asked() == 4
    assert _queued(connection, job) == 3


def test_without_an_answer_the_error_says_what_isnt_known(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = make_job(3)
    _breaking(monkeypatch, "store")
    _breaking(monkeypatch, "store_again", times=1000)
    with pytest.raises(BrokerUnreachableError, match=f"job {job.job_id} was being stored, and whether it was is not"):
        send(connection, job, settle_seconds=0.3)


def test_a_redis_that_isnt_there_is_asked_nothing_more() -> None:
    connection = Connection(parse_broker("redis://127.0.0.1:1/0"))
    with pytest.raises(BrokerUnreachableError, match=r"no Redis answers at redis://127\.0\.0\.1:1/0") as caught:
        send(connection, make_job())
    assert "is not known" not in str(caught.value)


@pytest.mark.parametrize("broken", ["publish", "published"])
def test_the_connection_breaks_while_tasks_of_an_old_job_are_published(
    broken: str, connection: Connection, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    job = make_job(3)
    store_as_0_1(connection.client, job)
    if broken == "publish":

        def breaks(self: Connection, *_: object) -> None:
            raise BrokerUnreachableError("gone")

        monkeypatch.setattr(Connection, "publish", breaks)
    else:
        _breaking(monkeypatch, "published", first=False)
    with caplog.at_level(logging.WARNING, "qfleet"):
        publish(connection, job.job_id, range(3))
    assert f"the connection broke while tasks of job {job.job_id}" in caplog.text
    # It is the workers' now: the ledger doesn't say that all was published.
    assert connection.client.hget(keys.job(job.job_id), JobField.PUBLISHED) is None


@pytest.mark.parametrize("error", [BrokerFullError("full"), BrokerError("bad"), KeyboardInterrupt(), ValueError()])
def test_anything_else_while_it_is_stored_takes_the_job_back(
    error: BaseException, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = make_job(3)
    store = Ledger.store

    def breaks(self: Ledger, job: NewJob, **repeats: Sequence[str]) -> float:
        store(self, job, **repeats)
        raise error

    monkeypatch.setattr(Ledger, "store", breaks)
    with pytest.raises(type(error)) as caught:
        send(connection, job)
    assert caught.value is error
    assert _left(connection, job) == []
    assert [connection.client.zscore(key, job.job_id) for key in (keys.jobs(""), keys.ids(""), keys.UNFINISHED)] == [
        None
    ] * 3
    assert not connection.client.exists(keys.ready(0))


def test_connections_that_were_dropped_meanwhile_are_made_anew(connection: Connection) -> None:
    send(connection, make_job(3))
    connection.client.delete(keys.tokens(0))
    for shards in (1, 3):
        job = make_job(shards)
        connection.client.client_kill_filter(skipme=True)
        send(connection, job)
        assert _queued(connection, job) == shards


def test_a_copy_of_a_program_is_lost(connection: Connection) -> None:
    for _ in range(2):
        send(connection, make_job(1))
    job = make_job(3)
    (name,) = job.programs
    assert connection.client.get(keys.program(job.tenant, name)) == job.programs[name]
    connection.client.delete(keys.program(job.tenant, name), keys.tokens(0))
    send(connection, job)
    assert connection.client.hgetall(keys.programs(job.job_id)) == {name.encode(): job.programs[name]}
    assert connection.client.get(keys.program(job.tenant, name)) == job.programs[name]
    assert _queued(connection, job) == 6


def test_a_copy_of_a_program_is_lost_as_the_connection_breaks(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(2):
        send(connection, make_job(1))
    job = make_job(3)
    (name,) = job.programs
    connection.client.delete(keys.program(job.tenant, name), keys.tokens(0))

    def breaks(*_: object) -> None:
        monkeypatch.undo()
        raise BROKEN

    monkeypatch.setattr(Ledger, "_submit", breaks)
    send(connection, job)
    assert connection.client.hgetall(keys.programs(job.job_id)) == {name.encode(): job.programs[name]}
    assert _queued(connection, job) == 6


@pytest.mark.parametrize(
    "key", [keys.jobs(""), keys.ids(""), keys.UNFINISHED, keys.SCHED, keys.ready(0), keys.tokens(0)]
)
def test_a_key_of_another_type_leaves_no_job(key: str, connection: Connection) -> None:
    connection.client.set(key, "junk")
    job = make_job(2)
    with pytest.raises(BrokerError, match=f"WRONGTYPE|{key}"):
        send(connection, job)
    assert _left(connection, job) == []
