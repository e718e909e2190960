# SPDX-License-Identifier: Apache-2.0
"""A worker holds shards by Celery's state, until their end, with a sign of life."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from celery.worker import state
from make_jobs import make_presence
from redis.exceptions import ConnectionError as NoConnection

from qfleet.wire.messages.presence import Presence
from qfleet_worker.lifecycle import presence as signs
from qfleet_worker.lifecycle.held import held_requests, is_stopping
from qfleet_worker.lifecycle.presence import SignOfLife


class Request:
    """A request of Celery's."""

    def __init__(self, name: str) -> None:
        self.id = self.name = name
        self.released = 0

    def release(self) -> None:
        self.released += 1


def test_a_request_is_held_from_its_choice_to_its_end() -> None:
    state.reset_state()
    request = Request("job.3")
    assert held_requests() == set()
    state.task_reserved(request)
    assert held_requests() == {request}
    state.task_accepted(request)
    assert held_requests() == {request}
    state.task_ready(request)
    assert held_requests() == set()


@pytest.mark.parametrize("name", ["should_stop", "should_terminate"])
@pytest.mark.parametrize(("told", "stops"), [(None, False), (False, False), (0, True), (True, True), (1, True)])
def test_a_worker_is_told_to_stop_by_any_exit_code(
    name: str, told: object, stops: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state, name, told)
    assert is_stopping() is stops


@dataclass
class FakeStore:
    """Notes what is shown."""

    shown: list[Presence | None] = field(default_factory=list)
    fails: bool = False
    drains: bool = False

    def renew_presence(self, presence: Presence) -> bool:
        if self.fails:
            raise NoConnection("gone")
        self.shown.append(presence)
        return self.drains

    def withdraw_presence(self) -> None:
        if self.fails:
            raise NoConnection("gone")
        self.shown.append(None)


@pytest.fixture
def requests(monkeypatch: pytest.MonkeyPatch) -> list[Request]:
    """Return the requests that the worker holds."""
    requests = [Request("job.2"), Request("job.1")]
    monkeypatch.setattr(signs, "held_requests", lambda: requests)
    return requests


def _sign(store: FakeStore, told: list[bool] | None = None) -> SignOfLife:
    told = [] if told is None else told
    return SignOfLife(store, make_presence(), told.append)  # type: ignore[arg-type]


def test_a_worker_shows_what_it_holds_until_it_hands_that_back(requests: list[Request]) -> None:
    store = FakeStore()
    sign = _sign(store)
    sign.show(engine="numpy")
    sign.renew()
    assert store.shown == [make_presence(engine="numpy", holds=("job.1", "job.2"))] * 2
    sign.withdraw()
    assert [request.released for request in requests] == [1, 1]
    # It doesn't come back.
    sign.renew()
    assert store.shown[2:] == [None]


def test_a_worker_learns_that_it_shall_take_no_more(requests: list[Request]) -> None:
    store, told = FakeStore(), list[bool]()
    sign = _sign(store, told)
    sign.show()
    store.drains = True
    sign.renew()
    assert told == [False, True]


def test_a_worker_that_never_took_a_task_shows_nothing(requests: list[Request]) -> None:
    store = FakeStore()
    sign = _sign(store)
    sign.renew()
    sign.withdraw()
    assert store.shown == []
    assert [request.released for request in requests] == [1, 1]


def test_a_redis_that_is_away_ends_no_worker(requests: list[Request], caplog: pytest.LogCaptureFixture) -> None:
    store = FakeStore(fails=True)
    sign = _sign(store)
    sign.show()
    sign.withdraw()
    assert "could not renew this worker's presence" in caplog.text
    assert "could not take this worker off the list" in caplog.text
    assert [request.released for request in requests] == [1, 1]
