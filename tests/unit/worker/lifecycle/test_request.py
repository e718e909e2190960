# SPDX-License-Identifier: Apache-2.0
"""The ledger learns what became of each shard that Celery had."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from billiard.exceptions import WorkerLostError
from celery.exceptions import Reject
from celery.worker.request import Request
from kombu.exceptions import OperationalError
from redis.exceptions import ConnectionError as NoConnection
from redis.exceptions import OutOfMemoryError

from qfleet_worker.lifecycle.request import shard_request
from qfleet_worker.machine.resources import usable_cores
from qfleet_worker.store import NEEDS_MESSAGE

CHOSEN = ("job", 3, "w@h/1/a", 2, "", 5000, 4, "")
NAMED = ("job", 3, "", 0, "", 1000, 0, "")


@dataclass
class FakeStore:
    """Notes the reports, and gives a prepared answer."""

    answer: int = 1
    runs_it: bool = True
    error: Exception | None = None
    calls: list[tuple[object, ...]] = field(default_factory=list)
    #: the core seconds in each report
    spent: list[float] = field(default_factory=list)

    def owner_of(self, process: int | None) -> str:
        return f"w@h/{process}/"

    def release(self, *what: object, spent: float) -> int:
        self._noted("release", *what, spent=spent)
        return self.answer

    def fail(self, *what: object, spent: float) -> None:
        self._noted("fail", *what, spent=spent)

    def stopped(self, *what: object, spent: float) -> int:
        self._noted("stopped", *what, spent=spent)
        return self.answer

    def runs(self, *what: object) -> bool:
        self._noted("runs", *what)
        return self.runs_it

    def _noted(self, *what: object, spent: float | None = None) -> None:
        self.calls.append(what)
        if spent is not None:
            self.spent.append(spent)
        if self.error is not None:
            raise self.error


class Ledger:
    """The reports of one request."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.store = FakeStore()
        self.published: list[tuple[str, int]] = []
        self.ended: list[Any] = []
        self.was_short = False
        self.publish: Callable[[str, int], None] = lambda *shard: self.published.append(shard)
        monkeypatch.setattr(Request, "__init__", lambda _: None)
        # What Celery does beside: it rejects what was lost, and what rejects itself.
        monkeypatch.setattr(Request, "on_failure", lambda request, *_: request.reject(requeue=True))
        monkeypatch.setattr(Request, "acknowledge", lambda request: setattr(request, "acknowledged", True))
        monkeypatch.setattr(Request, "terminate", lambda *_: None)
        monkeypatch.setattr(Request, "on_timeout", lambda *_: None)
        monkeypatch.setattr(Request, "on_accepted", lambda *_: None)

    def request(self, arguments: tuple[object, ...] = CHOSEN, *, process: int | None = 77) -> Any:
        made = shard_request(
            self.store,  # type: ignore[arg-type]
            lambda *shard: self.publish(*shard),
            self.ended.append,
            lambda: self.was_short,
        )
        request = made()  # type: ignore[call-arg]
        request.id = "job.3"
        request._args = arguments
        request._request_dict = {"tenant": "alice", "charged": 0.25}
        if process is not None:
            request.worker_pid, request.time_start = process, time.time() - 10
        return request


@pytest.fixture
def ledger(monkeypatch: pytest.MonkeyPatch) -> Ledger:
    return Ledger(monkeypatch)


def _failure(error: Exception) -> Any:
    return SimpleNamespace(exception=error)


def test_what_a_request_knows_of_its_shard(ledger: Ledger) -> None:
    request = ledger.request()
    assert (request.shard, request.owner, request.grant) == (("job", 3), "w@h/1/a", 5000)
    assert (request.tenant, request.charged) == ("alice", 0.25)
    assert 10 <= request.seconds < 100
    assert ledger.request(process=None).seconds == 0
    assert ledger.request(NAMED).owner == "w@h/77/"


@pytest.mark.parametrize(("arguments", "owner"), [(CHOSEN, "w@h/1/a"), (NAMED, "w@h/77/")], ids=["chosen", "named"])
@pytest.mark.parametrize("answer", [0, 1, NEEDS_MESSAGE])
@pytest.mark.parametrize(
    ("error", "cause"),
    [(WorkerLostError("exitcode 3"), "exit code 3"), (Reject("out of memory", requeue=True), "out of memory")],
    ids=["died", "rejected"],
)
def test_a_shard_that_could_not_be_run_is_told_once(
    ledger: Ledger, arguments: tuple[object, ...], owner: str, answer: int, error: Exception, cause: str
) -> None:
    ledger.store.answer = answer
    request = ledger.request(arguments)
    request.on_failure(_failure(error))
    # It began 10 s ago, and nobody knows what its process took: 4 threads, or all cores.
    cores = 4 if arguments is CHOSEN else usable_cores()
    assert ledger.store.spent == [pytest.approx(10 * cores, rel=0.5)]
    # An attempt: it isn't released as well.
    assert ledger.store.calls == [("stopped", "job", 3, owner, cause)]
    assert ledger.published == [("job", 3)] * (answer == NEEDS_MESSAGE)
    assert ledger.ended == [request]


