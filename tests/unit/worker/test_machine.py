# SPDX-License-Identifier: Apache-2.0
"""How much memory and how many cores a worker may use, with and without the limits of a container."""

from __future__ import annotations

import os
from pathlib import Path

import psutil
import pytest
from celery.utils import sysinfo

from qfleet_worker.machine import USABLE_FRACTION, usable_bytes, usable_cores

MACHINE = int(psutil.virtual_memory().total * USABLE_FRACTION)
LIMIT = 256 * 2**20
USABLE = int(LIMIT * USABLE_FRACTION)


def _write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"{LIMIT}\n", USABLE),
        ("max\n", MACHINE),
        ("", MACHINE),
        ("9223372036854771712", MACHINE),
        ("-1", MACHINE),
        ("²", MACHINE),
    ],
    ids=["limited", "max", "empty", "cgroup-v1-unlimited", "negative", "not ascii"],
)
@pytest.mark.parametrize("name", ["memory.max", "memory/memory.limit_in_bytes"])
def test_the_limit_of_a_container(name: str, text: str, expected: int, tmp_path: Path) -> None:
    assert usable_bytes(_write(tmp_path, {f"sys/fs/cgroup/{name}": text})) == expected


@pytest.mark.parametrize(
    ("line", "limited"),
    [
        ("0::/system.slice/fleet.slice/worker.service", "system.slice/fleet.slice/worker.service/memory.max"),
        ("0::/system.slice/fleet.slice/worker.service", "system.slice/fleet.slice/memory.max"),
        ("0::/system.slice/fleet.slice/worker.service", "system.slice/memory.max"),
        ("0::/docker/abc", "memory.max"),
        ("0::/../../kubepods/pod1", "kubepods/memory.max"),
        ("0::/a/b", "unified/a/memory.max"),
        ("4:memory:/docker/abc", "memory/docker/abc/memory.limit_in_bytes"),
        ("4:hugetlb,memory:/docker/abc", "memory/docker/memory.limit_in_bytes"),
        ("4:memory:/docker/abc", "memory/memory.limit_in_bytes"),
    ],
)
def test_the_limits_of_a_group_and_of_its_parents_hold(line: str, limited: str, tmp_path: Path) -> None:
    files = {"proc/self/cgroup": f"9:name=systemd:/\n{line}\nnonsense\n", f"sys/fs/cgroup/{limited}": str(LIMIT)}
    assert usable_bytes(_write(tmp_path, files)) == USABLE


def test_the_lowest_limit_holds(tmp_path: Path) -> None:
    files = {
        "proc/self/cgroup": "0::/pod/container\n",
        "sys/fs/cgroup/pod/memory.max": str(LIMIT),
        "sys/fs/cgroup/pod/container/memory.max": str(2 * LIMIT),
        "sys/fs/cgroup/other/memory.max": "1",
    }
    assert usable_bytes(_write(tmp_path, files)) == USABLE


def test_without_a_container(tmp_path: Path) -> None:
    assert usable_bytes(tmp_path) == MACHINE


def test_cores_are_those_of_the_affinity(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sysinfo, "cgroup_cpu_quota", lambda: None)
    assert usable_cores() == len(os.sched_getaffinity(0))


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"proc": "0::/\n", "cpu.max": "100000 100000"}, 1),
        ({"proc": "0::/\n", "cpu.max": "max 100000"}, 8),
        ({"proc": "0::/\n", "cpu.max": "250000 100000"}, 3),
        ({"proc": "0::/pod/container\n", "pod/cpu.max": "200000 100000"}, 2),
        (
            {
                "proc": "1:cpu:/slice/unit\n",
                "cpu/slice/cpu.cfs_quota_us": "50000",
                "cpu/slice/cpu.cfs_period_us": "100000",
            },
            1,
        ),
        ({"proc": "1:cpu:/\n", "cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, 8),
    ],
    ids=["v2", "v2 without a limit", "part of a core", "v2 parent", "v1 parent", "v1 without a limit"],
)
def test_a_cpu_quota_counts_as_cores(
    files: dict[str, str], expected: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _write(tmp_path, files)
    monkeypatch.setattr(sysinfo, "available_cpu_count", lambda: 8)
    monkeypatch.setattr(sysinfo, "CGROUP_ROOT", str(tmp_path))
    monkeypatch.setattr(sysinfo, "PROC_SELF_CGROUP", str(tmp_path / "proc"))
    assert usable_cores() == expected
