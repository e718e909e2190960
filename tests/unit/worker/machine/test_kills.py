# SPDX-License-Identifier: Apache-2.0
"""Kills for want of memory are counted as the kernel tells them."""

from __future__ import annotations

from pathlib import Path

import pytest

from qfleet_worker.machine.kills import OutOfMemoryKills, number_of_kills


@pytest.mark.parametrize(
    ("text", "expected"),
    [("nr_free 7\noom_kill 12\npgfault 3\n", 12), ("oom_kill_other 3\n", 0), ("", 0), ("²", 0)],
    ids=["told", "another line", "empty", "not ascii"],
)
def test_their_number(text: str, expected: int, tmp_path: Path) -> None:
    path = tmp_path / "vmstat"
    path.write_text(text)
    assert number_of_kills(path) == expected


def test_a_kernel_that_does_not_tell(tmp_path: Path) -> None:
    assert number_of_kills(tmp_path / "none") == 0


def test_each_is_new_once() -> None:
    number = 4
    kills = OutOfMemoryKills(lambda: number)
    assert not kills.is_new()
    number = 6
    assert [kills.is_new(), kills.is_new()] == [True, False]


def test_this_kernel_tells() -> None:
    assert "oom_kill " in Path("/proc/vmstat").read_text()