@pytest.mark.parametrize("was_short", [True, False])
def test_a_process_that_died_for_want_of_memory_is_not_the_fault_of_the_shard(ledger: Ledger, was_short: bool) -> None:
    ledger.was_short = was_short
    request = ledger.request()
    request.on_failure(_failure(WorkerLostError("signal 9 (SIGKILL)")))
    assert [name for name, *_ in ledger.store.calls] == ["release" if was_short else "stopped"]
    assert ledger.ended == [request]
    assert request.ran_short is was_short


def test_a_process_that_crashed_did_not_die_for_want_of_memory(ledger: Ledger) -> None:
    ledger.was_short = True
    request = ledger.request()
    request.on_failure(_failure(WorkerLostError("signal 11 (SIGSEGV)")))
    assert [name for name, *_ in ledger.store.calls] == ["stopped"]
    assert not request.ran_short


def test_a_shard_that_rejects_itself_says_nothing_of_the_memory(ledger: Ledger) -> None:
    ledger.was_short = True
    request = ledger.request()
    request.on_failure(_failure(Reject("gone", requeue=True)))
    assert not request.ran_short


@pytest.mark.parametrize("requeue", [True, False])
def test_a_shard_that_did_not_run_is_handed_back_once(ledger: Ledger, requeue: bool) -> None:
    request = ledger.request(process=None)
    request.reject(requeue)
    request.reject(requeue)
    assert ledger.store.calls == [("release", "job", 3, "w@h/1/a")] * requeue
    assert ledger.store.spent == [0.0] * requeue
    assert ledger.published == []
    assert ledger.ended == [request]


def test_a_named_shard_that_no_process_has_claimed_needs_a_message_again(ledger: Ledger) -> None:
    ledger.request(NAMED, process=None).reject(requeue=True)
    assert (ledger.store.calls, ledger.published) == ([], [("job", 3)])


@pytest.mark.parametrize(("arguments", "owner"), [(CHOSEN, "w@h/1/a"), (NAMED, "w@h/77/")], ids=["chosen", "named"])
def test_a_shard_whose_time_is_over_has_failed(ledger: Ledger, arguments: tuple[object, ...], owner: str) -> None:
    ledger.request(arguments).on_timeout(False, 5.0)
    ((*call, error),) = ledger.store.calls
    assert call == ["fail", "job", 3, owner]
    assert "longer than the 5 s" in str(error)


def test_a_named_shard_that_runs_is_released(ledger: Ledger) -> None:
    ledger.store.answer = NEEDS_MESSAGE
    ledger.request(NAMED).release()
    assert (ledger.store.calls, ledger.published) == ([("release", "job", 3, "w@h/77/")], [("job", 3)])


def test_a_cancelled_shard_is_known_to_be_dead(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[shard_request.__module__], "_is_gone", lambda _: True)
    ledger.request().terminate(None)
    assert ledger.store.calls == [("runs", "job", 3, "w@h/1/a"), ("stopped", "job", 3, "w@h/1/a", "")]


def test_a_shard_that_the_ledger_has_elsewhere_is_killed(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    killed: list[object] = []
    monkeypatch.setattr(Request, "terminate", lambda _, *how: killed.append(how))
    ledger.store.runs_it = False
    ledger.request(process=None).abandon("pool")
    assert killed == [("pool", "SIGKILL")]


def test_the_processor_time_of_its_process_counts(ledger: Ledger) -> None:
    request = ledger.request(process=os.getpid())
    request.on_accepted(os.getpid(), time.monotonic())
    begin = time.process_time()
    while time.process_time() < begin + 0.1:
        sum(range(1000))
    request.release()
    if sys.platform == "linux":
        assert 0.1 <= ledger.store.spent[0] < 5
    request.on_failure(_failure(WorkerLostError("exitcode 3")))
    assert ledger.store.spent[1] >= ledger.store.spent[0]


def test_a_process_that_has_finished_the_shard_is_left_alone(ledger: Ledger) -> None:
    ledger.store.runs_it = False
    ledger.request().terminate(None)
    assert ledger.store.calls == [("runs", "job", 3, "w@h/1/a")]


@pytest.mark.parametrize("error", [OutOfMemoryError("full"), NoConnection("gone")])
def test_a_redis_that_takes_no_report_ends_no_worker(
    ledger: Ledger, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    ledger.store.error = error
    request = ledger.request(process=None)
    request.reject(requeue=True)
    assert request.acknowledged
    assert "it will be missed" in caplog.text


def test_a_queue_that_takes_no_message_ends_no_worker(ledger: Ledger, caplog: pytest.LogCaptureFixture) -> None:
    def refuse(*_: object) -> None:
        raise OperationalError("gone")

    ledger.publish = refuse
    request = ledger.request(NAMED, process=None)
    request.reject(requeue=True)
    assert request.acknowledged
    assert "it will be missed" in caplog.text
