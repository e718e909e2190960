# SPDX-License-Identifier: Apache-2.0
"""Waits endure that Redis is away for a while."""

from __future__ import annotations

import fakeredis
import pytest
import redis
from connections import connection_to

import qfleet.jobs.waiting
from qfleet.errors import BrokerUnreachableError, FleetJobTimeoutError
from qfleet.jobs.waiting import OUTAGE_SECONDS, Deadline
from qfleet.ledger import Ledger

GONE = BrokerUnreachableError("no Redis answers at redis://broker")


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0
        self.pauses: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds


def _endure(deadline: Deadline, clock: Clock) -> None:
    while True:
        clock.sleep(deadline.pause_after(GONE))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(qfleet.jobs.waiting, "time", clock)
    return clock


def test_an_outage_is_endured_for_a_minute_and_not_much_longer(clock: Clock) -> None:
    deadline = Deadline("the-job", None)
    with pytest.raises(BrokerUnreachableError, match=r"job the-job goes on.*provider\.job\('the-job'\)") as caught:
        _endure(deadline, clock)
    assert caught.value.__cause__ is GONE
    assert OUTAGE_SECONDS < clock.now - 1000 < OUTAGE_SECONDS + 2


def test_pauses_grow_up_to_a_second_and_start_again_after_an_answer(clock: Clock) -> None:
    deadline = Deadline("the-job", None)
    for _ in range(8):
        clock.sleep(deadline.pause_after(GONE))
    deadline.answered()
    clock.sleep(deadline.pause_after(GONE))
    assert clock.pauses == [0.05, 0.1, 0.2, 0.4, 0.8, 1.0, 1.0, 1.0, 0.05]


def test_each_outage_has_its_own_minute(clock: Clock) -> None:
    deadline = Deadline("the-job", None)
    for _ in range(5):
        clock.sleep(deadline.pause_after(GONE))
        clock.now += OUTAGE_SECONDS - 1
        clock.sleep(deadline.pause_after(GONE))
        deadline.answered()
        clock.now += 10_000  # waiting for the job, say


def test_a_timeout_ends_before_an_outage_does(clock: Clock) -> None:
    deadline = Deadline("the-job", 1.0)
    with pytest.raises(FleetJobTimeoutError, match=r"the-job is not known to have ended within 1\.0 s: no Redis"):
        _endure(deadline, clock)
    assert clock.now - 1000 == pytest.approx(1.0)


@pytest.mark.parametrize("timeout", [0, -1, float("-inf")])
def test_no_time_at_all_is_a_timeout(timeout: float, clock: Clock) -> None:
    assert Deadline("the-job", timeout).left() <= 0


def test_a_question_is_asked_until_it_is_answered(clock: Clock) -> None:
    connection = connection_to(fakeredis.FakeRedis())
    asked = []

    def question(ledger: Ledger) -> str:
        asked.append(ledger)
        if len(asked) < 4:
            raise redis.ConnectionError("refused")
        return "answer"

    deadline = Deadline("the-job", None)
    assert deadline.ask(connection, question) == "answer"
    assert clock.pauses == [0.05, 0.1, 0.2]
    # The outage is over.
    clock.sleep(deadline.pause_after(GONE))
    assert clock.pauses[-1] == 0.05
