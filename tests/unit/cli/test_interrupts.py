# SPDX-License-Identifier: Apache-2.0
"""An interrupt that something swallows comes again, and what it says is what is true then."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator

import pytest

from qfleet.cli import interrupts


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    interrupts.reset()
    yield
    interrupts.reset()


class Swallows:
    """As many libraries' objects do: what is raised while it is deleted goes nowhere."""

    def __del__(self) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0)


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_raises_in_the_block_and_not_after_it(signum: signal.Signals) -> None:
    before = signal.getsignal(signum)
    with pytest.raises(KeyboardInterrupt), interrupts.raised():  # noqa: PT012
        os.kill(os.getpid(), signum)
        time.sleep(30)
    assert interrupts.came()
    assert signal.getsignal(signum) is before


def test_one_that_a_destructor_swallows_comes_again() -> None:
    with pytest.raises(KeyboardInterrupt), interrupts.raised():  # noqa: PT012
        Swallows()
        time.sleep(30)


def test_one_that_was_caught_ends_the_block() -> None:
    reached = []
    with pytest.raises(KeyboardInterrupt), interrupts.raised():  # noqa: PT012
        try:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(30)
        except BaseException:  # noqa: BLE001, S110 - as bad code does
            pass
        reached.append(1)
    assert reached == [1]


def test_one_that_was_waited_for_is_done() -> None:
    with interrupts.raised():
        try:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(30)
        except KeyboardInterrupt:
            interrupts.forget()
    assert not interrupts.came()


def test_what_it_says() -> None:
    assert interrupts.message() == "interrupted"
    interrupts.say("interrupted; job x\x1b goes on")
    assert interrupts.message(KeyboardInterrupt()) == "interrupted; job x\\x1b goes on"
    noted = KeyboardInterrupt()
    noted.add_note("Job 1 goes on.")
    assert interrupts.message(noted) == "interrupted. Job 1 goes on."
