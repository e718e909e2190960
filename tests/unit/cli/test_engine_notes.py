# SPDX-License-Identifier: Apache-2.0
"""The slower engine is never silent: what is said of results and of workers, and when."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from qiskit.result import Result

from qfleet.cli import engine_notes


def result(*experiments: dict[str, Any]) -> Any:
    return SimpleNamespace(results=[SimpleNamespace(metadata=metadata) for metadata in experiments])


SLOW = {"engine": "numpy", "engine_reason": "machine code isn't compiled on this worker"}
FAST = {"engine": "statevector", "engine_reason": "machine code is compiled"}


def test_one_line_of_a_result_that_the_slower_engine_gave(capsys: pytest.CaptureFixture[str]) -> None:
    engine_notes.tell_engine(result(FAST, SLOW, SLOW, {"engine": "numpy", "engine_reason": "\x1b[2J"}))
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert "numpy" in err
    assert SLOW["engine_reason"] in err
    assert "`qfleet warm`" in err
    assert "\x1b" not in err


@pytest.mark.parametrize("experiments", [[], [FAST], [{}], [None], [{"engine": ""}]])
def test_nothing_of_all_others(experiments: list[Any], capsys: pytest.CaptureFixture[str]) -> None:
    engine_notes.tell_engine(result(*experiments))
    engine_notes.tell_engine(Result(results=[]))
    assert capsys.readouterr() == ("", "")


class Fleet:
    """Workers that say something else at each look."""

    def __init__(self, *looks: list[tuple[str, str, bool]]) -> None:
        self.looks = list(looks)

    def workers(self) -> list[Any]:
        return [
            SimpleNamespace(engine=engine, engine_reason=reason, compiling=compiling)
            for engine, reason, compiling in self.looks.pop(0)
        ]


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_notes.time, "sleep", lambda _: None)


READY, COMPILING, FAILED = ("statevector", "", False), ("numpy", "compiling", True), ("numpy", "no room", False)


@pytest.mark.parametrize(
    ("looks", "said"),
    [
        ([[READY, READY]], []),
        ([[]], []),
        ([[("", "", False)]], []),
        ([[COMPILING], [COMPILING], [READY]], ["compiling", "from now on"]),
        ([[COMPILING, READY], [COMPILING, READY], [READY, READY]], ["compiling", "from now on"]),
        ([[FAILED]], ["no room"]),
        ([[COMPILING], [FAILED]], ["compiling", "no room"]),
    ],
)
def test_workers_are_followed_until_they_change_no_more(
    looks: list[Any], said: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    fleet = Fleet(*looks)
    engine_notes.follow_engines(fleet)  # type: ignore[arg-type]
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == len(said)
    assert all(text in line for text, line in zip(said, lines, strict=True))
    assert fleet.looks == []
