# SPDX-License-Identifier: Apache-2.0
"""The messages about a job that this process sent."""

from __future__ import annotations

import pytest
from make_jobs import make_circuit_result, make_job

from qfleet.ledger import Ticket
from qfleet.ledger.snapshot import first_snapshot
from qfleet.wire.codec.shards import encode_shard
from qfleet.wire.messages.result import ShardResult

RESULT = encode_shard(ShardResult((make_circuit_result(),)))


def made() -> Ticket:
    ticket = Ticket("job", is_sure=True)
    ticket.stored = first_snapshot(make_job(1), created=10.0)
    return ticket


def test_an_end_with_a_result() -> None:
    ticket = made()
    assert (ticket.is_told, ticket.end()) == (False, None)
    ticket.tell(b"12.5 11 0.25 " + RESULT)
    end = ticket.end()
    assert ticket.is_told
    assert end is not None
    assert end.result == ShardResult((make_circuit_result(),))
    assert (end.snapshot.created, end.snapshot.began, end.snapshot.ended) == (10.0, 11.0, 12.5)
    assert end.snapshot.usage == 0.25
    assert (end.snapshot.circuits_done, end.snapshot.is_final) == (1, True)
    assert {state: number for state, number in end.snapshot.states.items() if number} == {"SUCCESS": 1}


@pytest.mark.parametrize(
    "told",
    [
        b"",
        b"12.5",
        b"12.5 11 0.25",
        b"12.5 11 0.25 x",
        *(
            numbers + b" " + RESULT
            for numbers in (b"x 11 0.25", b"nan 11 0.25", b"-1 11 0.25", b"12.5 x 0.25", b"12.5 11 x")
        ),
    ],
)
def test_an_end_that_can_not_be_read_is_in_the_ledger(told: bytes) -> None:
    ticket = made()
    ticket.tell(told)
    assert (ticket.is_told, ticket.end()) == (True, None)
    ticket.tell(b"12.5 11 0.25 " + RESULT)
    assert ticket.end() is not None


def test_a_message_that_comes_before_the_answer_to_the_sender() -> None:
    ticket = Ticket("job", is_sure=True)
    ticket.tell(b"12.5 11 0.25 " + RESULT)
    assert (ticket.is_told, ticket.end()) == (True, None)
    ticket.stored = first_snapshot(make_job(1), created=10.0)
    assert ticket.end() is not None
