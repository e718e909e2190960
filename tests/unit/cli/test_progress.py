# SPDX-License-Identifier: Apache-2.0
"""The progress bar of a job."""

from __future__ import annotations

import io
import sys
from types import SimpleNamespace
from typing import Any

import pytest
from qiskit.providers import JobStatus

from qfleet.cli.progress import wait_for_result
from qfleet.errors import BrokerUnreachableError


class WatchedJob:
    """Ends at the third look."""

    held = ""
    position: dict[str, int] | None = None
    first = JobStatus.RUNNING
    #: what Redis answers to a look at the place
    outage: Exception | None = None

    def __init__(self) -> None:
        self.looks = 0
        self.asked: list[tuple[float | None, bool]] = []

    def metrics(self) -> dict[str, Any]:
        if self.outage is not None:
            raise self.outage
        left = {"low": 12.0, "high": 40.0}
        status = self.status().name
        return {"status": status, "held": self.held, "queue_position": self.position, "estimated_seconds": left}

    def job_id(self) -> str:
        return "job-1"

    def status(self) -> JobStatus:
        return JobStatus.DONE if self.looks >= 3 else self.first

    def progress(self) -> Any:
        return SimpleNamespace(done=self.looks, total=3)

    def wait_for_final_state(self, callback: Any, **_: object) -> None:
        while self.looks < 3:
            self.looks += 1
            callback("job-1", self.status(), self)

    def result(self, timeout: float | None, partial: bool) -> str:
        self.asked.append((timeout, partial))
        return "the result"


def test_without_a_terminal_there_is_no_bar(capsys: pytest.CaptureFixture[str]) -> None:
    job = WatchedJob()
    assert wait_for_result(job, 30, partial=True) == "the result"
    assert job.asked == [(30, True)]
    assert capsys.readouterr() == ("", "")


def test_on_a_terminal_the_bar_goes_to_stderr(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    job = WatchedJob()
    assert wait_for_result(job, 30) == "the result"
    [(timeout, partial)] = job.asked
    assert timeout is not None
    assert 0 < timeout <= 30
    assert not partial
    out, err = capsys.readouterr()
    assert out == ""
    assert "3/3" in err
    assert "DONE" in err


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({}, "ends in 12 to 40 s"),
        ({"first": JobStatus.QUEUED, "position": {"jobs": 1, "tenants": 0}}, "1 job before it"),
        ({"first": JobStatus.QUEUED, "position": {"jobs": 2, "tenants": 3}}, "2 jobs before it"),
        ({"held": "paused"}, "paused"),
    ],
)
def test_the_bar_says_how_long_it_takes(monkeypatch: pytest.MonkeyPatch, fields: dict[str, Any], text: str) -> None:
    assert text in _bar_of(monkeypatch, fields)


def test_the_bar_goes_on_without_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = _bar_of(monkeypatch, {"outage": BrokerUnreachableError("gone", broker="redis://x")})
    assert "3/3" in shown
    assert "ends in" not in shown


def _bar_of(monkeypatch: pytest.MonkeyPatch, fields: dict[str, Any]) -> str:
    """Everything that the bar of a job shows on a wide terminal."""
    shown = io.StringIO()
    monkeypatch.setattr(sys, "stderr", shown)
    monkeypatch.setattr(shown, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("TERM", "xterm")
    job = WatchedJob()
    for name, value in fields.items():
        setattr(job, name, value)
    assert wait_for_result(job) == "the result"
    return shown.getvalue()
