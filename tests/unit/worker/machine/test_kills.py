# SPDX-License-Identifier: Apache-2.0
"""Kills for want of memory are counted as the kernel tells them."""

from __future__ import annotations

from pathlib import Path

import pytest

from qfleet_worker.machine import kills
from qfleet_worker.machine.kills import RECENT_SECONDS, OutOfMemoryKills, kills_on_machine, number_of_kills


@pytest.mark.parametrize(
    ("text", "expected"),
    [("nr_free 7\noom_kill 12\npgfault 3\n", 12), ("oom_kill_other 3\n", 0), ("", 0), ("²", 0)],
    ids=["told", "another line", "empty", "not ascii"],
)
def test_their_number(text: str, expected: int, tmp_path: Path) -> None:
    path = tmp_path / "vmstat"
    path.write_text(text)
    assert kills_on_machine(path) == expected


def test_a_kernel_that_does_not_tell(tmp_path: Path) -> None:
    assert kills_on_machine(tmp_path / "none") == 0


def test_the_group_of_this_process_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    for of_group, expected in ((3, 3), (0, 0), (None, 7)):
        monkeypatch.setattr(kills, "killed_for_memory", lambda of_group=of_group: of_group)
        monkeypatch.setattr(kills, "kills_on_machine", lambda: 7)
        assert number_of_kills() == expected


def test_each_explains_one_death() -> None:
    number = 4
    found = OutOfMemoryKills(lambda: number)
    assert not found.explain()
    number = 6
    assert [found.explain() for _ in range(3)] == [True, True, False]


def test_one_of_long_ago_explains_nothing() -> None:
    number, seconds = 4, 1000.0
    found = OutOfMemoryKills(lambda: number, lambda: seconds)
    number = 5
    found.look()
    seconds += RECENT_SECONDS + 1
    assert not found.explain()
    number = 6
    found.look()
    seconds += RECENT_SECONDS - 1
    assert [found.explain(), found.explain()] == [True, False]


def test_this_kernel_tells() -> None:
    assert "oom_kill " in Path("/proc/vmstat").read_text()
