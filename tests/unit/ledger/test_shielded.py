# SPDX-License-Identifier: Apache-2.0
"""A signal waits for the end of a step that must not be cut in two, and is never lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest
from circuits import bell

import qfleet.jobs.base
from qfleet import FleetProvider
from qfleet.ledger import Connection, NewJob, Sent, Ticket
from qfleet.ledger.shielded import shielded
from qfleet.wire.redis.references import id_of


@pytest.fixture(autouse=True)
def _handlers() -> Iterator[None]:
    """Ctrl-C raises KeyboardInterrupt, and after the test nothing has changed."""
    before = {signum: signal.getsignal(signum) for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    for signum, handler in before.items():
        signal.signal(signum, handler)


def test_the_step_is_done_first() -> None:
    done = []
    with pytest.raises(KeyboardInterrupt):  # noqa: PT012, SIM117
        with shielded() as signals:
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)
            assert signals.interrupted
            done.append(1)
    assert done == [1]


def test_blocks_may_be_nested() -> None:
    done = []
    with pytest.raises(KeyboardInterrupt):  # noqa: PT012, SIM117
        with shielded():
            with shielded():
                os.kill(os.getpid(), signal.SIGINT)
            done.append(1)
    assert done == [1]


def test_an_error_of_the_step_is_not_lost() -> None:
    with pytest.raises(KeyboardInterrupt) as caught, shielded():  # noqa: PT012
        os.kill(os.getpid(), signal.SIGINT)
        raise ZeroDivisionError
    assert isinstance(caught.value.__context__, ZeroDivisionError)


def test_an_impatient_block_ends_with_the_second_signal() -> None:
    done = []
    with pytest.raises(KeyboardInterrupt):  # noqa: PT012, SIM117
        with shielded(patient=False):
            os.kill(os.getpid(), signal.SIGINT)
            done.append(1)
            os.kill(os.getpid(), signal.SIGINT)
            done.append(2)
    assert done == [1]


def test_nothing_came() -> None:
    with shielded() as signals:
        assert not signals.interrupted


def test_a_signal_without_a_handler_ends_the_process_after_the_step() -> None:
    code = (
        "import os, signal\n"
        "from qfleet.ledger.shielded import shielded\n"
        "with shielded():\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "    print('done', flush=True)\n"
        "print('never', flush=True)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (-signal.SIGTERM, "done\n")


def test_an_ignored_signal_stays_ignored() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with shielded() as signals:
        os.kill(os.getpid(), signal.SIGTERM)
        assert not signals.interrupted
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN


def test_in_another_thread_it_does_nothing() -> None:
    failed: list[BaseException] = []

    def step() -> None:
        try:
            with shielded() as signals:
                assert not signals.interrupted
        except BaseException as exc:  # noqa: BLE001 - told to the test
            failed.append(exc)

    thread = threading.Thread(target=step)
    thread.start()
    thread.join()
    assert failed == []


@pytest.mark.parametrize("times", [1, 2])
def test_ctrl_c_while_a_job_is_sent(times: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The job is sent whole, and its id is told; only who insists cuts that short."""
    sent: list[str] = []

    def send(_connection: Connection, job: NewJob) -> Sent:
        for _ in range(times):
            os.kill(os.getpid(), signal.SIGINT)
        sent.append(id_of(job.job_id))
        return Sent(job.record, Ticket(job.job_id, is_sure=False))

    monkeypatch.setattr(qfleet.jobs.base, "send", send)
    with FleetProvider("redis://127.0.0.1:1/0") as provider, pytest.raises(KeyboardInterrupt) as caught:
        provider.get_backend().run(bell())
    notes = getattr(caught.value, "__notes__", [])
    if times == 1:
        assert f"Job {sent[0]} goes on: provider.job({sent[0]!r})" in notes[0]
    else:
        assert (sent, notes) == ([], [])
