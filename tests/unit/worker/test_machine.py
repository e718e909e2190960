# SPDX-License-Identifier: Apache-2.0
"""How much memory a worker may use, with and without the limit of a container, and how many cores."""

from __future__ import annotations

import os
from pathlib import Path

import psutil
import pytest

from qfleet_worker.machine import USABLE_FRACTION, usable_bytes, usable_cores

MACHINE = int(psutil.virtual_memory().total * USABLE_FRACTION)
LIMIT = 256 * 2**20


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"{LIMIT}\n", int(LIMIT * USABLE_FRACTION)),
        ("max\n", MACHINE),
        ("", MACHINE),
        ("9223372036854771712", MACHINE),
        ("-1", MACHINE),
    ],
    ids=["limited", "max", "empty", "cgroup-v1-unlimited", "negative"],
)
def test_the_limit_of_a_container(text: str, expected: int, tmp_path: Path) -> None:
    limit = tmp_path / "memory.max"
    limit.write_text(text)
    assert usable_bytes((tmp_path / "missing", limit)) == expected


def test_the_lowest_limit_holds(tmp_path: Path) -> None:
    for name, limit in (("v2", LIMIT), ("v1", LIMIT // 2)):
        (tmp_path / name).write_text(str(limit))
    assert usable_bytes((tmp_path / "v2", tmp_path / "v1")) == int(LIMIT // 2 * USABLE_FRACTION)


def test_without_a_container(tmp_path: Path) -> None:
    assert usable_bytes((tmp_path / "missing",)) == MACHINE
    assert usable_bytes(()) == MACHINE


def test_cores_where_the_system_tells_which_may_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {0, 3, 5})
    assert usable_cores() == 3


def test_cores_where_it_tells_only_how_many_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 5)
    assert usable_cores() == 5
